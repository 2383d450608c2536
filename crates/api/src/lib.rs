//! The Kubernetes API of Berth (`berth.dev/v1alpha1`): the kinds, their schemas with validation rules, and the names that
//! Berth puts on objects.
//!
//! Types and rules only: no client, and no decision. What an object leads to is decided by the planner in `berth-core`;
//! the operator translates from here to there in one file.
#![expect(
    unreachable_pub,
    reason = "the schema derive repeats each public struct inside a function of its own"
)]

mod class;
mod cluster;
pub mod condition;
mod crd;
pub mod names;
mod schema;
mod status;

pub use class::{
    Bounds, ClassEngine, ClassPostgres, ClassStorage, ClassVolume, ClusterClass, ClusterClassSpec,
};
pub use cluster::access::Access;
pub use cluster::bootstrap::{Bootstrap, Initialize};
pub use cluster::durability::{Durability, DurabilityMode, OnLoss};
pub use cluster::engine::{Engine, Postgres};
pub use cluster::failover::{AcceptLoss, Failover, RebuildTopology, Switchover};
pub use cluster::placement::{Placement, Resources, Spread, SpreadMode};
pub use cluster::storage::{Storage, Volume};
pub use cluster::{DatabaseCluster, DatabaseClusterSpec, State};
pub use crd::definitions;
pub use status::{
    AcceptedLossState, AcceptedLossStatus, Binding, Blocked, Claims, ClassStatus, DatabaseClusterStatus,
    Effective, Endpoint, Lag, MemberRole, MemberState, MemberStatus, StatusPhase, SwitchoverState,
    SwitchoverStatus,
};

/// The group of every kind of Berth.
pub const GROUP: &str = "berth.dev";
/// The version of every kind of Berth.
pub const VERSION: &str = "v1alpha1";

#[cfg(test)]
mod tests;
