//! A topology that has forgotten: lost and empty, or restored from a backup that is older than what its members remember.
//!
//! A member goes on by the rule that it remembers, as if the topology were away: the leader is heard, granted its lease and followed. Nobody
//! decides anything new. The primary writes the rule back, the route with it, and all is as it was; no client notices.
//!
//! *Invariant*: a rule is written back only by the primary of its term, and only while so many voters have granted it its lease that no other
//! term can have come to be behind its back. It alone changes the rule in its term, so that what it remembers is the newest there was. Where no
//! such primary is left a person must speak: whoever else remembers a rule may remember an old one.

use super::action::{Effect, RuleRevision};
use super::event::KnownRule;
use super::moment::Moment;
use super::state::State;
use super::step::Step;
use super::wait::Wait;
use super::{lease, route};
use crate::topology::{Intent, Phase};

/// What the topology shows in place of the rule that this member remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Forgotten {
    /// The revision of the older rule that it shows; none if it shows none.
    pub shown: Option<RuleRevision>,
}

/// What a member goes on by, and whether the topology has forgotten it: it shows nothing, a term that others have followed, or what it has from a
/// backup. A member that remembers nothing goes on by the latter, as far as one can who decides nothing.
pub(super) fn recalled(
    shown: Option<KnownRule>,
    remembered: Option<KnownRule>,
) -> (Option<KnownRule>, Option<Forgotten>) {
    let revision = shown.as_ref().map(|known| known.revision);
    let older = |remembered: &KnownRule| {
        shown.as_ref().is_none_or(|shown| {
            let term = shown.rule.term;
            term < remembered.rule.term || (shown.restored && term == remembered.rule.term)
        })
    };
    let forgotten = Some(Forgotten { shown: revision });
    if let Some(known) = remembered.filter(older) {
        // Whatever comes next is news.
        let revision = revision.unwrap_or(RuleRevision(i64::MIN));
        return (Some(KnownRule { revision, ..known }), forgotten);
    }
    let restored = shown.as_ref().is_some_and(|known| known.restored);
    (shown, forgotten.filter(|_| restored))
}

/// What a member does about it: the primary writes back what it remembers, everybody else waits for that.
pub(super) fn step(
    state: &State,
    intent: &Intent,
    known: &KnownRule,
    forgotten: Forgotten,
    now: Moment,
) -> Step {
    let rule = &known.rule;
    // What an agent that was restarted has from the backup is no memory, whoever grants it.
    let remembers = !known.restored && rule.phase == Phase::Serving;
    let leads = remembers && rule.primary == state.me.identity;
    let serves = state.server.up().filter(|up| up.writes());
    let Some(up) = serves.filter(|_| leads && lease::granted(state, rule, now)) else {
        return Step::Wait(Wait::Forgotten(rule.term));
    };
    Step::act(Effect::SwapRule {
        route: route::of(state, intent, rule, Some((up, now))),
        rule: rule.clone(),
        expected: forgotten.shown,
    })
}
