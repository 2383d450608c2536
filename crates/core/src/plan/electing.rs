//! A term without a primary, in words: what the members' rule tells of it, and what the election cannot end without.
//!
//! For people only. How an election goes is the members' business, and whether it can end is decided by what they say to each other; here is what can
//! be known from outside.

use super::observed::{ContainerState, NodeState, Observed};
use crate::topology::{Identity, Rule};

/// What an election cannot end without, and cannot begin without either.
pub(super) struct Lack {
    /// A word for it, as a condition's reason.
    pub(super) reason: &'static str,
    /// The same in words.
    pub(super) words: String,
}

/// What the members do.
pub(super) fn doing(observed: &Observed, rule: &Rule) -> String {
    let term = rule.term;
    let last = &rule.primary.member;
    let candidate = rule.proposal.as_ref().map(|next| &next.candidate.member);
    let by = rule.coordinator.as_ref().map(|by| &by.member);
    let does = match (candidate, by) {
        (Some(candidate), _) => format!("{candidate} was chosen for term {term} and is being promoted"),
        (None, Some(by)) => format!("term {term} is being elected, and {by} counts the votes"),
        (None, None) => format!("term {term} is being elected"),
    };
    let served =
        if candidate == Some(last) { "it served last".to_owned() } else { format!("{last} served last") };
    match lacks(observed, rule) {
        Some(Lack { words, .. }) if candidate.is_none() => format!("{does}; {served}; {words}"),
        Some(_) | None => format!("{does}; {served}"),
    }
}

/// What an election cannot end without, if that is not there: whoever served last, or so many of its voters that every acknowledged commit is on one
/// of them.
pub(super) fn lacks(observed: &Observed, rule: &Rule) -> Option<Lack> {
    if runs(observed, &rule.primary) {
        return None;
    }
    let last = &rule.primary.member;
    let each = usize::try_from(rule.acks.max(rule.grants)).unwrap_or(usize::MAX);
    if each == 0 || rule.voters.is_empty() {
        let words = format!(
            "it waits for {last}, which alone has every commit and does not run; if it is lost for good, see berth accept-loss"
        );
        return Some(Lack { reason: "NoPrimary", words });
    }
    let needed = rule.voters.len().saturating_sub(each) + 1;
    let there = rule.voters.iter().filter(|voter| runs(observed, voter)).count();
    let voters = rule.voters.iter().map(|voter| voter.member.as_str()).collect::<Vec<_>>().join(", ");
    (there < needed).then(|| Lack {
        reason: "NoQuorum",
        words: format!(
            "it waits for {last} or {needed} of {voters}: {there} of these run; if the others are lost for good, see berth accept-loss"
        ),
    })
}

/// Whether a member's database container runs, on the claim that is meant and where it can be heard.
pub(super) fn runs(observed: &Observed, identity: &Identity) -> bool {
    let on_claim = observed.member_claims().any(|(of, _)| of == *identity);
    let pod = observed.pod_of(&identity.member).filter(|pod| !pod.deleting);
    on_claim
        && pod.is_some_and(|pod| {
            pod.node.as_ref().is_some_and(|node| node.state == NodeState::Ready)
                && pod.containers.iter().any(|container| container.state == ContainerState::Running)
        })
}
