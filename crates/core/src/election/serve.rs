//! What the primary of a term keeps as it should be: the quorum, the gate, the route, roles and slots, the settings, the voters.
//!
//! Each is looked at by itself, and what one waits for holds no other up. At rest nothing is done, and nothing is written.

use super::action::{AccessWanted, Effect};
use super::event::KnownRule;
use super::moment::Moment;
use super::state::{Force, Gate, Server, State, Up};
use super::step::{Step, first, settings};
use super::voters::{Ballot, Next};
use super::wait::{Refusal, Wait};
use super::{ascend, lease, route, switch};
use crate::database::{Quorum, Settings, Volume};
use crate::position::LogPosition;
use crate::topology::{DurabilityMode, Identity, Intent, Mishap, OnLoss, Rule};
use std::collections::BTreeSet;
use std::time::Duration;

/// A standby further behind than one segment of PostgreSQL's log does not stream in bounds.
pub(super) const LAG_BOUND: u64 = 16 * 1024 * 1024;
/// With `onLoss: Degrade`: how long voters may be missing before commits stop waiting for them. A standby that restarts is back sooner.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn step(state: &State, intent: &Intent, known: &KnownRule, volume: &Volume, now: Moment) -> Step {
    if *volume == Volume::Empty {
        return Step::Wait(Wait::Refused(Refusal::PrimaryEmpty));
    }
    let up = match &state.server {
        Server::Unknown => return Step::Wait(Wait::Warden),
        // The term ends with its server. An election may find a standby that is ready sooner than a recovery.
        Server::Down(down) => {
            let what = down.mishap.clone().unwrap_or(Mishap::Restarted);
            return ascend::new_term(state, intent, known, what, None);
        }
        Server::Up(up) => up,
    };
    let Some(status) = &up.status else {
        return Step::Wait(Wait::NotAnswering(up.silent.clone()));
    };
    if status.in_recovery {
        // The rule says that it serves: a standby here is a run that the term knows nothing of.
        return Step::act(Effect::Stop(up.run));
    }
    let rule = &known.rule;
    let notes = rule
        .branched
        .and_then(|start| ascend::enter(state, rule.term, rule.timeline, Some(start)))
        .unwrap_or(Step::Rest);
    let voters = voters(state, intent, known, up, status.position, now);
    if let Force::Unknown = up.force {
        // Nobody is let in while it is not known whom a commit waits for.
        return first(state, now, [voters, notes]);
    }
    let hand_over = switch::begin(state, intent, known, up, now).unwrap_or(Step::Rest);
    let steps = [
        hand_over,
        gate(intent, rule, up, now, state),
        publish(state, intent, known, up, now),
        // Tenants are let in first: until this is entered the rule tells it.
        notes,
        access(state, intent),
        apply(state, intent, known, up),
        voters,
    ];
    first(state, now, steps)
}

/// What the engine waits for while the rule asks for no acknowledgement.
///
/// Nobody who exists, until the asked quorum was granted once, so that no commit slips through before; nobody at all where none is asked,
/// where tenants are already in, and where the user chose to go on without.
pub(super) fn idle(intent: &Intent, up: Option<&Up>) -> Quorum {
    let open = up.is_some_and(|up| up.gate == Gate::Open);
    match intent.durability.on_loss {
        OnLoss::Degrade => Quorum::None,
        OnLoss::Block if open || intent.durability.asked(intent.members.len()) == 0 => Quorum::None,
        OnLoss::Block => Quorum::Nobody,
    }
}

fn gate(intent: &Intent, rule: &Rule, up: &Up, now: Moment, state: &State) -> Step {
    match up.gate {
        Gate::Open => return Step::Rest,
        Gate::Unknown | Gate::Shut => {}
    }
    let asked = asked(state, intent, now);
    let enough = match intent.durability.on_loss {
        OnLoss::Degrade => true,
        OnLoss::Block => rule.acks >= asked,
    };
    if !enough {
        return Step::Wait(Wait::Durability { asked, have: rule.acks });
    }
    if !lease::holds(state, rule, now) {
        return Step::Wait(Wait::Lease);
    }
    Step::act(Effect::OpenGate)
}

fn publish(state: &State, intent: &Intent, known: &KnownRule, up: &Up, now: Moment) -> Step {
    let route = route::of(state, intent, &known.rule, Some((up, now)));
    if state.world.route.as_ref() == Some(&route) {
        return Step::Rest;
    }
    Step::act(Effect::PutRoute { route, rule: known.revision })
}

/// Roles, database and slots, when what they should be has changed since they were last ensured.
pub(super) fn access(state: &State, intent: &Intent) -> Step {
    let Some(verifier) = &state.verifier else { return Step::Wait(Wait::NoVerifier) };
    let wanted = AccessWanted {
        access: intent.access.clone(),
        members: intent.members.keys().cloned().collect(),
        verifier: verifier.clone(),
    };
    if state.access.as_ref() == Some(&wanted) { Step::Rest } else { Step::act(Effect::EnsureAccess(wanted)) }
}

/// The settings of the intent. Shared with standbys.
pub(super) fn apply(state: &State, intent: &Intent, known: &KnownRule, up: &Up) -> Step {
    let wanted = match &up.settings {
        // A disk fills whether somebody paused the cluster or not.
        Some(applied) if intent.paused => Settings { space: state.space, ..applied.clone() },
        Some(_) | None => settings(state, intent, known),
    };
    if up.settings.as_ref() == Some(&wanted) {
        return refused(up);
    }
    Step::act(Effect::Apply(wanted))
}

fn refused(up: &Up) -> Step {
    if up.settled.refused.is_empty() {
        return Step::Rest;
    }
    let words: Vec<String> =
        up.settled.refused.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
    Step::Wait(Wait::SettingsRefused(words.join("; ")))
}

/// The acknowledgements that the cluster asks for now: fewer than it asks for in general only if its owner chose to go on without.
fn asked(state: &State, intent: &Intent, now: Moment) -> u32 {
    let replicas = intent.members.keys().filter(|member| **member != state.me.identity.member).count();
    let asked = intent.durability.asked(replicas + 1);
    let lost = state.short.is_some_and(|since| now.since(since) >= PATIENCE);
    match intent.durability.on_loss {
        OnLoss::Degrade if lost => asked.min(state.present_voters()),
        OnLoss::Degrade | OnLoss::Block => asked,
    }
}

fn voters(
    state: &State,
    intent: &Intent,
    known: &KnownRule,
    up: &Up,
    position: LogPosition,
    now: Moment,
) -> Step {
    let rule = &known.rule;
    let replicas: BTreeSet<Identity> = intent
        .members
        .iter()
        .map(|(member, claim)| Identity { member: member.clone(), claim: claim.clone() })
        .filter(|identity| *identity != state.me.identity)
        .collect();
    let ready =
        replicas.iter().filter(|replica| state.streams(replica, rule.term, position)).cloned().collect();
    let next = Ballot {
        term: rule.term,
        voters: &rule.voters,
        acks: rule.acks,
        force: &up.force,
        asked: asked(state, intent, now),
        members: &replicas,
        ready: &ready,
        flushed: &state.flushed(rule.term),
        idle: &idle(intent, Some(up)),
        defects: state.defects,
    }
    .next();
    if intent.paused && up.force != Force::Unknown {
        return Step::Rest;
    }
    match next {
        Next::Settled => Step::Rest,
        Next::Set(quorum) => Step::act(Effect::SetQuorum { quorum, followers: BTreeSet::new() }),
        Next::CatchUp => Step::Wait(Wait::VotersCatchUp),
        Next::NeedsReplacement(member) => Step::Wait(Wait::NeedsReplacement(member)),
        Next::Swap { voters, acks } => {
            let grants = match intent.durability.mode {
                DurabilityMode::Async if !voters.is_empty() => 1,
                DurabilityMode::Async | DurabilityMode::Quorum | DurabilityMode::All => acks,
            };
            let rule = Rule { voters, acks, grants, ..rule.clone() };
            Step::act(Effect::SwapRule {
                route: route::of(state, intent, &rule, Some((up, now))),
                rule,
                expected: Some(known.revision),
            })
        }
    }
}
