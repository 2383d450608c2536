//! When a member must not write for one moment longer.
//!
//! *Invariant*: a server takes writes only while the newest rule that its agent knows names this member for it. This is looked at before
//! everything else and waits for no effect that is under way.

use super::action::{Effect, EffectKind};
use super::moment::Moment;
use super::state::{State, Up};
use super::step::Step;
use crate::topology::{Phase, Rule};

/// Whether the server must be killed now.
pub(super) fn must_fence(state: &State) -> bool {
    let Some(up) = state.server.up() else { return false };
    if up.botched {
        return true;
    }
    let Some(known) = &state.world.view.rule else {
        // A rule that vanished names nobody else: the topology was lost, and what serves goes on.
        return false;
    };
    // A rule below our own promise is an old one that was restored; nobody may act on it, and it deposes nobody.
    let promised = state.notes.ledger().map_or(known.rule.term, |ledger| ledger.promise);
    up.writes() && known.rule.term >= promised.max(state.seen) && !may_write(state, &known.rule, up)
}

fn may_write(state: &State, rule: &Rule, up: &Up) -> bool {
    let me = &state.me.identity;
    match rule.phase {
        Phase::Serving => {
            let elsewhere = up
                .status
                .as_ref()
                .is_some_and(|status| !status.in_recovery && status.timeline != rule.timeline);
            rule.primary == *me && !elsewhere
        }
        Phase::Bootstrapping => rule.primary == *me,
        Phase::Electing | Phase::Switching => rule.coordinator.as_ref() == Some(me),
    }
}

/// The fence, unless it is already being done or has just failed.
pub(super) fn fence(state: &State, now: Moment) -> Step {
    let waits = state.failures.holds(EffectKind::Fence, now).is_some();
    if waits || state.doing() == Some(EffectKind::Fence) { Step::Busy } else { Step::act(Effect::Fence) }
}
