//! The trait that every store of a topology implements, with the guarantees that agents, operator and proxies rest on.

use crate::{Revision, Scope, Watch};
use async_trait::async_trait;
use berth_core::topology::{Intent, MemberRecord, Route, Rule};
use berth_core::{ClusterRef, ClusterUid, MemberId};
use std::collections::BTreeMap;

/// A record as it was read, with the revision at which it was last written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored<T> {
    /// The record.
    pub value: T,
    /// The revision of its last write: what a compare-and-swap expects.
    pub revision: Revision,
    /// Rules: whether it was written to another store than the one that it was read from, which has it from a backup.
    pub restored: bool,
}

/// All that the topology holds of one cluster, at one revision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// What the operator asks.
    pub intent: Option<Stored<Intent>>,
    /// Who is primary.
    pub rule: Option<Stored<Rule>>,
    /// What the members say of themselves.
    pub members: BTreeMap<MemberId, Stored<MemberRecord>>,
    /// The store's revision at the time of the read.
    pub revision: Revision,
}

/// Why the topology did not do what was asked. In every case but `Unavailable` the store is known to be unchanged.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// Somebody else wrote first. Read again and decide anew.
    #[error("{key} has changed since it was read (expected revision {})", expected.map_or("none".to_owned(), |r| r.0.to_string()))]
    Conflict {
        /// The key.
        key: String,
        /// What the caller expected: a revision, or that the key was not there.
        expected: Option<Revision>,
    },
    /// The record was written by a newer or damaged writer.
    #[error("cannot read {key}: {reason}")]
    Unreadable {
        /// The key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store refused this user. The operator makes and grants users; see its log.
    #[error("the topology refused access to {key}: {reason}")]
    Denied {
        /// The key or prefix.
        key: String,
        /// The store's words.
        reason: String,
    },
    /// The store could not be reached or did not answer in time. A write may or may not have happened: read before anything else.
    #[error("the topology is not available: {reason}")]
    Unavailable {
        /// The client's words.
        reason: String,
    },
}

impl TopologyError {
    /// Whether the same call may succeed later without anything else being changed.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Conflict { .. } | Self::Unreadable { .. } | Self::Denied { .. } => false,
        }
    }
}

/// A store of topology records.
///
/// # Guarantees
/// Reads are linearizable. A swap happens wholly or not at all, and only if the rule is at the expected revision. Rule and
/// route are written in one transaction.
///
/// # Cancel safety
/// Dropping a write's future leaves it unknown whether the write happened; the compare-and-swap makes a retry safe.
#[async_trait]
pub trait Topology: Send + Sync + 'static {
    /// Reads all of one cluster, linearizably.
    async fn read(&self, cluster: &ClusterUid) -> Result<Snapshot, TopologyError>;

    /// Reads the rule alone, linearizably, for a caller whose time is short: a store's member that does not answer is left sooner than in other
    /// calls, and the next one asked.
    async fn read_rule(&self, cluster: &ClusterUid) -> Result<Option<Stored<Rule>>, TopologyError>;

    /// Writes the intent. `expected` is the revision of the one that was read, or none if there was none.
    async fn put_intent(
        &self,
        cluster: &ClusterUid,
        intent: &Intent,
        expected: Option<Revision>,
    ) -> Result<Revision, TopologyError>;

    /// Swaps the rule and writes the route that goes with it, in one transaction. `expected` as in [`Self::put_intent`].
    /// Also refused, as a conflict, if the stored rule has a higher term than `rule`.
    async fn swap_rule(
        &self,
        cluster: &ClusterUid,
        rule: &Rule,
        route: &Route,
        expected: Option<Revision>,
    ) -> Result<Revision, TopologyError>;

    /// Writes a route whose rule stays as it is (replicas came or went, the gate moved), only while the rule is at `rule`.
    async fn put_route(
        &self,
        cluster: &ClusterUid,
        route: &Route,
        rule: Revision,
    ) -> Result<Revision, TopologyError>;

    /// Writes what a member says of itself.
    async fn put_member(
        &self,
        cluster: &ClusterUid,
        record: &MemberRecord,
    ) -> Result<Revision, TopologyError>;

    /// Removes what a member that left said of itself. Absent is success.
    async fn remove_member(&self, cluster: &ClusterUid, member: &MemberId) -> Result<(), TopologyError>;

    /// Removes every record of a cluster that is gone. Absent is success.
    async fn remove_cluster(&self, cluster: &ClusterUid, name: &ClusterRef) -> Result<(), TopologyError>;

    /// Watches a scope for ever. See [`Watch`].
    fn watch(&self, scope: Scope) -> Watch;
}
