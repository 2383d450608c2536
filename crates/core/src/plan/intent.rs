//! The intent: what the members are told. Written when it says something new, never with fewer members than a replacement is under way for, and never
//! without who is primary or about to be.

use super::desired::Desired;
use super::draft::Draft;
use super::membership::Membership;
use super::observed::Known;
use super::step::Step;
use super::{loss, lost, switchover};
use crate::topology::{BootstrapGrant, Intent};

/// Writes the intent, if it says something new.
pub(super) fn put(draft: &mut Draft<'_>, desired: &Desired, membership: &Membership) {
    let observed = draft.observed;
    let Some(Known { intent: stored, .. }) = observed.known() else { return };
    let old = stored.as_ref().map(|stored| &stored.value);
    // Durability counts members. While one is missing, its predecessor stays named, so that nobody waits for fewer than was asked.
    let members = match old {
        Some(old) if membership.missing > 0 => old.members.clone(),
        None if membership.missing > 0 => return,
        Some(_) | None => membership.keep.iter().map(|i| (i.member.clone(), i.claim.clone())).collect(),
    };
    let primary = observed.served_last();
    let next = observed
        .leader()
        .filter(|leader| old.is_some_and(|old| old.identity(&leader.member).as_ref() == Some(*leader)));
    let all_stay = [primary, next]
        .into_iter()
        .flatten()
        .all(|identity| members.get(&identity.member) == Some(&identity.claim));
    let members = match (all_stay, old) {
        (true, _) => members,
        (false, Some(old)) => old.members.clone(),
        (false, None) => return,
    };
    let grant = match &observed.cluster.grant {
        Some(noted) => Some(BootstrapGrant { to: noted.identity(), nonce: noted.nonce.clone() }),
        None => old.and_then(|old| old.grant.clone()),
    };
    let switchover = switchover::asked(desired, membership).ok().flatten();
    let intent = Intent {
        cluster: observed.cluster.name.clone(),
        generation: observed.cluster.generation,
        rebuild: lost::asked(observed, desired),
        accept_loss: loss::accepted(desired, membership).ok().flatten(),
        // One to a member that is not told of yet is told with it.
        switchover: switchover.filter(|asked| asked.to.as_ref().is_none_or(|to| members.contains_key(to))),
        members,
        durability: desired.durability.clone(),
        engine: desired.engine,
        parameters: desired.parameters.clone(),
        access: desired.access.clone(),
        grant,
        paused: desired.paused,
    };
    let new = match old {
        Some(old) => {
            old.generation <= intent.generation
                && Intent { generation: old.generation, ..intent.clone() } != *old
        }
        None => true,
    };
    if new {
        draft.step(Step::PutIntent {
            intent: Box::new(intent),
            expected: stored.as_ref().map(|stored| stored.revision),
        });
    }
}
