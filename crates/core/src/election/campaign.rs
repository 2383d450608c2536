//! Whether the leader is lost, and what a voter does then: it asks the others first, and takes the term only with a sufficient yes.
//!
//! *Invariant*: the topology is touched only when so many have lost the leader themselves that it could not acknowledge a write without one
//! of them, so that one bad link never costs a healthy primary its term.

use super::event::KnownRule;
use super::moment::Moment;
use super::state::{State, Stopping};
use super::step::Step;
use super::{ascend, poll};
use crate::database::Volume;
use crate::topology::{Identity, Intent, Mishap, Rule};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a leader may be silent: four beats. Shorter than the lease, so that the next leader is chosen by the time it may serve.
pub(super) const SILENCE: Duration = Duration::from_secs(2);
/// How long the agent of a server that died is given to run the election itself, which is quickest.
const GONE_GRACE: Duration = Duration::from_millis(300);
/// Between the voters' attempts, so that they do not all swap at once. Longer than the asking and the swap take.
const STAGGER: Duration = Duration::from_millis(150);

/// Whether the leader of the rule is lost to this member.
pub(super) fn lost(state: &State, now: Moment) -> bool {
    lost_for(state, now, Duration::ZERO)
}

fn lost_for(state: &State, now: Moment, more: Duration) -> bool {
    lost_at(state).is_some_and(|at| at.after(more) <= now)
}

/// When the leader will be lost, if nothing more is heard of it.
pub(super) fn lost_at(state: &State) -> Option<Moment> {
    let reign = state.contact.reign.as_ref()?;
    let last = state.contact.heard.map_or(reign.since, |heard| heard.max(reign.since));
    let gone = state.contact.gone.map(|at| at.after(GONE_GRACE));
    Some(gone.map_or(last.after(SILENCE), |gone| gone.min(last.after(SILENCE))))
}

/// When this member's turn to ask comes, if it may ask at all.
pub(super) fn turn(state: &State, known: &KnownRule) -> Option<Moment> {
    let (rule, me) = (&known.rule, &state.me.identity);
    let order: BTreeSet<&Identity> = rule.voters.iter().filter(|voter| *voter != rule.leader()).collect();
    let rank = match order.iter().position(|voter| *voter == me) {
        Some(rank) => rank,
        None if *me == rule.primary => order.len(),
        None => return None,
    };
    let able = *rule.leader() != *me && able(state, rule);
    let wait = STAGGER.saturating_mul(u32::try_from(rank).unwrap_or(u32::MAX));
    lost_at(state).filter(|_| able).map(|at| at.after(wait))
}

/// Whether this member could run an election, and lead what comes of it.
pub(super) fn able(state: &State, rule: &Rule) -> bool {
    state.stopping == Stopping::No
        && state.world.forgotten.is_none()
        && state.notes.ledger().is_some_and(|ledger| ledger.promise <= rule.term)
        && matches!(state.volume, Some(Volume::Present { torn: false, .. }))
        && state.is_announced()
}

/// Whether this member asks the others now.
pub(super) fn asks(state: &State, known: &KnownRule, now: Moment) -> bool {
    turn(state, known).is_some_and(|turn| turn <= now)
}

/// The swap to the next term, with this member as its coordinator, once enough would pledge it.
pub(super) fn step(state: &State, intent: &Intent, known: &KnownRule, now: Moment) -> Option<Step> {
    if !asks(state, known, now) {
        return None;
    }
    let mut willing: BTreeSet<&Identity> =
        state.contact.would.iter().filter(|(_, yes)| **yes).map(|(member, _)| member).collect();
    willing.insert(&state.me.identity);
    let what = if state.contact.gone.is_some() { Mishap::Gone } else { Mishap::Silent };
    let enough = poll::sufficient(&known.rule, &willing, state.defects);
    enough.then(|| ascend::new_term(state, intent, known, what, None))
}
