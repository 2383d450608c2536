//! Writing to the topology: the rule with its route, the route alone, and what the member says of itself; and making sure of the rule.

use super::Parts;
use crate::observe::{known, view};
use berth_core::election::{KnownRule, Outcome, RuleRevision};
use berth_core::topology::{MemberRecord, Route, Rule};
use berth_service::Chain;
use berth_topology::{Revision, TopologyError};
use std::time::Duration;
use tokio::time::timeout;

/// How long the answer to a confirmation is awaited. A third of a lease, so that a primary that asks when its grants fail can ask again within it.
const CONFIRM: Duration = Duration::from_millis(900);

pub(super) async fn swap(parts: &Parts, rule: Rule, route: Route, expected: Option<RuleRevision>) -> Outcome {
    let expected = expected.map(|revision| Revision(revision.0));
    match parts.topology.swap_rule(&parts.cluster, &rule, &route, expected).await {
        Ok(Revision(revision)) => {
            let known = KnownRule { rule, revision: RuleRevision(revision), restored: false };
            Outcome::RuleSwapped { known, route }
        }
        Err(error) => failed(parts, error).await,
    }
}

pub(super) async fn put_route(parts: &Parts, route: Route, rule: RuleRevision) -> Outcome {
    match parts.topology.put_route(&parts.cluster, &route, Revision(rule.0)).await {
        Ok(_) => Outcome::RoutePut(route),
        Err(error) => failed(parts, error).await,
    }
}

/// Somebody else wrote first: what the topology holds now is read, so that the next decision is made from it.
async fn failed(parts: &Parts, error: TopologyError) -> Outcome {
    let error = match error {
        TopologyError::Conflict { .. } => match parts.topology.read(&parts.cluster).await {
            Ok(snapshot) => return Outcome::Conflict(Box::new(view(snapshot))),
            Err(error) => error,
        },
        error @ (TopologyError::Unreadable { .. }
        | TopologyError::Denied { .. }
        | TopologyError::Unavailable { .. }) => error,
    };
    // A refused user is made known by the operator in its time, so that even that may pass.
    Outcome::Failed { reason: Chain(&error).to_string(), retryable: true }
}

/// Writes what the member says of itself.
pub async fn announce(parts: &Parts, record: &MemberRecord) -> Result<(), String> {
    match parts.topology.put_member(&parts.cluster, record).await {
        Ok(_) => Ok(()),
        Err(error) => Err(Chain(&error).to_string()),
    }
}

/// Reads the rule as it is at some moment after this call.
pub async fn confirm(parts: &Parts) -> Result<Option<Box<KnownRule>>, String> {
    match timeout(CONFIRM, parts.topology.read_rule(&parts.cluster)).await {
        Ok(Ok(rule)) => Ok(rule.map(|stored| Box::new(known(stored)))),
        Ok(Err(error)) => Err(Chain(&error).to_string()),
        Err(_) => Err(format!("no answer within {CONFIRM:?}")),
    }
}
