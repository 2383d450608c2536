//! What a rule's route says, so that both are written as one.

use super::moment::Moment;
use super::state::{Gate, State, Up};
use crate::disk::Space;
use crate::topology::{Admission, Endpoint, Intent, Route, Rule};
use std::time::Duration;

/// How long a replica that stopped streaming stays in the route: a receiver that reconnects must not cost two writes.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// The route of a rule without a primary: proxies hold their clients.
pub(super) fn without_primary(intent: &Intent, rule: &Rule) -> Route {
    Route {
        cluster: intent.cluster.clone(),
        term: rule.term,
        phase: rule.phase,
        admission: Admission::Closed,
        primary: None,
        replicas: Vec::new(),
        space: Space::Ample,
    }
}

/// The route of a rule in which this member serves. `server` is absent while its gate is known to be shut.
pub(super) fn of(state: &State, intent: &Intent, rule: &Rule, server: Option<(&Up, Moment)>) -> Route {
    let me = &state.me;
    let mut replicas: Vec<Endpoint> = server.map_or_else(Vec::new, |(_, now)| replicas(state, intent, now));
    replicas.sort();
    Route {
        cluster: intent.cluster.clone(),
        term: rule.term,
        phase: rule.phase,
        admission: match server.map_or(Gate::Shut, |(up, _)| up.gate) {
            Gate::Open => Admission::ReadWrite,
            Gate::Unknown | Gate::Shut => Admission::Closed,
        },
        primary: Some(Endpoint { member: me.identity.member.clone(), address: me.address.clone() }),
        replicas,
        space: space(state, server.map(|(up, _)| up)),
    }
}

/// Full from before the server refuses anything until it refuses nothing any more: a proxy must know why before it is asked.
fn space(state: &State, up: Option<&Up>) -> Space {
    let in_force = up.and_then(|up| up.settings.as_ref()).map_or(Space::Ample, |settings| settings.space);
    state.space.min(in_force)
}

/// The replicas that stream, or did a moment ago.
fn replicas(state: &State, intent: &Intent, now: Moment) -> Vec<Endpoint> {
    let recent = state.streamed.iter().filter(|(_, last)| now.since(**last) < GRACE);
    recent
        .filter(|(member, _)| intent.members.contains_key(*member))
        .filter_map(|(member, _)| {
            let record = state.world.view.members.get(member)?;
            Some(Endpoint { member: member.clone(), address: record.address.clone() })
        })
        .collect()
}
