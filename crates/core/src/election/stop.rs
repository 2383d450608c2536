//! How a member ends with its pod: the proxies are told once, the server is stopped fast and in order, and the process exits.
//!
//! The rule is left as it is: whoever comes next finds a primary that does not run, which is the truth.

use super::action::{Effect, EffectKind};
use super::state::{Server, State, Stopping};
use super::step::Step;
use crate::topology::{Admission, Phase, Route};

pub(super) fn step(state: &State) -> Step {
    let doing = state.doing();
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
