//! What is so: the cluster, its children from the caches, and by a live read what no cache may say.
//!
//! Nothing here changes anything but the memory of what was looked up.

mod cluster;
mod lookups;
mod secrets;

pub(crate) use cluster::{Damaged, cluster};
pub(crate) use lookups::Lookups;
pub(crate) use secrets::{Password, SecretsSeen, belongs, password};

use crate::kubernetes::CallError;
use crate::operator::{Memory, Operator};
use berth_api::{DatabaseCluster, names};
use berth_core::Nonce;
use berth_core::plan::{Claim, Cluster, Observed, Pod, SecretState, Secrets, Time};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Why a cluster could not be observed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObserveError {
    /// A live read failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

impl Operator {
    /// Observes one cluster. `about` is its object, read by [`fn@cluster`].
    pub(crate) async fn observe(
        &self,
        object: &DatabaseCluster,
        about: Cluster,
        wanted: bool,
        memory: &mut Memory,
        now: Timestamp,
    ) -> Result<Observed, ObserveError> {
        let pods = self.pods(&about, memory).await?;
        let claims = self.claims(&about, &pods, memory, now).await?;
        let secrets = if wanted && !about.deleting {
            self.secrets(object, &about, memory, now).await?
        } else {
            Secrets { access: SecretState::Current, certificates: std::collections::BTreeSet::new() }
        };
        let named = names::budget(about.name.name.as_str());
        let budget = self.caches.budgets.of(about.uid.as_str()).remove(&named);
        Ok(Observed {
            now: Time(now.as_second()),
            fresh: fresh().map_err(ObserveError::Random)?,
            topology: self.caches.topology.of(&about.uid),
            cluster: about,
            claims,
            pods,
            budget,
            secrets,
            refused: memory.refused.clone(),
        })
    }

    /// The pods, each with what is known of its node. Of the node of a pod that is being deleted, what matters is read live.
    async fn pods(&self, about: &Cluster, memory: &mut Memory) -> Result<BTreeMap<String, Pod>, CallError> {
        let mut pods = self.caches.pods.of(about.uid.as_str());
        for pod in pods.values_mut() {
            let deleting = pod.deleting;
            if let Some(node) = &mut pod.node {
                node.state = memory.lookups.node(self, &node.name, deleting).await?;
            }
        }
        Ok(pods)
    }

    /// The claims, each with what is known of its volume, or of why it has none.
    async fn claims(
        &self,
        about: &Cluster,
        pods: &BTreeMap<String, Pod>,
        memory: &mut Memory,
        now: Timestamp,
    ) -> Result<BTreeMap<String, Claim>, CallError> {
        let mut claims = BTreeMap::new();
        for (name, cached) in self.caches.claims.of(about.uid.as_str()) {
            let mut claim = cached.claim;
            let has_pod = claim.member.as_ref().is_some_and(|member| pods.contains_key(member.as_str()));
            if let Some(volume) = &mut claim.volume {
                volume.retained = memory.lookups.retained(self, &volume.name, &claim.uid).await?;
            } else if has_pod {
                let class = cached.class.as_deref();
                claim.problem = memory.lookups.unbound(self, about, &claim, class, now).await?;
            }
            claims.insert(name, claim);
        }
        Ok(claims)
    }
}

/// A value never used before: 128 random bits.
fn fresh() -> Result<Nonce, getrandom::Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    let text = bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    });
    Nonce::new(text).map_err(|_| getrandom::Error::UNEXPECTED)
}
