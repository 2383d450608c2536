//! A topology that was lost with nobody left who could write it back: what a person asks for becomes part of the intent; the members do the rest.

use super::desired::Desired;
use super::electing;
use super::observed::Observed;
use crate::ids::Nonce;
use crate::topology::{Identity, Rebuild};
use std::collections::BTreeSet;

/// What the members are asked for; none if nothing is, or if nobody would be left to do it.
///
/// Everybody who has a claim must answer, whoever is wanted as a member now: any of them may hold what was acknowledged last.
pub(super) fn asked(observed: &Observed, desired: &Desired) -> Option<Rebuild> {
    let word = desired.rebuild.as_ref().filter(|_| has_forgotten(observed))?;
    let nonce = Nonce::new(word.token.as_str()).ok()?;
    let given_up = |identity: &Identity| word.without.iter().any(|name| name == identity.member.as_str());
    let of: BTreeSet<Identity> = observed
        .member_claims()
        .map(|(identity, _)| identity)
        .filter(|identity| !given_up(identity))
        .collect();
    let by = of.iter().find(|identity| electing::runs(observed, identity)).or(of.first())?.clone();
    Some(Rebuild { nonce, by, of })
}

/// Whether the topology knows nothing of the cluster any more, or less than its members say of themselves, or is being rebuilt.
fn has_forgotten(observed: &Observed) -> bool {
    let Some(known) = observed.known() else { return false };
    let Some(rule) = observed.rule() else { return observed.cluster.bootstrapped };
    rule.everybody().is_some() || known.members.values().any(|record| record.term > rule.term)
}
