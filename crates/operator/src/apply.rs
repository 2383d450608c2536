//! The executor: carries out a plan that was checked, and decides nothing.
//!
//! Chains run side by side, the steps of a chain in order; one that fails or whose precondition does not hold ends its chain and no other. Every step
//! is one external effect and may be repeated: what is so already counts as done.

mod budgets;
mod claims;
mod error;
mod object;
mod pods;
mod records;
mod secrets;

pub(crate) use error::StepError;

use crate::build::Owner;
use crate::operator::Operator;
use crate::validate::Rendering;
use berth_api::DatabaseCluster;
use berth_core::plan::{Chain, Plan, Refused, Step};
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use jiff::Timestamp;

/// How many chains run at the same time: the members of a cluster are made together, and a large one still leaves room for others.
const AT_ONCE: usize = 8;

/// What a plan is carried out on.
pub(crate) struct Work<'a> {
    /// The process.
    pub(crate) operator: &'a Operator,
    /// Whose objects.
    pub(crate) owner: Owner,
    /// The cluster as it was observed.
    pub(crate) object: &'a DatabaseCluster,
    /// What objects are built from; none if the spec is not valid, and then no plan builds any.
    pub(crate) rendering: Option<&'a Rendering>,
    /// The time.
    pub(crate) now: Timestamp,
}

/// What became of one step.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The step.
    pub(crate) step: Step,
    /// The cluster's own object, if the step changed that.
    pub(crate) result: Result<Option<DatabaseCluster>, StepError>,
}

impl Work<'_> {
    /// Carries out a plan, but for chains that begin with a step of `not`: it failed a moment ago.
    pub(crate) async fn apply(&self, plan: &Plan, not: &[Step]) -> Vec<Outcome> {
        let mut chains: Vec<BoxFuture<'_, Vec<Outcome>>> = Vec::new();
        for chain in &plan.chains {
            if chain.0.first().is_none_or(|first| !not.contains(first)) {
                chains.push(Box::pin(self.chain(chain)));
            }
        }
        stream::iter(chains).buffer_unordered(AT_ONCE).concat().await
    }

    async fn chain(&self, chain: &Chain) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for step in &chain.0 {
            let result = self.step(step).await;
            let ends = result.is_err();
            outcomes.push(Outcome { step: step.clone(), result });
            if ends {
                break;
            }
        }
        outcomes
    }

    async fn step(&self, step: &Step) -> Result<Option<DatabaseCluster>, StepError> {
        match step {
            Step::AddFinalizer { resource_version } => self.add_finalizer(resource_version).await.map(Some),
            Step::NoteCounter { counter, resource_version } => {
                self.note_counter(*counter, resource_version).await.map(Some)
            }
            Step::NoteGrant { grant, resource_version } => {
                self.note_grant(grant, resource_version).await.map(Some)
            }
            Step::NoteBootstrapped { resource_version } => {
                self.note_bootstrapped(resource_version).await.map(Some)
            }
            Step::RemoveFinalizer { resource_version } => {
                self.remove_finalizer(resource_version).await.map(|()| None)
            }
            Step::NoteGrantOnClaim { claim, nonce } => {
                self.note_grant_on_claim(claim, nonce).await.map(|()| None)
            }
            Step::CreateClaim { member, name } => self.create_claim(member, name).await.map(|()| None),
            Step::GrowClaim { claim, size } => self.grow_claim(claim, size).await.map(|()| None),
            Step::RetainVolume { volume, claim } => self.retain_volume(volume, claim).await.map(|()| None),
            Step::RetireClaim { claim } => self.retire_claim(claim).await.map(|()| None),
            Step::CreateBudget { min_available } => self.create_budget(*min_available).await.map(|()| None),
            Step::ChangeBudget { uid, min_available } => {
                self.change_budget(uid, *min_available).await.map(|()| None)
            }
            Step::EnsureAccess => self.ensure_access().await.map(|()| None),
            Step::EnsureCertificates { members } => self.ensure_certificates(members).await.map(|()| None),
            Step::EnsureUser => self.ensure_user().await.map(|()| None),
            Step::PutIntent { intent, expected } => self.put_intent(intent, *expected).await.map(|()| None),
            Step::CreatePod { identity } => self.create_pod(identity).await.map(|()| None),
            Step::DeletePod(delete) => self.delete_pod(delete).await.map(|()| None),
            Step::ReleasePod { name, uid, resource_version, because: _ } => {
                self.release_pod(name, uid, resource_version).await.map(|()| None)
            }
            Step::RemoveMember { member } => self.remove_member(member).await.map(|()| None),
            Step::RemoveRecords => self.remove_records().await.map(|()| None),
        }
    }
}

/// The object that a step is about, where a refusal of it is kept and reported.
pub(crate) fn subject(step: &Step, owner: &Owner) -> Option<Refused> {
    let cluster = owner.cluster.name.as_str();
    match step {
        Step::CreatePod { identity } => Some(Refused::Pod(identity.member.to_string())),
        Step::DeletePod(delete) => Some(Refused::Pod(delete.name.clone())),
        Step::ReleasePod { name, .. } => Some(Refused::Pod(name.clone())),
        Step::CreateClaim { name, .. } => Some(Refused::Claim(name.clone())),
        Step::GrowClaim { claim, .. }
        | Step::RetireClaim { claim }
        | Step::NoteGrantOnClaim { claim, .. } => Some(Refused::Claim(claim.name.clone())),
        Step::RetainVolume { volume, .. } => Some(Refused::Volume(volume.clone())),
        Step::CreateBudget { .. } | Step::ChangeBudget { .. } => {
            Some(Refused::Budget(berth_api::names::budget(cluster)))
        }
        Step::EnsureAccess => Some(Refused::Secret(berth_api::names::owner_secret(cluster))),
        Step::EnsureCertificates { .. } => Some(Refused::Secret(berth_api::names::tls_secret(cluster))),
        Step::AddFinalizer { .. }
        | Step::NoteCounter { .. }
        | Step::NoteGrant { .. }
        | Step::NoteBootstrapped { .. }
        | Step::EnsureUser
        | Step::PutIntent { .. }
        | Step::RemoveMember { .. }
        | Step::RemoveRecords
        | Step::RemoveFinalizer { .. } => None,
    }
}
