//! The status: what the report says, in the API's words. Written only when something but a time would change.
//!
//! Output only: what is read back of it is since when somebody waits, and nothing is decided by that.

use crate::settings::PROXY_PORT;
use crate::validate::Validated;
use berth_api::{
    AcceptedLossState, AcceptedLossStatus, Binding, Blocked, Claims, DatabaseCluster, DatabaseClusterStatus,
    Endpoint, Lag, MemberRole, MemberState, MemberStatus, StatusPhase, SwitchoverState, SwitchoverStatus,
    condition, names,
};
use berth_core::plan::{
    self, Before, LossReport, LossState, Observed, Report, Role, Stage, Switched, SwitchoverReport,
};
use berth_core::topology::Replication;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// What the status says that is awaited, and since when.
pub(crate) fn before(status: Option<&DatabaseClusterStatus>) -> Vec<Before> {
    let blocked = status.map(|status| status.blocked.as_slice()).unwrap_or_default();
    blocked
        .iter()
        .map(|blocked| Before {
            reason: blocked.reason.clone(),
            on: blocked.on.clone(),
            since: plan::Time(blocked.since.0.as_second()),
        })
        .collect()
}

/// The status that the report amounts to.
pub(crate) fn status(
    object: &DatabaseCluster,
    observed: &Observed,
    validated: &Validated,
    report: &Report,
    proxy_host: &str,
    now: Timestamp,
) -> DatabaseClusterStatus {
    let old = object.status.clone().unwrap_or_default();
    let generation = observed.cluster.generation.0;
    let asked = report.asked.map_or_else(|| "?".to_owned(), |asked| asked.to_string());
    DatabaseClusterStatus {
        observed_generation: Some(generation),
        phase: Some(phase(report.stage)),
        conditions: conditions(old.conditions, report, generation, now),
        ready: Some(format!("{}/{asked}", report.in_place())),
        replicas: u32::try_from(observed.own_pods().count()).unwrap_or(u32::MAX),
        selector: Some(format!("{}={}", names::CLUSTER_UID, observed.cluster.uid)),
        primary: report.primary.as_ref().map(ToString::to_string),
        term: report.term.map(|term| term.0),
        switchover: report.switchover.as_ref().map(switchover),
        accepted_loss: report.loss.as_ref().map(accepted_loss),
        members: report.members.iter().map(member).collect(),
        blocked: report.blocked().map(blocked).collect(),
        endpoint: Some(Endpoint {
            host: proxy_host.to_owned(),
            port: PROXY_PORT,
            tenant: observed.cluster.name.to_string(),
        }),
        binding: Some(Binding { name: names::owner_secret(observed.cluster.name.name.as_str()) }),
        class: validated.class.clone(),
        // While a change cannot be carried out, what applied before still does.
        effective: validated.effective.clone().or(old.effective),
    }
}

/// The status of an object that cannot even be read as what it should be.
pub(crate) fn unreadable(generation: Option<i64>, problem: &str, now: Timestamp) -> DatabaseClusterStatus {
    let generation = generation.unwrap_or(0);
    DatabaseClusterStatus {
        observed_generation: Some(generation),
        phase: Some(StatusPhase::Invalid),
        conditions: vec![condition::new(
            condition::READY,
            "False",
            "Invalid",
            problem,
            generation,
            Time(now),
        )],
        ..DatabaseClusterStatus::default()
    }
}

fn conditions(mut all: Vec<Condition>, report: &Report, generation: i64, now: Timestamp) -> Vec<Condition> {
    for of_report in &report.conditions {
        let plan::Condition { kind, holds, reason, message } = of_report;
        condition::set(
            &mut all,
            Condition {
                type_: kind.as_str().to_owned(),
                status: holds.as_str().to_owned(),
                reason: (*reason).to_owned(),
                message: message.clone(),
                observed_generation: Some(generation),
                // The API keeps seconds; with more the same status would not equal itself when it is read back.
                last_transition_time: Time(seconds(now)),
            },
        );
    }
    all
}

fn seconds(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

fn phase(stage: Stage) -> StatusPhase {
    match stage {
        Stage::Creating => StatusPhase::Creating,
        Stage::Serving => StatusPhase::Serving,
        Stage::Electing => StatusPhase::Electing,
        Stage::Switching => StatusPhase::Switching,
        Stage::Paused => StatusPhase::Paused,
        Stage::Invalid => StatusPhase::Invalid,
        Stage::Blocked => StatusPhase::Blocked,
        Stage::Deleting => StatusPhase::Deleting,
        Stage::Unknown => StatusPhase::Unknown,
    }
}

fn member(report: &plan::MemberReport) -> MemberStatus {
    let plan::MemberReport {
        identity,
        role,
        state,
        in_place: _,
        node,
        revision,
        replication,
        trouble,
        pending_restart,
    } = report;
    MemberStatus {
        id: identity.member.to_string(),
        role: match role {
            Role::Primary => MemberRole::Primary,
            Role::Candidate => MemberRole::Candidate,
            Role::Replica => MemberRole::Replica,
        },
        state: match state {
            plan::MemberState::Absent => MemberState::Absent,
            plan::MemberState::Pending => MemberState::Pending,
            plan::MemberState::Waiting => MemberState::Waiting,
            plan::MemberState::Initializing => MemberState::Initializing,
            plan::MemberState::Cloning => MemberState::Cloning,
            plan::MemberState::Starting => MemberState::Starting,
            plan::MemberState::Following => MemberState::Following,
            plan::MemberState::Serving => MemberState::Serving,
            plan::MemberState::Stopping => MemberState::Stopping,
            plan::MemberState::Leaving => MemberState::Leaving,
        },
        node: node.clone(),
        claims: Claims { data: names::data_claim(identity.member.as_str()) },
        revision: revision.clone(),
        lag: replication.map(|replication| match replication {
            Replication::Detached => Lag::Detached,
            Replication::InBound => Lag::InBound,
            Replication::Behind => Lag::Behind,
        }),
        trouble: trouble.clone(),
        pending_restart: pending_restart.clone(),
    }
}

fn accepted_loss(report: &LossReport) -> AcceptedLossStatus {
    let LossReport { term, member, state, message } = report;
    AcceptedLossStatus {
        term: term.0,
        member: member.clone(),
        state: match state {
            LossState::Asked => AcceptedLossState::Asked,
            LossState::UnderWay => AcceptedLossState::UnderWay,
            LossState::Used => AcceptedLossState::Used,
            LossState::NotNeeded => AcceptedLossState::NotNeeded,
            LossState::Refused => AcceptedLossState::Refused,
        },
        message: message.clone(),
    }
}

fn switchover(report: &SwitchoverReport) -> SwitchoverStatus {
    let SwitchoverReport { request, state, message } = report;
    SwitchoverStatus {
        request: request.clone(),
        state: match state {
            Switched::Asked => SwitchoverState::Asked,
            Switched::UnderWay => SwitchoverState::UnderWay,
            Switched::Done => SwitchoverState::Done,
            Switched::Refused => SwitchoverState::Refused,
        },
        message: message.clone(),
    }
}

fn blocked(waiting: &plan::Waiting) -> Blocked {
    Blocked {
        reason: waiting.on.reason().to_owned(),
        on: waiting.on.on(),
        since: Time(Timestamp::from_second(waiting.since.0).unwrap_or_default()),
        unblock: waiting.on.unblock(),
    }
}
