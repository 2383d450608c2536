//! What came of the effect that was asked for.

use super::topology;
use crate::database::{Boot, Quorum, Volume};
use crate::election::action::{Effect, EffectKind, Issued};
use crate::election::event::Outcome;
use crate::election::moment::Moment;
use crate::election::state::{Force, Gate, Notes, Server, Source, State, Stopping, Up};

pub(super) fn absorb(state: &mut State, issued: Issued, outcome: Outcome, now: Moment) {
    let Some(pending) = state.pending.take_if(|pending| pending.issued == issued) else { return };
    let kind = pending.effect.kind();
    if let (EffectKind::PutRoute, Stopping::Asked) = (kind, state.stopping) {
        state.stopping = Stopping::Told;
    }
    match outcome {
        // It was done in a topology that has been lost since, and says nothing of the present one.
        Outcome::RuleSwapped { .. } if topology::forgot_since(state, issued) => state.contact.unsure = true,
        Outcome::Failed { reason, retryable } => failed(state, &pending.effect, reason, retryable, now),
        Outcome::Conflict(view) => {
            state.failures.succeeded(kind);
            topology::conflicting(state, *view);
        }
        Outcome::Inspected(_)
        | Outcome::LedgerWritten(_)
        | Outcome::Initialized
        | Outcome::Cloned
        | Outcome::Started { .. }
        | Outcome::Stopped
        | Outcome::Fenced
        | Outcome::Detached(_)
        | Outcome::Rewound
        | Outcome::Following(_)
        | Outcome::Promoted(_)
        | Outcome::QuorumInForce { .. }
        | Outcome::TermWritten { .. }
        | Outcome::AccessEnsured(_)
        | Outcome::Checkpointed
        | Outcome::GateOpened
        | Outcome::Applied { .. }
        | Outcome::RuleSwapped { .. }
        | Outcome::RoutePut(_) => {
            state.failures.succeeded(kind);
            done(state, outcome, pending.since, now);
        }
    }
    if let Some(up) = state.server.up_mut().filter(|_| kind.needs_server()) {
        up.changed = now;
    }
}

fn failed(state: &mut State, effect: &Effect, reason: String, retryable: bool, now: Moment) {
    if let (Effect::Promote(_) | Effect::Detach, Some(up)) = (effect, state.server.up_mut()) {
        up.botched = true;
        state.failures.crashed(reason.clone(), now);
    }
    if let (Effect::SetQuorum { .. }, Some(up)) = (effect, state.server.up_mut()) {
        // It may or may not be in force.
        up.force = Force::Unknown;
    }
    if let Effect::Initialize | Effect::Clone(_) | Effect::Rewind(_) = effect {
        // It may have come into place all the same; it is looked at before anything is made again.
        state.volume = None;
    }
    if let Effect::SwapRule { .. } = effect {
        // It may have been done all the same.
        state.contact.unsure = true;
    }
    if let (Effect::Checkpoint(_), Some(up)) = (effect, state.server.up_mut()) {
        // It was only to shorten the pause: what it was made before goes on without.
        up.checkpointed = Some(now);
    }
    if let (Effect::Follow(_), Some(up)) = (effect, state.server.up_mut()) {
        up.source = Source::Unknown;
    }
    state.failures.failed(effect.kind(), reason, !retryable, now);
}

fn done(state: &mut State, outcome: Outcome, asked: Moment, now: Moment) {
    match outcome {
        Outcome::Inspected(volume) => state.volume = Some(volume),
        Outcome::LedgerWritten(ledger) => {
            let counted = state.notes.ledger().is_some_and(|before| ledger.starts > before.starts);
            if let Server::Down(down) = &mut state.server {
                down.counted |= counted;
            }
            state.notes = Notes::Present(ledger);
        }
        // What there is now is looked at, not assumed.
        Outcome::Initialized | Outcome::Cloned => state.volume = None,
        Outcome::Rewound => {
            state.volume = None;
            if let Server::Down(down) = &mut state.server {
                down.diverged = false;
                down.rewound = true;
            }
        }
        Outcome::Started { run, boot, settings, quorum } => {
            if run <= state.ended {
                return;
            }
            let mut up = Up::found(run, now);
            up.force = Force::Known { quorum, since: None };
            up.gate = Gate::Shut;
            up.source = match boot {
                Boot::Alone => Source::Alone,
                Boot::Following(peer) => Source::Of(peer),
            };
            up.settings = Some(settings);
            state.server = Server::Up(Box::new(up));
        }
        Outcome::AccessEnsured(wanted) => state.access = Some(wanted),
        // What the watch told since is newer than the swap's own outcome.
        Outcome::RuleSwapped { known, .. } if topology::is_late(state, &known) => {
            state.contact.unsure = false;
        }
        Outcome::RuleSwapped { known, route } => {
            state.contact.unsure = false;
            let serving = known.rule.phase == crate::topology::Phase::Serving;
            let swapped = (serving && known.rule.primary == state.me.identity).then_some(asked);
            if let crate::topology::Phase::Serving = known.rule.phase {
                state.failures.succeeded(EffectKind::Promote);
            }
            topology::obey(state, Some(known));
            // A swap that succeeded shows, as a reading does, that nobody follows this member.
            crate::election::contact::settle(state, now);
            state.contact.confirmed = state.contact.confirmed.max(swapped);
            state.world.route = Some(route);
        }
        Outcome::RoutePut(route) => state.world.route = Some(route),
        Outcome::Following(peer) => {
            on_server(state, |up| {
                up.source = peer.map_or(Source::Alone, Source::Of);
                up.end = None;
            });
        }
        Outcome::Promoted(start) => {
            // What this member ensured when it led before may have gone with the data since: slots do not come with a copy or a rewind.
            state.access = None;
            on_server(state, |up| {
                up.promoted = Some(start);
                up.end = None;
                up.status = None;
            });
        }
        Outcome::QuorumInForce { quorum, position } => {
            on_server(state, |up| {
                let term = match &quorum {
                    Quorum::Any { term, .. } if !up.writes() => Some(*term),
                    Quorum::Any { .. } | Quorum::Nobody | Quorum::None => None,
                };
                if let (Some(settings), Some(term)) = (&mut up.settings, term) {
                    settings.term = term;
                }
                up.force = Force::Known { quorum, since: Some(position) };
            });
        }
        Outcome::TermWritten { row, position } => on_server(state, |up| up.row = Some((row, position))),
        Outcome::Checkpointed => on_server(state, |up| up.checkpointed = Some(now)),
        Outcome::GateOpened => on_server(state, |up| up.gate = Gate::Open),
        Outcome::Applied { settings, outcome } => on_server(state, |up| {
            up.settings = Some(settings);
            up.settled = outcome;
        }),
        Outcome::Detached(end) => on_server(state, |up| {
            up.source = Source::Alone;
            up.end = Some(end);
        }),
        // The server's end is told by the warden; a failure and a conflict are handled before.
        Outcome::Stopped | Outcome::Fenced | Outcome::Conflict(_) | Outcome::Failed { .. } => {}
    }
    if let Some(Volume::Empty) = state.volume {
        state.access = None;
    }
}

fn on_server(state: &mut State, change: impl FnOnce(&mut Up)) {
    if let Some(up) = state.server.up_mut() {
        change(up);
    }
}
