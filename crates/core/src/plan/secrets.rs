//! Secrets and the right to speak to the topology: what a pod needs before it is made.

use super::draft::Draft;
use super::membership::Membership;
use super::observed::{Observed, SecretState};
use super::step::Step;
use super::waiting::Awaited;
use crate::ids::MemberId;

/// Makes what is missing.
pub(super) fn ensure(draft: &mut Draft<'_>, membership: &Membership) {
    let observed = draft.observed;
    match &observed.secrets.access {
        SecretState::Current => {}
        SecretState::Outdated => draft.step(Step::EnsureAccess),
        SecretState::Awaited { name, missing } => {
            draft.wait(Awaited::OwnerSecret { name: name.clone(), missing: missing.clone() });
        }
    }
    let members: Vec<MemberId> = membership
        .keep
        .iter()
        .map(|identity| identity.member.clone())
        .filter(|member| !observed.secrets.certificates.contains(member))
        .collect();
    if !members.is_empty() {
        draft.step(Step::EnsureCertificates { members });
    }
    ensure_user(draft);
}

/// Gives the members their rights in the topology, if that is not known to have been done in this very store.
pub(super) fn ensure_user(draft: &mut Draft<'_>) {
    if draft.observed.known().is_some_and(|known| !known.user) {
        draft.step(Step::EnsureUser);
    }
}

/// Whether a member's pod would find all that it mounts and needs.
///
/// A user's Secret that went missing later is no reason to keep a member down: the verifier made from it is still there.
pub(super) fn there_for(observed: &Observed, member: &MemberId) -> bool {
    let access = match observed.secrets.access {
        SecretState::Current => true,
        SecretState::Outdated => false,
        SecretState::Awaited { .. } => observed.cluster.bootstrapped,
    };
    access
        && observed.secrets.certificates.contains(member)
        && observed.known().is_some_and(|known| known.user)
}
