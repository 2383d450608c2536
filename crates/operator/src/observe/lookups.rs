//! What is looked up by a live read, and how long the answer holds.
//!
//! That a node is gone, and that a volume outlives its claim, are never taken from a cache. Why a claim has no volume is for people
//! only, and may be some seconds old.

use crate::cache::SlimNode;
use crate::kubernetes::{CallError, Refusal};
use crate::operator::Operator;
use berth_core::ClaimUid;
use berth_core::plan::{Claim, ClaimProblem, Cluster, NodeState};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, PersistentVolume};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::Api;
use kube::api::ListParams;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// How long a claim may wait before somebody is asked why: longer than a volume usually takes.
const PATIENCE_SECONDS: i64 = 4;
/// How long the answer holds.
const ANSWER_HOLDS: Duration = Duration::from_secs(4);
/// The mark of the default storage class.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// What was looked up.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    /// Volumes that were seen to outlive the claim they are bound to.
    retained: BTreeSet<(String, ClaimUid)>,
    /// Why claims have no volume.
    unbound: BTreeMap<ClaimUid, (Instant, Option<ClaimProblem>)>,
}

impl Lookups {
    /// What is known of a node. If a pod there is being deleted, then that the node is gone or off decides over its volume, and is read live.
    pub(super) async fn node(
        &self,
        operator: &Operator,
        name: &str,
        decides: bool,
    ) -> Result<NodeState, CallError> {
        let cached = operator.caches.nodes.state(name);
        match cached {
            Some(state @ (NodeState::Ready | NodeState::NotReady)) => Ok(state),
            _ if !decides => Ok(NodeState::NotReady),
            Some(NodeState::OutOfService | NodeState::Gone) | None => {
                let api = Api::<SlimNode>::all(operator.kubernetes.client().clone());
                Ok(operator.kubernetes.get(api, name).await?.map_or(NodeState::Gone, |node| node.state()))
            }
        }
    }

    /// Whether a volume outlives the claim that it is bound to. Once seen it is believed: nobody but a person undoes it.
    pub(super) async fn retained(
        &mut self,
        operator: &Operator,
        volume: &str,
        claim: &ClaimUid,
    ) -> Result<bool, CallError> {
        let key = (volume.to_owned(), claim.clone());
        if self.retained.contains(&key) {
            return Ok(true);
        }
        let api = Api::<PersistentVolume>::all(operator.kubernetes.client().clone());
        let Some(found) = operator.kubernetes.get(api, volume).await? else { return Ok(false) };
        let spec = found.spec.unwrap_or_default();
        let bound = spec.claim_ref.and_then(|claim| claim.uid).as_deref() == Some(claim.as_str());
        let retained = bound && spec.persistent_volume_reclaim_policy.as_deref() == Some("Retain");
        if retained {
            self.retained.insert(key);
        }
        Ok(retained)
    }

    /// Why a claim has no volume, once it has waited for longer than usual.
    pub(super) async fn unbound(
        &mut self,
        operator: &Operator,
        about: &Cluster,
        claim: &Claim,
        class: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<ClaimProblem>, CallError> {
        if now.as_second() < claim.created.0 + PATIENCE_SECONDS {
            return Ok(None);
        }
        if let Some((at, answer)) = self.unbound.get(&claim.uid)
            && at.elapsed() < ANSWER_HOLDS
        {
            return Ok(answer.clone());
        }
        let answer = ask(operator, about, claim, class).await?;
        self.unbound.insert(claim.uid.clone(), (Instant::now(), answer.clone()));
        Ok(answer)
    }
}

/// Asks the API why a claim has no volume.
async fn ask(
    operator: &Operator,
    about: &Cluster,
    claim: &Claim,
    class: Option<&str>,
) -> Result<Option<ClaimProblem>, CallError> {
    let kubernetes = &operator.kubernetes;
    let classes = || Api::<StorageClass>::all(kubernetes.client().clone());
    match class {
        Some(class) if !class.is_empty() => {
            if kubernetes.get(classes(), class).await?.is_none() {
                return Ok(Some(ClaimProblem::NoClass { class: Some(class.to_owned()) }));
            }
        }
        Some(_) => {}
        None => {
            let is_default = |found: &StorageClass| {
                found
                    .metadata
                    .annotations
                    .as_ref()
                    .and_then(|all| all.get(DEFAULT_CLASS))
                    .is_some_and(|v| v == "true")
            };
            if !kubernetes.list(classes(), &ListParams::default()).await?.iter().any(is_default) {
                return Ok(Some(ClaimProblem::NoClass { class: None }));
            }
        }
    }
    let events = Api::<Event>::namespaced(kubernetes.client().clone(), about.name.namespace.as_str());
    let of_claim = format!("involvedObject.uid={},reason=ProvisioningFailed", claim.uid);
    match kubernetes.list(events, &ListParams::default().fields(&of_claim)).await {
        Ok(events) => {
            let last =
                events.into_iter().max_by_key(|event| event.last_timestamp.as_ref().map(|time| time.0));
            Ok(last.and_then(|event| event.message).map(|message| ClaimProblem::Provisioning { message }))
        }
        // For people only: without the right to read events the reason stays unsaid.
        Err(failure) if failure.is(Refusal::Forbidden) => Ok(None),
        Err(failure) => Err(failure),
    }
}
