//! How a member ends with its pod: the proxies are told once, the server is stopped fast and in order, and the process exits.
//!
//! A primary first hands its term on to a standby that holds all. If none can take it the rule is left as it is: whoever comes next finds a
//! primary that does not run, which is the truth.

use super::action::{Effect, EffectKind};
use super::moment::Moment;
use super::state::{Server, State, Stopping};
use super::step::{Step, first};
use super::{elect, switch};
use crate::topology::{Admission, Phase, Route};
use std::time::Duration;

/// How long the term may take to be handed on when the pod ends. Well below the patience of the warden, which ends the server at last.
const HAND_OVER: Duration = Duration::from_secs(15);

pub(super) fn step(state: &State, now: Moment) -> Step {
    let doing = state.doing();
    if let Some(step) = hand_over(state, now) {
        return step;
    }
    match &state.server {
        // A start that is under way is left to the warden, which ends whatever runs when the agent has gone.
        Server::Unknown | Server::Down(_) => Step::Exit,
        Server::Up(up) => {
            if let Some(EffectKind::Stop | EffectKind::Fence) = doing {
                return Step::Busy;
            }
            match (state.stopping, farewell(state)) {
                (Stopping::Asked, Some(_)) if doing == Some(EffectKind::PutRoute) => Step::Busy,
                (Stopping::Asked, Some(effect)) => Step::act(effect),
                (Stopping::No | Stopping::Asked | Stopping::Told, _) => Step::act(Effect::Stop(up.run)),
            }
        }
    }
}

/// The term is handed on before the server stops, if somebody is there to take it and the topology can be reached.
fn hand_over(state: &State, now: Moment) -> Option<Step> {
    let (intent, known) = (state.world.view.intent.as_ref()?, state.world.view.rule.as_ref()?);
    let (rule, me) = (&known.rule, &state.me.identity);
    let unfit = state.world.away.is_some() || state.world.forgotten.is_some();
    if deadline(state)? <= now || unfit || intent.paused {
        return None;
    }
    let choosing = rule.coordinator.as_ref() == Some(me) && rule.proposal.is_none();
    let step = match rule.phase {
        Phase::Serving if rule.primary == *me => {
            switch::begin(state, intent, known, state.server.up()?, now)?
        }
        Phase::Switching if rule.primary == *me => switch::step(state, intent, known, now),
        Phase::Electing if choosing => elect::step(state, intent, known, now),
        Phase::Bootstrapping | Phase::Serving | Phase::Switching | Phase::Electing => return None,
    };
    if state.pending.is_some() {
        return Some(Step::Busy);
    }
    Some(match first(state, now, [step]) {
        // Whatever has to be waited for comes by itself or not before the deadline.
        Step::Rest => Step::Busy,
        step @ (Step::Do(_) | Step::Wait(_) | Step::Busy | Step::Exit) => step,
    })
}

fn deadline(state: &State) -> Option<Moment> {
    state.stop_asked.map(|asked| asked.after(HAND_OVER))
}

/// When handing on is given up.
pub(super) fn wakes(state: &State) -> Option<Moment> {
    deadline(state)
}

/// The word to the proxies to hold their clients, if this member is who they send them to.
fn farewell(state: &State) -> Option<Effect> {
    let known = state.world.view.rule.as_ref()?;
    let route = state.world.route.as_ref()?;
    let serves = known.rule.phase == Phase::Serving && known.rule.primary == state.me.identity;
    let told = route.admission == Admission::Closed;
    if !serves || told || state.world.away.is_some() {
        return None;
    }
    let route = Route { admission: Admission::Closed, ..route.clone() };
    Some(Effect::PutRoute { route, rule: known.revision })
}
