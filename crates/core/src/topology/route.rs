//! Where clients of a cluster go: the only record that a proxy reads.

use super::Phase;
use crate::disk::Space;
use crate::ids::{ClusterRef, MemberId};
use crate::term::Term;
use serde::{Deserialize, Serialize};

/// Where clients of a cluster go. Always written in the same transaction as the rule it mirrors, or fenced by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub struct Route {
    /// The cluster as tenants name it.
    pub cluster: ClusterRef,
    /// The rule's term.
    pub term: Term,
    /// The rule's phase.
    pub phase: Phase,
    /// Whether the primary lets tenants in.
    pub admission: Admission,
    /// The primary. Present in Serving only.
    pub primary: Option<Endpoint>,
    /// Replicas that stream.
    pub replicas: Vec<Endpoint>,
    /// Whether the primary has room: while its volume is full it refuses what writes, unless a session insists.
    #[serde(default, skip_serializing_if = "Space::is_ample")]
    pub space: Space,
}

/// A member that can be connected to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Hash)]
pub struct Endpoint {
    /// Whom the certificate must name.
    pub member: MemberId,
    /// `address:port`.
    pub address: String,
}

/// Whether the primary lets tenants in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Admission {
    /// The gate is shut: proxies hold their clients.
    Closed,
    /// Reads and writes.
    ReadWrite,
}
