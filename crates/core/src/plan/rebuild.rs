//! Members whose data is beyond repair by their own word: a new member on a new claim takes their place, and the old claim is kept.
//!
//! Only while a primary is in place, because the volume may hold what nobody else has; and not one after the other without end, should
//! whatever spoils the data spoil the next copy too.

use super::observed::{Observed, Time};
use crate::ids::MemberId;
use crate::topology::{Identity, Phase};

/// How long after a claim was made in another's place the next may be, in seconds: enough that a person sees that it repeats.
const PAUSE: i64 = 600;

/// Why a member's data is of no use any more, by its own word.
pub(super) fn why<'a>(observed: &'a Observed, member: &MemberId) -> Option<&'a str> {
    observed.known()?.members.get(member)?.beyond_repair.as_deref()
}

/// Whether a member is to be replaced now.
pub(super) fn due(observed: &Observed, identity: &Identity) -> bool {
    let said = observed.known().and_then(|known| known.members.get(&identity.member));
    if !said.is_some_and(|record| record.identity == *identity && record.beyond_repair.is_some()) {
        return false;
    }
    let serves = observed.rule().is_some_and(|rule| {
        rule.phase == Phase::Serving
            && rule.primary != *identity
            && observed.pod_of(&rule.primary.member).is_some_and(|pod| pod.ready && !pod.deleting)
    });
    serves && (begun(observed) || !again(observed))
}

/// Whether the claim for the one that comes is there already, and the intent does not name it yet.
fn begun(observed: &Observed) -> bool {
    let named = |member: &MemberId| observed.intent().is_some_and(|i| i.members.contains_key(member));
    observed.member_claims().any(|(identity, claim)| {
        !claim.deleting && !named(&identity.member) && why(observed, &identity.member).is_none()
    })
}

/// Whether a claim was made lately though there were enough: in the place of one that is kept.
fn again(observed: &Observed) -> bool {
    let lately = |at: Time| observed.now.0.saturating_sub(at.0) < PAUSE;
    let members = observed.intent().map_or(0, |intent| intent.members.len());
    let claims: Vec<_> = observed.claims.values().filter(|claim| observed.owns_claim(claim)).collect();
    claims.len() > members && claims.iter().any(|claim| lately(claim.created))
}
