//! What a member does when it is recruited for a term: it ends what it runs, makes the pledge durable, and says what it holds.
//!
//! *Invariant*: when the answer is given, nothing that this member ran can take or acknowledge a write of an earlier term any more, and its
//! log does not grow until the term has a candidate.

use super::action::Effect;
use super::defect::Defect;
use super::event::KnownRule;
use super::ledger::Ledger;
use super::message::{Holding, LEASE, Log};
use super::moment::Moment;
use super::state::{Server, State, Up};
use super::step::{Step, settings, start};
use super::wait::Wait;
use crate::database::{Boot, LocalStatus, LogEnd, Quorum, Volume};
use crate::term::{Term, Timeline};
use crate::topology::Intent;

/// The next thing to do before the answer; none when it can be given.
pub(super) fn step(state: &State, intent: &Intent, known: &KnownRule, term: Term) -> Option<Step> {
    let ledger = state.notes.ledger()?;
    let Some(volume) = &state.volume else {
        return Some(Step::act(Effect::Inspect));
    };
    match (&state.server, volume) {
        (Server::Unknown, _) => return Some(Step::Wait(Wait::Warden)),
        // Everybody must answer, and what is not whole yet holds nothing.
        (Server::Up(up), Volume::Present { torn: true, .. })
            if known.rule.everybody().is_some() && up.answered.is_none() =>
        {
            return Some(Step::act(Effect::Fence));
        }
        (Server::Up(up), _) => {
            if let Some(step) = ended(state, up) {
                return Some(step);
            }
        }
        (Server::Down(_), Volume::Present { torn: false, .. }) if !led(state, known) => {
            // Where its log ends is told by the server alone.
            return Some(start(state, Boot::Alone, settings(state, intent, known), Quorum::Nobody));
        }
        (Server::Down(_), Volume::Empty | Volume::Present { .. }) => {}
    }
    (ledger.promise < term).then(|| Step::act(Effect::WriteLedger(ledger.clone().pledging(term))))
}

fn ended(state: &State, up: &Up) -> Option<Step> {
    if up.writes() {
        return Some(Step::act(Effect::Fence));
    }
    match (&up.end, &up.status) {
        (Some(_), _) => None,
        (None, Some(_)) if state.lacks(Defect::CandidateBeforeFencing) => None,
        (None, Some(_)) => Some(Step::act(Effect::Detach)),
        (None, None) => Some(Step::Wait(Wait::NotAnswering(up.silent.clone()))),
    }
}

/// Whether the log on the volume may have an end that only this member ever wrote.
fn led(state: &State, known: &KnownRule) -> bool {
    known.rule.primary == state.me.identity && known.rule.everybody().is_none()
}

/// What this member holds; none while that is not known.
pub(super) fn holding(state: &State, known: &KnownRule, now: Moment) -> Option<Holding> {
    let ledger = state.notes.ledger()?;
    let granted = state.contact.granted.map_or(LEASE, |at| LEASE.saturating_sub(now.since(at)));
    let (log, system) = match (state.volume.as_ref()?, &state.server) {
        (Volume::Empty | Volume::Present { torn: true, .. }, _) => (Log::Nothing, None),
        (Volume::Present { system, .. }, Server::Up(up)) => {
            let end = end(state, ledger, up).filter(|_| !up.writes())?;
            (Log::Ends { term: ledger.term_of(end.timeline), end }, Some(system.clone()))
        }
        (Volume::Present { system, timeline, closed, torn: false }, Server::Down(_)) if led(state, known) => {
            let term = ledger.term_of(*timeline);
            let log = closed.map_or_else(
                || open(state, ledger, *timeline),
                |position| Log::Closed { term, at: LogEnd { timeline: *timeline, position } },
            );
            (log, Some(system.clone()))
        }
        (Volume::Present { .. }, Server::Down(_) | Server::Unknown) => return None,
    };
    Some(Holding { log, granted, system, space: state.space })
}

/// Where a standby's log ends: known only when it receives nothing any more. The timeline is that of the last of the log itself.
fn end(state: &State, ledger: &Ledger, up: &Up) -> Option<LogEnd> {
    let now = |status: &LocalStatus| LogEnd { timeline: status.timeline, position: status.position };
    let said = up.status.as_ref().filter(|_| state.lacks(Defect::CandidateBeforeFencing)).map(now);
    let followed = ledger.newest().filter(|_| state.lacks(Defect::TermOfNewestHistory));
    let end = up.end.or(said)?;
    Some(LogEnd { timeline: followed.map_or(end.timeline, |era| era.timeline), ..end })
}

/// The log of a server that led and was killed: nobody knows where it ends.
fn open(state: &State, ledger: &Ledger, timeline: Timeline) -> Log {
    let term = ledger.term_of(timeline);
    if state.lacks(Defect::KilledPositionBelieved) {
        let position = ledger.era(term).and_then(|era| era.start).unwrap_or_default();
        return Log::Ends { term, end: LogEnd { timeline, position } };
    }
    Log::Open { term }
}

/// The answer to the coordinator, when all is done that must be done before it.
pub(super) fn answer(state: &State, now: Moment) -> Option<(crate::MemberId, super::Message)> {
    let summons = state.contact.summons.as_ref().filter(|summons| !summons.answered)?;
    let known = state.world.view.rule.as_ref()?;
    let intent = state.world.view.intent.as_ref()?;
    let pledged = state.notes.ledger().is_some_and(|ledger| ledger.promise >= summons.term);
    if !pledged || state.pending.is_some() || step(state, intent, known, summons.term).is_some() {
        return None;
    }
    let holding = holding(state, known, now)?;
    Some((summons.from.member.clone(), super::Message::Pledged { term: summons.term, holding }))
}
