//! What the server says of itself, and what follows from it with time.

use crate::database::{LocalStatus, Volume};
use crate::election::action::Run;
use crate::election::announce::WORSE_AFTER;
use crate::election::event::Silence;
use crate::election::failure::STEADY;
use crate::election::moment::Moment;
use crate::election::serve::LAG_BOUND;
use crate::election::state::{Source, State, Up};
use crate::topology::Replication;

pub(super) fn absorb(
    state: &mut State,
    run: Run,
    asked: Moment,
    answer: Result<LocalStatus, Silence>,
    now: Moment,
) {
    let term = state.world.view.rule.as_ref().map(|known| known.rule.term);
    let timeline = state.world.view.rule.as_ref().map(|known| known.rule.timeline);
    let Some(up) = state.server.up_mut().filter(|up| up.run == run && asked >= up.changed) else { return };
    let status = match answer {
        Ok(status) => status,
        Err(reason) => {
            up.silent = Some(reason);
            return lag(state, Replication::Detached, now);
        }
    };
    if let Some(Volume::Present { torn, .. }) = &mut state.volume {
        // A server answers when its data is whole.
        *torn = false;
    }
    up.silent = None;
    up.answered = Some(asked);
    let arrives = arrives(up, &status, term, timeline);
    let streaming: Vec<_> = status
        .standbys
        .iter()
        .filter(|standby| standby.streaming && Some(standby.term) == term)
        .map(|standby| standby.member.clone())
        .collect();
    up.status = Some(status);
    if now.since(up.since) >= STEADY {
        state.failures.steady();
    }
    state.streamed.extend(streaming.into_iter().map(|member| (member, now)));
    if arrives != Replication::Detached {
        state.partings = 0;
    }
    lag(state, arrives, now);
    let short = state.world.view.rule.as_ref().is_some_and(|known| state.present_voters() < known.rule.acks);
    state.short = if short { state.short.or(Some(now)) } else { None };
}

/// A log arrives only from the leader of the rule's own term, and on its timeline: a standby that went another way is sent the timeline that
/// it knows up to where the leader left it, again and again.
fn arrives(
    up: &Up,
    status: &LocalStatus,
    term: Option<crate::Term>,
    timeline: Option<crate::Timeline>,
) -> Replication {
    let attached = match &up.source {
        Source::Of(peer) => Some(peer.term) == term,
        Source::Unknown | Source::Alone => false,
    };
    if !(status.in_recovery && status.receiving && attached && Some(status.timeline) == timeline) {
        return Replication::Detached;
    }
    match status.behind {
        Some(behind) if behind <= LAG_BOUND => Replication::InBound,
        Some(_) | None => Replication::Behind,
    }
}

pub(super) fn lag(state: &mut State, arrives: Replication, now: Moment) {
    if state.lag.now != arrives {
        state.lag.now = arrives;
        state.lag.since = now;
    }
    if arrives == Replication::InBound {
        state.lag.said = arrives;
    }
}

/// What becomes true by time alone.
pub(super) fn age(state: &mut State, now: Moment) {
    if now.since(state.lag.since) >= WORSE_AFTER {
        state.lag.said = state.lag.now;
    }
}
