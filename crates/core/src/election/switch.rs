//! A planned switchover: the primary hands its term on while all is well, because somebody asked for it or because its pod ends.
//!
//! The order: a voter that streams in bounds is there; a checkpoint is made while tenants work on, so that the stop is short; the rule says Switching, and proxies hold what has not begun; open transactions end,
//! up to a deadline; the server stops in order; the next term is an election in which the old primary is the coordinator and knows exactly what
//! a successor must hold. If nobody holds it, the old primary serves again.

use super::action::Effect;
use super::ascend;
use super::event::KnownRule;
use super::moment::Moment;
use super::route;
use super::state::{Server, State, Stopping, Up};
use super::step::Step;
use super::wait::Wait;
use crate::topology::{Identity, Intent, Mishap, Phase, Rule};
use std::time::Duration;

/// How long proxies have to hear that new transactions wait: one change of etcd, one watch.
const HEARD: Duration = Duration::from_millis(30);
/// How long open transactions may take to end before they are ended.
const DRAIN: Duration = Duration::from_secs(2);
/// How long the checkpoint before may take where nobody waits for the switchover but whoever asked for it.
const UNHURRIED: Duration = Duration::from_secs(20);
/// How long it may take when the pod ends, which leaves little time for all of it.
const HURRIED: Duration = Duration::from_secs(5);
/// So long after a checkpoint there is not much to write again.
const FRESH: Duration = Duration::from_secs(30);

/// What this primary should hand its term on for.
enum Why<'a> {
    /// Its pod ends.
    Stopping,
    /// Somebody asked.
    Asked(&'a crate::topology::Switchover),
}

fn why<'a>(state: &State, intent: &'a Intent, rule: &Rule) -> Option<Why<'a>> {
    match (state.stopping, &intent.switchover) {
        (Stopping::Asked | Stopping::Told, _) => Some(Why::Stopping),
        (Stopping::No, Some(asked)) if rule.switched.as_ref() != Some(&asked.nonce) && !intent.paused => {
            Some(Why::Asked(asked))
        }
        (Stopping::No, Some(_) | None) => None,
    }
}

/// The first step: the rule says that the term is handed on. None if nobody wants that; a reason if it cannot be done now.
pub(super) fn begin(state: &State, intent: &Intent, known: &KnownRule, up: &Up, now: Moment) -> Option<Step> {
    let rule = &known.rule;
    let why = why(state, intent, rule)?;
    let position = up.status.as_ref()?.position;
    let ready = |voter: &&Identity| {
        state.streams(voter, rule.term, position) && intent.members.contains_key(&voter.member)
    };
    let switched = match &why {
        Why::Stopping => {
            rule.voters.iter().find(ready)?;
            rule.switched.clone()
        }
        Why::Asked(asked) => {
            let me = &state.me.identity.member;
            if asked.to.as_ref() == Some(me) {
                // It is already so: noted, and nothing else.
                return Some(noted(state, intent, known, asked, up));
            }
            let wanted = |voter: &&Identity| asked.to.as_ref().is_none_or(|to| *to == voter.member);
            let mut successors = rule.voters.iter().filter(wanted).filter(ready).peekable();
            if successors.peek().is_none() {
                return Some(Step::Wait(Wait::Successor(asked.to.clone())));
            }
            // Nobody is better off at a primary that refuses writes, as long as this one takes them.
            if state.space.is_ample() && !successors.any(|voter| roomy(state, voter)) {
                return Some(Step::Wait(Wait::SuccessorFull(asked.to.clone())));
            }
            Some(asked.nonce.clone())
        }
    };
    if up.checkpointed.is_none_or(|at| now.since(at) >= FRESH) {
        let patience = match why {
            Why::Stopping => HURRIED,
            Why::Asked(_) => UNHURRIED,
        };
        return Some(Step::act(Effect::Checkpoint(patience)));
    }
    let rule = Rule {
        phase: Phase::Switching,
        coordinator: Some(state.me.identity.clone()),
        switched,
        ..rule.clone()
    };
    Some(swap(intent, known, rule))
}

/// Whether its volume has room, by its own word.
fn roomy(state: &State, member: &Identity) -> bool {
    let said = state.world.view.members.get(&member.member);
    said.is_none_or(|record| record.identity != *member || record.space.is_ample())
}

fn noted(
    state: &State,
    intent: &Intent,
    known: &KnownRule,
    asked: &crate::topology::Switchover,
    up: &Up,
) -> Step {
    let rule = Rule { switched: Some(asked.nonce.clone()), ..known.rule.clone() };
    let route = route::of(state, intent, &rule, Some((up, up.changed)));
    Step::act(Effect::SwapRule { rule, route, expected: Some(known.revision) })
}

fn swap(intent: &Intent, known: &KnownRule, rule: Rule) -> Step {
    let route = route::without_primary(intent, &rule);
    Step::act(Effect::SwapRule { rule, route, expected: Some(known.revision) })
}

/// The rule says that this member hands its term on.
pub(super) fn step(state: &State, intent: &Intent, known: &KnownRule, now: Moment) -> Step {
    match &state.server {
        Server::Unknown => Step::Wait(Wait::Warden),
        Server::Down(down) => {
            ascend::new_term(state, intent, known, down.mishap.clone().unwrap_or(Mishap::HandedOver), None)
        }
        Server::Up(up) => {
            let since = state.contact.reign.as_ref().map_or(now, |reign| reign.phase_since);
            let idle = up.status.as_ref().is_some_and(|status| status.transactions == 0)
                && up.answered.is_some_and(|answered| answered >= since.after(HEARD));
            if idle || now.since(since) >= DRAIN {
                Step::act(Effect::Stop(up.run))
            } else {
                Step::Wait(Wait::Draining)
            }
        }
    }
}

/// When the waiting ends by time alone.
pub(super) fn wakes(state: &State) -> Option<Moment> {
    let reign = state.contact.reign.as_ref().filter(|reign| reign.phase == Phase::Switching)?;
    Some(reign.phase_since.after(DRAIN))
}
