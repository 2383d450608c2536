//! How long a primary may serve on without a further word.
//!
//! Commits need no lease: they wait for the quorum. It is for reads: a primary that was cut off must stop answering before its successor
//! speaks. It serves while enough voters granted it a lease, or while the topology has shown a moment ago that nobody follows it. The
//! warden ends the server when the lease does, whatever has become of the agent.
//!
//! *Assumption*: the clocks of two machines run at rates that differ by less than one in a hundred.

use super::message::LEASE;
use super::moment::Moment;
use super::state::State;
use crate::topology::{Phase, Rule};
use std::time::Duration;

/// How long the topology's word counts. Short, because a coordinator that hears nothing of the old primary waits so long after its own swap.
pub(super) const CONFIRMED: Duration = Duration::from_secs(1);
/// When a lease is so near its end, the topology is asked.
const NEAR: Duration = Duration::from_secs(1);
/// Between two such questions.
const CONFIRM_EVERY: Duration = Duration::from_millis(300);
/// How much later a lease must end for the warden to be told of it again.
const WORTH_TELLING: Duration = Duration::from_millis(250);

/// A time of another machine's clock, lengthened to be at least as long on this one.
pub(super) fn lengthened(time: Duration) -> Duration {
    time + time / 100
}

fn shortened(time: Duration) -> Duration {
    time.saturating_sub(time / 100)
}

/// Whether the rule's primary needs a lease: whether a set of members without it could elect another. Also while it hands over.
pub(super) fn needed(rule: &Rule) -> bool {
    matches!(rule.phase, Phase::Serving | Phase::Switching) && rule.holders() > 0
}

/// When the lease ends, as far as it was granted or confirmed in this run of the agent.
pub(super) fn end(state: &State, rule: &Rule) -> Option<Moment> {
    let by_topology = state.contact.confirmed.map(|asked| asked.after(shortened(CONFIRMED)));
    end_of_grants(state, rule).max(by_topology)
}

/// When the lease ends that so many voters have granted as the primary cannot do without.
fn end_of_grants(state: &State, rule: &Rule) -> Option<Moment> {
    let grants = state.contact.grants.iter();
    let mut granted: Vec<Moment> =
        grants.filter(|(voter, _)| rule.voters.contains(voter)).map(|(_, at)| *at).collect();
    granted.sort_unstable_by(|a, b| b.cmp(a));
    let last = usize::try_from(rule.holders()).unwrap_or(usize::MAX).checked_sub(1)?;
    granted.get(last).map(|at| at.after(shortened(LEASE)))
}

/// Whether the voters themselves vouch that nobody follows this primary, whatever the topology says.
pub(super) fn granted(state: &State, rule: &Rule, now: Moment) -> bool {
    !needed(rule) || end_of_grants(state, rule).is_some_and(|end| end > now)
}

/// Whether the primary is known to hold a lease.
pub(super) fn holds(state: &State, rule: &Rule, now: Moment) -> bool {
    !needed(rule) || end(state, rule).is_some_and(|end| end > now)
}

/// When a server that writes must be ended for want of a lease. An agent that starts anew does not know of the last one's lease; the
/// warden does.
pub(super) fn deadline(state: &State, rule: &Rule) -> Option<Moment> {
    if !needed(rule) || rule.primary != state.me.identity {
        return None;
    }
    let unknown_before = state.contact.started.map(|started| started.after(LEASE));
    end(state, rule).max(unknown_before)
}

/// Whether the topology should be asked now whether this member still leads.
pub(super) fn must_confirm(state: &State, rule: &Rule, now: Moment) -> bool {
    let asked_lately = state.contact.confirm_sent.is_some_and(|sent| now.since(sent) < CONFIRM_EVERY);
    let stuck = state.contact.confirm_sent.is_some_and(|sent| now.since(sent) >= LEASE);
    let serves = needed(rule) && rule.primary == state.me.identity && state.server.up().is_some();
    let near = end(state, rule).is_none_or(|end| end.since(now) < NEAR);
    serves && near && !asked_lately && (state.contact.confirming.is_none() || stuck)
}

/// What the warden is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Words {
    /// The server may run until then.
    Until(Moment),
    /// It may run on.
    Open,
}

/// What the warden should be told, if anything new.
pub(super) fn to_tell(state: &State, rule: &Rule) -> Option<Words> {
    let writes = state.server.up().is_some_and(super::Up::writes);
    if !writes || rule.primary != state.me.identity || *rule.leader() != rule.primary {
        return None;
    }
    if !needed(rule) {
        return state.contact.leased.is_some().then_some(Words::Open);
    }
    let end = end(state, rule)?;
    let worth = state.contact.leased.is_none_or(|told| end.since(told) >= WORTH_TELLING);
    worth.then_some(Words::Until(end))
}
