//! What a member says of itself. Written by its agent on change only, so that a cluster at rest writes nothing.

use super::Identity;
use crate::disk::Space;
use crate::term::Term;
use serde::{Deserialize, Serialize};

/// What a member says of itself: for the operator, for people, and for the primary that seeds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub struct MemberRecord {
    /// Who speaks, and on which claim.
    pub identity: Identity,
    /// The uid of the pod: tells this run of the agent from the one before.
    pub incarnation: String,
    /// `address:port` of the database, as proxies and replicas connect to it.
    pub address: String,
    /// `address:port` of the agent, as the other members' agents speak to it.
    #[serde(default)]
    pub peer: String,
    /// The agent's version.
    pub version: String,
    /// How often the database was started on this volume; lower than seen before means that the volume was rolled back.
    pub starts: u64,
    /// The term that the member follows; 0 before the first.
    pub term: Term,
    /// What it is doing.
    pub activity: Activity,
    /// Replicas: whether the log arrives in bounds.
    pub replication: Replication,
    /// What it waits for or failed at, for people; absent when all is well.
    pub trouble: Option<String>,
    /// Why the data on this claim can never follow the primary again, so that only a new copy helps; absent while it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beyond_repair: Option<String>,
    /// Whether its data volume has room.
    #[serde(default, skip_serializing_if = "Space::is_ample")]
    pub space: Space,
    /// Settings of the intent that wait for a restart.
    pub pending_restart: Vec<String>,
}

/// What a member is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Activity {
    /// The agent is up and awaits the topology's word.
    Waiting,
    /// It makes the database.
    Initializing,
    /// It copies the data from the primary.
    Cloning,
    /// The database starts or recovers.
    Starting,
    /// A standby follows the primary.
    Following,
    /// It is the primary.
    Primary,
    /// It shuts down.
    Stopping,
}

/// Whether a replica's log arrives. Coarse on purpose: exact lag would write to the topology at every step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Replication {
    /// Not a streaming replica.
    Detached,
    /// Streaming, within the lag bound.
    InBound,
    /// Streaming, further behind than the bound.
    Behind,
}
