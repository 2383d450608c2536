//! Claims and volumes: made, grown, kept. Never deleted.

use super::desired::Desired;
use super::draft::Draft;
use super::membership::Membership;
use super::observed::{Claim, ClaimProblem, Observed, Refused};
use super::step::{Kept, Step};
use super::waiting::Awaited;
use crate::ids::MemberId;
use crate::ids::allocation::member_id;
use std::collections::BTreeSet;

/// The data claim of a member.
pub(super) fn claim_name(member: &MemberId) -> String {
    format!("{member}-data")
}

impl Kept {
    /// A claim as it was seen.
    pub(super) fn of(claim: &Claim) -> Self {
        Self {
            name: claim.name.clone(),
            uid: claim.uid.clone(),
            resource_version: claim.resource_version.clone(),
        }
    }
}

/// Lets every bound volume outlive its claim, also those of members that left and of a cluster that goes.
pub(super) fn retain(draft: &mut Draft<'_>) {
    let observed = draft.observed;
    for claim in observed.claims.values().filter(|claim| observed.owns_claim(claim)) {
        if let Some(volume) = claim.volume.as_ref().filter(|volume| !volume.retained) {
            draft.step(Step::RetainVolume { volume: volume.name.clone(), claim: claim.uid.clone() });
        }
    }
}

/// Lets claims ask for the desired size. Comes before any question of health, because a full volume is often why health is bad.
pub(super) fn grow(draft: &mut Draft<'_>, desired: &Desired, membership: &Membership) {
    let observed = draft.observed;
    for (identity, claim) in observed.member_claims() {
        // A claim that is not bound cannot grow; the API would refuse.
        if membership.keep.contains(&identity)
            && claim.volume.is_some()
            && claim.requested < desired.size.bytes
            && !claim.deleting
        {
            draft.step(Step::GrowClaim { claim: Kept::of(claim), size: desired.size.text.clone() });
        }
    }
}

/// Makes the claims of missing members, under ids whose count is noted first.
pub(super) fn create(draft: &mut Draft<'_>, membership: &Membership) {
    let observed = draft.observed;
    let again = refused_before(observed);
    let (again, rest) =
        (again.iter().take(membership.missing), membership.missing.saturating_sub(again.len()));
    for member in again {
        draft.step(Step::CreateClaim { member: member.clone(), name: claim_name(member) });
    }
    if rest > 0 {
        let (counter, members) = allocate(observed, rest);
        let create = members
            .into_iter()
            .map(|member| Step::CreateClaim { name: claim_name(&member), member })
            .collect();
        draft.first_on_cluster(|resource_version| Step::NoteCounter { counter, resource_version }, create);
    }
}

/// Allocated ids whose claim the API refused when it was last asked: they are tried again, instead of using up new ones.
fn refused_before(observed: &Observed) -> Vec<MemberId> {
    observed
        .refused
        .keys()
        .filter_map(|refused| match refused {
            Refused::Claim(name)
                if !observed.claims.get(name).is_some_and(|claim| observed.owns_claim(claim)) =>
            {
                MemberId::new(name.strip_suffix("-data")?).ok()
            }
            Refused::Claim(_)
            | Refused::Pod(_)
            | Refused::Volume(_)
            | Refused::Secret(_)
            | Refused::Budget(_) => None,
        })
        .filter(|member| {
            let cluster = &observed.cluster;
            (0..cluster.counter).any(|n| member_id(&cluster.name.name, &cluster.uid, n) == *member)
        })
        .collect()
}

/// The next ids, and the count after them. An id that anything still names is passed over.
fn allocate(observed: &Observed, count: usize) -> (u64, Vec<MemberId>) {
    let mut taken = names(observed);
    let mut counter = observed.cluster.counter;
    let mut members = Vec::new();
    while members.len() < count {
        let member = member_id(&observed.cluster.name.name, &observed.cluster.uid, counter);
        counter += 1;
        if taken.insert(member.clone()) {
            members.push(member);
        }
    }
    (counter, members)
}

/// Every member id that an object or a record of the cluster names.
fn names(observed: &Observed) -> BTreeSet<MemberId> {
    let mut names: BTreeSet<MemberId> =
        observed.claims.values().filter_map(|claim| claim.member.clone()).collect();
    names.extend(observed.pods.values().filter_map(|pod| pod.member.clone()));
    if let Some(known) = observed.known() {
        names.extend(known.members.keys().cloned());
        names.extend(known.intent.iter().flat_map(|intent| intent.value.members.keys().cloned()));
        if let Some(rule) = known.rule.as_ref().map(|stored| &stored.value) {
            names.extend(rule.named().map(|identity| identity.member.clone()));
        }
    }
    names
}

/// Says why a claim is not bound, where the API told.
pub(super) fn explain(draft: &mut Draft<'_>, claim: &Claim) {
    let (why, unblock) = match &claim.problem {
        None => return,
        Some(ClaimProblem::NoClass { class: Some(class) }) => (
            format!("there is no storage class {class}"),
            format!("make the storage class {class}, or make the cluster anew with one that exists (kubectl get storageclass)"),
        ),
        Some(ClaimProblem::NoClass { class: None }) => (
            "the Kubernetes cluster has no default storage class".to_owned(),
            "mark a storage class as the default (kubectl get storageclass), or make the cluster anew with spec.storage.data.class".to_owned(),
        ),
        Some(ClaimProblem::Provisioning { message }) => {
            (message.clone(), "see the message; the provisioner tries again by itself".to_owned())
        }
    };
    draft.wait(Awaited::Volume { claim: claim.name.clone(), why, unblock });
}
