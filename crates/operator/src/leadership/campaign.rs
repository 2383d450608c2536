//! The Lease itself: taken, renewed, released.
//!
//! Each write is a compare-and-swap on the resource version (a plain PUT, because here the whole object is ours and a lost race must be an error). Calls are shorter
//! than those of the operator at large: a renewal that hangs is worth less than a second try.

use super::decide::{Decision, Seen, decide};
use super::{ACT_FOR, LEASE, RENEW_EVERY, Tenure};
use berth_service::Chain;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

/// How long one call about the lease may take: two must fit between a renewal and the end of the tenure.
const CALL: Duration = Duration::from_secs(3);
/// The name of the Lease.
const NAME: &str = "berth-operator";

/// A candidate for the lead.
pub(crate) struct Campaign {
    api: Api<Lease>,
    identity: String,
    seen: Option<Seen>,
    transitions: i32,
    acquired: Option<MicroTime>,
}

impl Campaign {
    /// A candidate that calls itself `identity`, which no other may.
    pub(crate) fn new(client: Client, namespace: &str, identity: String) -> Self {
        Self { api: Api::namespaced(client, namespace), identity, seen: None, transitions: 0, acquired: None }
    }

    /// Waits until this process leads; none if it shall stop before that.
    pub(crate) async fn win(&mut self, stop: &CancellationToken) -> Option<Tenure> {
        let mut tick = interval(RENEW_EVERY / 2);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return None,
                _ = tick.tick() => {}
            }
            let sent = Instant::now();
            match self.attempt().await {
                Ok(true) => {
                    info!(identity = self.identity, transition = self.transitions, "this operator leads");
                    return Some(Tenure::new(sent + ACT_FOR));
                }
                Ok(false) => debug!(identity = self.identity, "another operator leads"),
                Err(failure) => warn!(error = %Chain(&failure), "cannot ask for the lead"),
            }
        }
    }

    /// Renews until told to stop, then releases; ends early if the lead is lost.
    pub(crate) async fn hold(mut self, tenure: Tenure, stop: CancellationToken) {
        let mut tick = interval(RENEW_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.tick().await;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = tick.tick() => {}
            }
            let sent = Instant::now();
            match self.renew().await {
                Ok(true) => tenure.extend(sent + ACT_FOR),
                Ok(false) => {
                    error!("another operator took the lead");
                    return tenure.lose();
                }
                Err(failure) if tenure.holds() => {
                    warn!(error = %Chain(&failure), "cannot renew the lead; trying again");
                    tick.reset_after(RENEW_EVERY / 4);
                }
                Err(failure) => {
                    error!(error = %Chain(&failure), "cannot renew the lead, and its time is over");
                    return tenure.lose();
                }
            }
        }
        tenure.lose();
        match self.write(None).await {
            Ok(_) => info!("released the lead"),
            Err(failure) => warn!(error = %Chain(&failure), "cannot release the lead; it ends by itself"),
        }
    }

    /// Renews; whether it is ours still. One write as long as nobody else touches the lease, and a look at it if somebody did.
    async fn renew(&mut self) -> Result<bool, CampaignError> {
        Ok(self.write(Some(self.identity.clone())).await? || self.attempt().await?)
    }

    /// Takes or renews the lease if that is right; whether it is ours now.
    async fn attempt(&mut self) -> Result<bool, CampaignError> {
        let current = call(self.api.get_opt(NAME)).await?;
        self.look(current.as_ref());
        match decide(self.seen.as_ref(), &self.identity, Instant::now()) {
            Decision::Wait => Ok(false),
            Decision::Create | Decision::Take => self.write(Some(self.identity.clone())).await,
        }
    }

    /// Notes what was read; a version that was seen before keeps the time at which it was.
    fn look(&mut self, lease: Option<&Lease>) {
        let Some(lease) = lease else {
            self.seen = None;
            return;
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let resource_version = lease.metadata.resource_version.clone().unwrap_or_default();
        self.transitions = spec.lease_transitions.unwrap_or(0);
        if self.seen.as_ref().is_some_and(|seen| seen.resource_version == resource_version) {
            return;
        }
        let lasts = spec
            .lease_duration_seconds
            .and_then(|s| u64::try_from(s).ok())
            .map_or(LEASE, Duration::from_secs);
        self.seen = Some(Seen {
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            resource_version,
            lasts,
            since: Instant::now(),
        });
    }

    /// Writes the lease with this holder, if it is still the version that was seen. False if somebody was faster.
    async fn write(&mut self, holder: Option<String>) -> Result<bool, CampaignError> {
        let changes = holder.is_some() && self.seen.as_ref().is_none_or(|seen| seen.holder != holder);
        let transitions = self.transitions + i32::from(changes);
        let now = MicroTime(Timestamp::now());
        if changes {
            self.acquired = Some(now.clone());
        }
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(NAME.to_owned()),
                resource_version: self.seen.as_ref().map(|seen| seen.resource_version.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.unwrap_or_default()),
                lease_duration_seconds: i32::try_from(LEASE.as_secs()).ok(),
                lease_transitions: Some(transitions),
                acquire_time: self.acquired.clone(),
                renew_time: Some(now),
                ..LeaseSpec::default()
            }),
        };
        let parameters = PostParams::default();
        let written = if self.seen.is_some() {
            call(self.api.replace(NAME, &parameters, &lease)).await
        } else {
            call(self.api.create(&parameters, &lease)).await
        };
        match written {
            Ok(lease) => {
                self.look(Some(&lease));
                Ok(true)
            }
            Err(CampaignError::Api(kube::Error::Api(status)))
                if status.is_conflict() || status.is_already_exists() =>
            {
                Ok(false)
            }
            Err(failure) => Err(failure),
        }
    }
}

/// Why the lease could not be read or written.
#[derive(Debug, thiserror::Error)]
enum CampaignError {
    /// The API server said no, or could not be reached.
    #[error("the Lease {NAME} could not be read or written")]
    Api(#[source] kube::Error),
    /// It did not answer.
    #[error("the API server did not answer within {CALL:?} about the Lease {NAME}")]
    Timeout,
}

async fn call<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, CampaignError> {
    match timeout(CALL, call).await {
        Ok(answer) => answer.map_err(CampaignError::Api),
        Err(_) => Err(CampaignError::Timeout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeApi;

    fn candidate(api: &FakeApi, name: &str) -> Campaign {
        Campaign::new(api.client(), "berth-system", name.to_owned())
    }

    fn holder(api: &FakeApi) -> String {
        let lease =
            api.get("/apis/coordination.k8s.io/v1/namespaces/berth-system/leases/berth-operator").unwrap();
        lease["spec"]["holderIdentity"].as_str().unwrap().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn one_leads_until_it_is_silent_for_the_whole_lease() {
        let api = FakeApi::default();
        let (mut one, mut two) = (candidate(&api, "one"), candidate(&api, "two"));
        assert!(one.attempt().await.unwrap());
        assert!(!two.attempt().await.unwrap());
        tokio::time::advance(LEASE / 2).await;
        assert!(one.renew().await.unwrap());
        tokio::time::advance(LEASE / 2).await;
        assert!(!two.attempt().await.unwrap(), "it was renewed half a lease ago");
        tokio::time::advance(LEASE).await;
        assert!(two.attempt().await.unwrap());
        assert!(!one.renew().await.unwrap(), "the old holder learns of it at its next renewal");
        assert_eq!(holder(&api), "two");
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_that_find_it_free_one_wins() {
        let api = FakeApi::default();
        let (mut one, mut two) = (candidate(&api, "one"), candidate(&api, "two"));
        assert!(one.attempt().await.unwrap());
        assert!(one.write(None).await.unwrap());
        let free = call(two.api.get_opt(NAME)).await.unwrap();
        two.look(free.as_ref());
        assert!(one.attempt().await.unwrap());
        assert!(!two.write(Some("two".to_owned())).await.unwrap(), "it spoke of a version that is gone");
        assert_eq!(holder(&api), "one");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_releases_the_lease_for_the_next() {
        let api = FakeApi::default();
        let mut one = candidate(&api, "one");
        let stop = CancellationToken::new();
        let tenure = one.win(&stop).await.unwrap();
        stop.cancel();
        one.hold(tenure.clone(), stop).await;
        assert!(!tenure.holds());
        assert!(candidate(&api, "two").attempt().await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_cannot_renew_gives_up_before_others_may_begin() {
        let api = FakeApi::default();
        let mut one = candidate(&api, "one");
        let tenure = one.win(&CancellationToken::new()).await.unwrap();
        let began = Instant::now();
        api.break_after(Some(0));
        one.hold(tenure.clone(), CancellationToken::new()).await;
        assert!(!tenure.holds());
        assert!(began.elapsed() < LEASE, "{:?}", began.elapsed());
    }
}
