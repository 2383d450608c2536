//! Whether a switchover can be asked for now. What can be told before is told before: a request that waits could be carried out when nobody expects it.

use crate::failure::Failure;
use anyhow::{Result, bail};
use berth_api::{DatabaseCluster, StatusPhase, condition};
use berth_core::ClusterRef;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing, and why.
    Nothing(String),
    /// To ask.
    Ask(Primary),
}

/// Who is primary before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Primary {
    /// The member.
    pub(super) primary: String,
    /// Its term.
    pub(super) term: u64,
}

/// Looks at the cluster.
pub(super) fn before(target: &ClusterRef, cluster: &DatabaseCluster, to: Option<&str>) -> Result<Before> {
    let Some(status) = &cluster.status else {
        bail!("{target}: the operator has not looked at it yet (kubectl -n berth-system get pods)");
    };
    let ids: Vec<&str> = status.members.iter().map(|member| member.id.as_str()).collect();
    if let Some(to) = to.filter(|to| !ids.contains(to)) {
        let hint = format!("; its members are {}", ids.join(", "));
        return Err(Failure::Missing { what: format!("member {to} of {target}"), hint }.into());
    }
    let (Some(primary), Some(term), Some(StatusPhase::Serving)) =
        (&status.primary, status.term, status.phase)
    else {
        let phase = status.phase.map_or_else(|| "unknown".to_owned(), |phase| format!("{phase:?}"));
        let why = condition::find(&status.conditions, condition::AVAILABLE).filter(|c| c.status != "True");
        let why = why.map(|c| format!(": {}", c.message)).unwrap_or_default();
        bail!("{target}: there is nobody to hand over now; it is {phase}{why}");
    };
    if to == Some(primary) {
        return Ok(Before::Nothing(format!("{target}: {primary} is the primary already, in term {term}")));
    }
    if ids.len() < 2 {
        bail!("{target}: there is nobody to hand over to; the cluster is of one member");
    }
    Ok(Before::Ask(Primary { primary: primary.clone(), term }))
}
