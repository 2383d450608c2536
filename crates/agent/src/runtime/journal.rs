//! What the agent writes into its log of what it hears, decides and does. Each thing once; never a whole record, never a secret.

use berth_core::election::{
    Effect, EffectKind, Event, Issued, KnownRule, News, Outcome, ProcessNews, State, Wait,
};
use std::time::Duration;
use tracing::{debug, error, info, warn};

/// What is worth telling of what was heard.
pub(super) fn heard(state: &State, event: &Event) {
    let term = state.term().0;
    match event {
        Event::Process(ProcessNews::Exited { run, how, asked }) => {
            let ours = matches!(state.doing(), Some(EffectKind::Stop | EffectKind::Fence));
            if *asked || ours {
                info!(term, run = run.0, how, "the database was ended");
            } else {
                warn!(term, run = run.0, how, "the database ended");
            }
        }
        Event::Process(ProcessNews::Runs(run)) => info!(term, run = run.0, "the database's process runs"),
        Event::Topology(News::Away(reason)) => warn!(term, reason, "the topology is away; what runs goes on"),
        Event::Topology(News::Back) => info!(term, "the topology is back"),
        Event::Topology(News::Unreadable { key, reason }) => {
            error!(term, key, reason, "cannot read a record");
        }
        Event::Announced { result: Err(reason), .. } => {
            warn!(term, reason, "cannot write the member's record; trying again");
        }
        Event::StopAsked => info!(term, "asked to stop"),
        Event::Process(ProcessNews::Absent { .. })
        | Event::Topology(News::Listed(_) | News::Intent(_) | News::Rule(_) | News::Member(..))
        | Event::Announced { result: Ok(()), .. }
        | Event::Status { .. }
        | Event::Verifier(_)
        | Event::Space(_)
        | Event::Done { .. }
        | Event::Heard { .. }
        | Event::Confirmed { .. }
        | Event::Tick => {}
    }
}

/// What changed by a decision.
pub(super) fn decided(before: &State, after: &State) {
    let term = after.term().0;
    if before.term() != after.term() || before.phase() != after.phase() {
        let phase = after.phase().map(|phase| format!("{phase:?}"));
        let primary = after.primary().map(ToString::to_string);
        info!(term, phase, primary, "the rule changed");
    }
    let (was, is) = (before.waiting().map(|(wait, _)| wait), after.waiting().map(|(wait, _)| wait));
    if was == is {
        return;
    }
    match is {
        Some(Wait::Refused(refusal)) => error!(term, reason = %refusal, "refusing to go on"),
        Some(wait) => info!(term, reason = %wait, "waiting"),
        None => debug!(term, "no longer waiting"),
    }
}

/// A primary whose grants failed asks every second or so; that it is in trouble, its waiting and its end tell.
pub(super) fn confirmed(result: &Result<Option<Box<KnownRule>>, String>) {
    match result {
        Ok(known) => debug!(term = known.as_ref().map(|known| known.rule.term.0), "read the rule to be sure"),
        Err(reason) => debug!(reason, "cannot read the rule to be sure"),
    }
}

pub(super) fn begins(issued: &Issued, effect: &Effect) {
    let (term, number, effect) = (issued.term.0, issued.number, effect.kind().label());
    debug!(term, number, effect, "begins");
}

pub(super) fn ends(issued: &Issued, kind: EffectKind, outcome: &Outcome, took: Duration) {
    let (term, number, effect) = (issued.term.0, issued.number, kind.label());
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match outcome {
        Outcome::Failed { reason, retryable } => {
            warn!(term, number, effect, took_ms, reason, retryable, "failed");
        }
        Outcome::Conflict(_) => info!(term, number, effect, took_ms, "somebody else wrote first"),
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
        | Outcome::RoutePut(_) => info!(term, number, effect, took_ms, "done"),
    }
}
