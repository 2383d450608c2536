//! Who is a member, who leaves, and how many are missing.
//!
//! A member is a claim. The choice of who leaves is made once and kept in the intent: a member that the intent does not name any more stays
//! the one to leave, however the others fare meanwhile. A member whose data is beyond repair leaves as soon as another is made in its place.

use super::desired::Desired;
use super::observed::{Claim, Observed};
use super::rebuild;
use crate::ids::MemberId;
use crate::topology::{Identity, Phase};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Who is a member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Membership {
    /// Those who stay, the primary (or who may become the first) first, then the oldest.
    pub(super) keep: Vec<Identity>,
    /// Those who leave: by claim, or by a pod whose claim is gone.
    pub(super) leaving: BTreeSet<MemberId>,
    /// Of those who leave: whom the rule still names, on the claim that it names. Their pods are kept until it does not.
    pub(super) voting: Vec<Identity>,
    /// How many are to be made.
    pub(super) missing: usize,
}

impl Membership {
    /// Chooses who stays: the primary always; then those whom the intent names, those in their place, the oldest. So whoever is not in place leaves
    /// first, and the youngest of those who are. While a primary is being chosen or hands over, nobody is chosen to leave: it could be the next one.
    pub(super) fn choose(observed: &Observed, desired: &Desired) -> Self {
        let asked = usize::try_from(desired.members).unwrap_or(usize::MAX);
        let fixed = fixed(observed);
        let settled =
            observed.rule().is_none_or(|rule| matches!(rule.phase, Phase::Bootstrapping | Phase::Serving));
        let mut claims: Vec<(Identity, &Claim)> = observed.member_claims().collect();
        claims.sort_by_key(|(identity, claim)| {
            (
                Reverse(Some(identity) == fixed.as_ref()),
                Reverse(named(observed, identity)),
                Reverse(in_place(observed, &identity.member)),
                claim.created,
                identity.member.clone(),
            )
        });
        let mut keep = Vec::new();
        let mut leaving = BTreeSet::new();
        let mut voting = Vec::new();
        for (identity, claim) in claims {
            let room = keep.len() < asked || (!settled && named(observed, &identity));
            let stays = room && !claim.deleting && !rebuild::due(observed, &identity);
            if Some(&identity) == fixed.as_ref() || stays {
                keep.push(identity);
                continue;
            }
            leaving.insert(identity.member.clone());
            if observed.rule().is_some_and(|rule| rule.named().any(|named| *named == identity)) {
                voting.push(identity);
            }
        }
        let missing = asked.saturating_sub(keep.len());
        leaving.extend(without_claim(observed, &keep));
        Self { keep, leaving, voting, missing }
    }

    /// Everybody as they are, where nothing is to be chosen.
    pub(super) fn as_it_is(observed: &Observed) -> Self {
        let keep = observed.member_claims().map(|(identity, _)| identity).collect();
        Self { keep, ..Self::default() }
    }

    /// Nobody stays.
    pub(super) fn of_deleted(observed: &Observed) -> Self {
        let leaving = observed.own_pods().map(|(member, _)| member.clone()).collect();
        Self { leaving, ..Self::default() }
    }
}

/// Who may not leave: the rule's primary, and before there is a rule the one who was granted the first start.
fn fixed(observed: &Observed) -> Option<Identity> {
    match observed.rule() {
        Some(rule) => Some(rule.primary.clone()),
        None => observed.cluster.grant.as_ref().map(super::observed::NotedGrant::identity),
    }
}

/// Whether the intent names this member on this claim. Without an intent nobody was chosen yet, and all are alike.
fn named(observed: &Observed, identity: &Identity) -> bool {
    observed.intent().is_some_and(|intent| intent.identity(&identity.member).as_ref() == Some(identity))
}

fn in_place(observed: &Observed, member: &MemberId) -> bool {
    observed.pod_of(member).is_some_and(|pod| pod.ready && !pod.deleting)
}

/// Members that have a pod but no claim of theirs any more. The primary is not among them: it goes on as long as its pod does, and then another is chosen.
fn without_claim(observed: &Observed, keep: &[Identity]) -> Vec<MemberId> {
    let primary =
        observed.rule().filter(|rule| rule.phase != Phase::Bootstrapping).map(|rule| &rule.primary.member);
    observed
        .own_pods()
        .map(|(member, _)| member)
        .filter(|member| Some(*member) != primary && !keep.iter().any(|kept| kept.member == **member))
        .cloned()
        .collect()
}
