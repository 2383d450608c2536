//! When a member must not write for one moment longer.
//!
//! *Invariant*: a server takes writes only while the newest rule that its agent knows names this member for it. This is looked at before
//! everything else and waits for no effect that is under way.

use super::action::{Effect, EffectKind};
use super::moment::Moment;
use super::state::{State, Up};
use super::step::Step;
use super::{announce, lease};
use crate::topology::{Phase, Rule};
use std::time::Duration;

/// How long a primary may leave every question unanswered: two askings, each given three seconds. A disk that hangs is told after five more.
const FROZEN_PRIMARY: Duration = Duration::from_secs(6);
/// How long a standby may.
const FROZEN_STANDBY: Duration = Duration::from_secs(20);

/// Whether the server must be killed now.
pub(super) fn must_fence(state: &State, now: Moment) -> bool {
    let Some(up) = state.server.up() else { return false };
    if up.botched || frozen(state, up).is_some_and(|at| at <= now) {
        return true;
    }
    let Some(known) = &state.world.view.rule else {
        // No rule names nobody else: the topology was lost, and what serves goes on until its lease ends.
        return false;
    };
    // A rule below our own promise is an old one that was restored; nobody may act on it, and it deposes nobody.
    let promised = state.notes.ledger().map_or(known.rule.term, |ledger| ledger.promise);
    if !up.writes() {
        return false;
    }
    let expired = lease::deadline(state, &known.rule).is_some_and(|end| end <= now);
    expired || (known.rule.term >= promised.max(state.seen) && !may_write(state, &known.rule, up))
}

/// When a server that answered once and has fallen silent counts as frozen. A primary's clients wait; a standby is given the time of a slow disk.
fn frozen(state: &State, up: &Up) -> Option<Moment> {
    up.silent.as_ref()?;
    let patience = if announce::leads(state) { FROZEN_PRIMARY } else { FROZEN_STANDBY };
    up.answered.map(|answered| answered.max(up.changed).after(patience))
}

/// When the server must be ended by time alone.
pub(super) fn wakes(state: &State) -> Option<Moment> {
    state.server.up().and_then(|up| frozen(state, up))
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
        Phase::Switching => rule.coordinator.as_ref() == Some(me),
        Phase::Electing => rule.proposal.as_ref().is_some_and(|proposal| proposal.candidate == *me),
    }
}

/// The fence, unless it is already being done or has just failed.
pub(super) fn fence(state: &State, now: Moment) -> Step {
    let waits = state.failures.holds(EffectKind::Fence, now).is_some();
    if waits || state.doing() == Some(EffectKind::Fence) { Step::Busy } else { Step::act(Effect::Fence) }
}
