//! The decision core of a member: what it does next, from what it knows.
//!
//! [`decide`] is pure and deterministic. The agent runs it, and so do the simulation and the model checker: none of them has a copy of
//! its rules. It is level-triggered: an event only changes what is known, and the next step follows from all that is known, so that a lost
//! or repeated event, and an agent that starts over, come to the same end.
//!
//! At most one effect is under way at a time. Its outcome comes back under the number it was asked with and is ignored when that is
//! no longer the pending one; a fence and the pod's end are the only ones that do not wait for it.
//!
//! What happens in which phase of the rule:
//! - no rule, or Bootstrapping and Electing by this member: `ascend` makes it the primary of the term;
//! - Serving by this member: `serve` keeps gate, route, settings and voters as they should be;
//! - led by another: `follow` copies its data and streams its log;
//! - the pod ends: `stop`.
//!
//! It deliberately does not know how anything is done, and it never takes the absence of a member for its death.

mod absorb;
mod accept;
mod action;
mod announce;
mod ascend;
mod campaign;
mod contact;
mod defect;
mod elect;
mod event;
mod failure;
mod follow;
mod forgotten;
mod guard;
mod lease;
mod ledger;
mod message;
mod moment;
mod pledge;
mod poll;
mod rebuild;
mod refuse;
mod repair;
mod route;
mod serve;
mod state;
mod step;
mod stop;
mod summary;
mod switch;
mod talk;
pub mod voters;
mod wait;

pub use action::{AccessWanted, Action, Effect, EffectKind, Issued, RuleRevision, Run};
pub use defect::{Defect, Defects};
pub use event::{Event, KnownRule, News, Outcome, ProcessNews, Silence, View};
pub use ledger::{Era, Ledger};
pub use message::{Holding, LEASE, Log, Message};
pub use moment::Moment;
pub use state::{Down, Force, Gate, Me, Notes, Server, Source, State, Up};
pub use summary::Summary;
pub use wait::{Refusal, Wait};

use state::{Announcing, Pending};
use step::Step;

/// What the member knows after `event`, and what it does now.
pub fn decide(state: &State, event: Event, now: Moment) -> (State, Vec<Action>) {
    let mut state = state.clone();
    absorb::absorb(&mut state, event, now);
    contact::settle(&mut state, now);
    let mut actions = Vec::new();
    match step::next(&state, now) {
        Step::Do(effect) => {
            state.waiting = None;
            actions.push(issue(&mut state, *effect, now));
        }
        Step::Wait(wait) => {
            if state.waiting.as_ref().is_none_or(|(before, _)| *before != wait) {
                state.waiting = Some((wait, now));
            }
        }
        Step::Rest => state.waiting = None,
        Step::Busy => {}
        Step::Exit => {
            state.pending = None;
            actions.push(Action::Exit);
        }
    }
    if let Some(record) = announce::due(&state, now) {
        let number = state.number();
        state.announcing = Some(Announcing { number, record: record.clone() });
        actions.push(Action::Announce { number, record: Box::new(record) });
    }
    actions.extend(talk::due(&mut state, now));
    state.alarm = alarm(&state, now);
    (state, actions)
}

/// When to decide again even if nothing is heard.
fn alarm(state: &State, now: Moment) -> Option<Moment> {
    [
        announce::next_change(state, now),
        state.failures.next(now),
        talk::next(state, now),
        guard::wakes(state),
        switch::wakes(state),
        follow::wakes(state),
        stop::wakes(state),
    ]
    .into_iter()
    .flatten()
    .filter(|at| *at > now)
    .min()
}

fn issue(state: &mut State, effect: Effect, now: Moment) -> Action {
    let effect = if let Effect::WriteLedger(ledger) = effect {
        Effect::WriteLedger(keeping_promises(state, ledger))
    } else {
        effect
    };
    let known = state.world.view.rule.as_ref();
    let (term, rule) = known.map_or((crate::Term(0), None), |known| (known.rule.term, Some(known.revision)));
    let issued = Issued { number: state.number(), term, rule };
    state.pending = Some(Pending { issued, since: now, effect: effect.clone() });
    Action::Run { issued, effect: Box::new(effect) }
}

/// A ledger that takes no pledge back: one that was to be written before may lie on the disk although nobody heard of it.
fn keeping_promises(state: &mut State, ledger: Ledger) -> Ledger {
    let ledger = ledger.pledging(state.pledged);
    state.pledged = ledger.promise;
    ledger
}

#[cfg(test)]
mod tests;
