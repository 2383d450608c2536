//! The operator's planner: from what was observed and what is desired to the steps that lead there, and a report of what is
//! awaited.
//!
//! Pure and deterministic: the time and a fresh nonce are part of what was observed. Level-triggered: every plan is made from the full
//! state, and nothing is remembered between two. It never talks to a database and never says who is primary; that is the
//! members' business, which it reads from the topology.

mod check;
mod desired;
mod observed;
mod report;
mod step;
mod waiting;

pub use check::Unsafe;
pub use desired::{Desired, Problem, Size, Wish};
pub use observed::{
    Claim, ClaimProblem, Cluster, Container, ContainerState, Known, Node, NodeState, NotedGrant, Observed,
    Pod, PodPhase, Processes, Refusal, RefusalKind, Refused, Revision, SecretState, Secrets, Stored, Time,
    Topology, Volume,
};
pub use report::{Condition, ConditionType, MemberReport, MemberState, Report, Role, Stage};
pub use step::{Chain, DeletePod, Ended, Kept, Plan, Step, Why};
pub use waiting::{Awaited, Needs, Waiting};
