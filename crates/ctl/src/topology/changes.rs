//! What changed from one status to the next, in words: what matters to clients first, then the members.

use crate::writes;
use berth_api::{DatabaseClusterStatus, Lag, MemberRole, MemberState, MemberStatus, SwitchoverStatus};

/// What changed, a line each.
pub(super) fn changes(old: &DatabaseClusterStatus, new: &DatabaseClusterStatus) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(of_writes(old, new));
    if old.switchover != new.switchover {
        lines.extend(
            new.switchover
                .as_ref()
                .map(|SwitchoverStatus { request, message, .. }| format!("switchover {request}: {message}")),
        );
    }
    for member in &new.members {
        match old.members.iter().find(|was| was.id == member.id) {
            None => lines.push(format!("{} is a new member", member.id)),
            Some(was) => lines.extend(of_member(was, member)),
        }
    }
    let left = old.members.iter().filter(|was| new.members.iter().all(|member| member.id != was.id));
    lines.extend(left.map(|was| format!("{} has left", was.id)));
    lines
}

/// Whether somebody takes writes, and who.
fn of_writes(old: &DatabaseClusterStatus, new: &DatabaseClusterStatus) -> Option<String> {
    let (was, is) = (writes::missing(old, None), writes::missing(new, None));
    match (is, &new.primary, new.term) {
        (Some(why), _, _) => (was.as_ref() != Some(&why)).then_some(why),
        (None, Some(primary), Some(term)) => {
            (was.is_some() || old.term != new.term || old.primary != new.primary)
                .then(|| format!("{primary} takes writes in term {term}"))
        }
        (None, _, _) => None,
    }
}

fn of_member(old: &MemberStatus, new: &MemberStatus) -> Vec<String> {
    let mut words = Vec::new();
    if old.role != new.role {
        words.push(role(old.role, new.role));
    }
    if old.state != new.state {
        words.push(state(new.state));
    }
    if old.lag != new.lag {
        words.extend(new.lag.map(lag));
    }
    let mut lines = Vec::new();
    if !words.is_empty() {
        lines.push(format!("{} {}", new.id, words.join(", ")));
    }
    if old.node != new.node {
        lines.extend(new.node.as_ref().map(|node| format!("{} is on node {node}", new.id)));
    }
    if old.trouble != new.trouble {
        lines.push(match &new.trouble {
            Some(trouble) => format!("{}: {trouble}", new.id),
            None => format!("{}: its trouble is over", new.id),
        });
    }
    lines
}

fn role(old: MemberRole, new: MemberRole) -> &'static str {
    match (old, new) {
        (_, MemberRole::Primary) => "is the primary",
        (_, MemberRole::Candidate) => "was chosen to be the primary",
        (MemberRole::Primary, MemberRole::Replica) => "is not the primary any more",
        (MemberRole::Candidate | MemberRole::Replica, MemberRole::Replica) => "is a replica",
    }
}

fn state(state: MemberState) -> &'static str {
    match state {
        MemberState::Absent => "has no pod",
        MemberState::Pending => "has a pod that starts",
        MemberState::Waiting => "awaits the topology's word",
        MemberState::Initializing => "makes the database",
        MemberState::Cloning => "copies the data from the primary",
        MemberState::Starting => "starts its database",
        MemberState::Following => "follows the primary",
        MemberState::Serving => "serves",
        MemberState::Stopping => "shuts down",
        MemberState::Leaving => "leaves the cluster",
    }
}

fn lag(lag: Lag) -> &'static str {
    match lag {
        Lag::Detached => "receives nothing",
        Lag::InBound => "receives the log in time",
        Lag::Behind => "is further behind than it should be",
    }
}
