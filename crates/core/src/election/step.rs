//! Which step comes next: the order in which dangers, refusals and duties are looked at.

use super::action::Effect;
use super::moment::Moment;
use super::state::{Server, State, Stopping};
use super::wait::{Refusal, Wait};
use super::{
    accept, ascend, campaign, elect, follow, forgotten, guard, pledge, rebuild, refuse, serve, stop, switch,
};
use crate::database::{Settings, Volume};
use crate::election::KnownRule;
use crate::topology::{Intent, Phase};

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// This effect.
    Do(Box<Effect>),
    /// Nothing, for this reason.
    Wait(Wait),
    /// Nothing: all is as it should be.
    Rest,
    /// Nothing: an effect is being done.
    Busy,
    /// The process ends.
    Exit,
}

impl Step {
    pub(super) fn act(effect: Effect) -> Self {
        Self::Do(Box::new(effect))
    }
}

pub(super) fn next(state: &State, now: Moment) -> Step {
    if guard::must_fence(state, now) {
        return guard::fence(state, now);
    }
    match state.stopping {
        Stopping::No => {}
        Stopping::Asked | Stopping::Told => return stop::step(state, now),
    }
    if state.pending.is_some() {
        return Step::Busy;
    }
    first(state, now, [duty(state, now)])
}

fn duty(state: &State, now: Moment) -> Step {
    if let Server::Unknown = state.server {
        return Step::Wait(Wait::Warden);
    }
    if let Some(refusal) = refuse::ledger(state) {
        return Step::Wait(Wait::Refused(refusal));
    }
    let Some(volume) = &state.volume else {
        return Step::act(Effect::Inspect);
    };
    if !state.world.listed {
        return Step::Wait(state.world.away.clone().map_or(Wait::Unread, Wait::TopologyAway));
    }
    if let Some((key, reason)) = &state.world.unreadable {
        return Step::Wait(Wait::Unreadable { key: key.clone(), reason: reason.clone() });
    }
    if state.contact.unsure && state.world.view.rule.is_some() {
        return Step::Wait(Wait::Unsure);
    }
    let view = &state.world.view;
    let refused = refuse::volume(state, volume);
    if let (None | Some(Refusal::RuleMissing | Refusal::TopologyBehind { .. }), Some(intent)) =
        (&refused, &view.intent)
        && let Some(step) = rebuild::step(state, intent)
    {
        return step;
    }
    if let Some(step) = summoned(state) {
        return step;
    }
    if let (Some(forgotten), Some(intent), Some(known)) = (state.world.forgotten, &view.intent, &view.rule) {
        return forgotten::step(state, intent, known, forgotten, now);
    }
    if let Some(refusal) = refused {
        return Step::Wait(Wait::Refused(refusal));
    }
    let Some(intent) = &state.world.view.intent else {
        return Step::Wait(Wait::NoIntent);
    };
    if let Some(step) = first_notes(state, intent, volume) {
        return step;
    }
    match &state.world.view.rule {
        None => ascend::from_nothing(state, intent),
        Some(known) => by_rule(state, intent, known, volume, now),
    }
}

/// An empty volume becomes this member's own before anything else happens on it.
fn first_notes(state: &State, intent: &Intent, volume: &Volume) -> Option<Step> {
    if state.notes.ledger().is_some() || *volume != Volume::Empty {
        return None;
    }
    if !intent.members.contains_key(&state.me.identity.member) {
        return Some(Step::Wait(Wait::Leaving));
    }
    let mut ledger = super::Ledger::new(state.me.uid.clone(), state.me.identity.clone());
    // The count goes on over an emptied volume, so that it stays a proof against one that was rolled back.
    ledger.starts = state.world.told_starts;
    Some(Step::act(Effect::WriteLedger(ledger)))
}

/// A coordinator's asking comes before everything that the rule says, because the topology's own word of the term may be still on its way.
fn summoned(state: &State) -> Option<Step> {
    let summons = state.contact.summons.as_ref()?;
    let (intent, known) = (state.world.view.intent.as_ref()?, state.world.view.rule.as_ref()?);
    if let Some(step) = pledge::step(state, intent, known, summons.term) {
        return Some(step);
    }
    let coordinator = Some(summons.from.member.clone());
    (known.rule.term < summons.term).then_some(Step::Wait(Wait::Election { term: summons.term, coordinator }))
}

fn by_rule(state: &State, intent: &Intent, known: &KnownRule, volume: &Volume, now: Moment) -> Step {
    let rule = &known.rule;
    let me = &state.me.identity;
    let campaign = || campaign::step(state, intent, known, now);
    if let Some(step) = accept::step(state, intent, known, now).or_else(campaign) {
        return first(state, now, [step]);
    }
    match rule.phase {
        Phase::Bootstrapping if rule.primary == *me => ascend::step(state, intent, known, volume),
        Phase::Bootstrapping => Step::Wait(Wait::Creating(rule.primary.member.clone())),
        Phase::Serving if rule.primary == *me => serve::step(state, intent, known, volume, now),
        Phase::Serving => follow::step(state, intent, known, volume, Some(&rule.primary), now),
        Phase::Electing => match &rule.proposal {
            Some(proposal) if proposal.candidate == *me => ascend::step(state, intent, known, volume),
            // Whoever was chosen is followed at once: its term may need the acknowledgement of any of them.
            Some(proposal) => follow::step(state, intent, known, volume, Some(&proposal.candidate), now),
            None if rule.coordinator.as_ref() == Some(me) => elect::step(state, intent, known, now),
            None => follow::step(state, intent, known, volume, None, now),
        },
        Phase::Switching if rule.primary == *me => switch::step(state, intent, known, now),
        Phase::Switching => follow::step(state, intent, known, volume, None, now),
    }
}

/// The first effect that may be done now, else the first reason to wait. What one step waits for holds no other up.
pub(super) fn first(state: &State, now: Moment, steps: impl IntoIterator<Item = Step>) -> Step {
    let mut reason = None;
    for step in steps {
        match held(state, now, step) {
            Step::Wait(wait) => {
                reason.get_or_insert(wait);
            }
            Step::Rest => {}
            found @ (Step::Do(_) | Step::Busy | Step::Exit) => return found,
        }
    }
    reason.map_or(Step::Rest, Step::Wait)
}

/// An effect whose time has not come is a reason to wait.
fn held(state: &State, now: Moment, step: Step) -> Step {
    let Step::Do(effect) = &step else { return step };
    let kind = effect.kind();
    if let (true, Some(reason)) = (kind.needs_topology(), &state.world.away) {
        return Step::Wait(Wait::TopologyAway(reason.clone()));
    }
    state.failures.holds(kind, now).map_or(step, Step::Wait)
}

/// The settings that the server of this term should run with.
pub(super) fn settings(state: &State, intent: &Intent, known: &KnownRule) -> Settings {
    Settings {
        parameters: intent.parameters.clone(),
        members: intent.members.keys().cloned().collect(),
        term: known.rule.term,
        space: state.space,
    }
}

/// Starts the server, after the start was counted on the volume.
pub(super) fn start(
    state: &State,
    boot: crate::database::Boot,
    settings: Settings,
    quorum: crate::database::Quorum,
) -> Step {
    match (&state.server, state.notes.ledger()) {
        (Server::Down(down), Some(ledger)) if !down.counted => {
            Step::act(Effect::WriteLedger(ledger.clone().counting_a_start().pledging(settings.term)))
        }
        (Server::Down(_), Some(_)) => Step::act(Effect::Start { boot, settings, quorum }),
        (Server::Unknown | Server::Up(_), _) | (Server::Down(_), None) => Step::Wait(Wait::Warden),
    }
}
