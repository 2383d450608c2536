//! What the operator asks of a cluster's members. Written by the operator alone; agents only read it.

use super::{AcceptLoss, Identity, Rebuild};
use crate::ids::{ClaimUid, ClusterRef, MemberId, Nonce};
use crate::term::Generation;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the operator asks of a cluster's members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub struct Intent {
    /// The cluster's namespace and name.
    pub cluster: ClusterRef,
    /// The generation of the `DatabaseCluster` that this came from; an older intent never replaces a newer one.
    pub generation: Generation,
    /// The members that belong to the cluster, each with the uid of its data claim. A member that is absent here is leaving:
    /// the primary takes it out of the voters, and the operator removes its pod only after that.
    pub members: BTreeMap<MemberId, ClaimUid>,
    /// How many members a commit must be on.
    pub durability: Durability,
    /// Which adapter runs the database.
    pub engine: EngineKind,
    /// Engine settings that the user chose, by the engine's own names.
    pub parameters: BTreeMap<String, String>,
    /// The database and the role that are made at bootstrap.
    pub access: Access,
    /// Who may initialise the cluster, once. Absent until the operator has noted it on the cluster and on the claim.
    pub grant: Option<BootstrapGrant>,
    /// While true, members go on as they are and begin nothing new.
    pub paused: bool,
    /// A planned switchover that somebody asked for. Done once: the rule keeps its nonce.
    #[serde(default)]
    pub switchover: Option<Switchover>,
    /// The loss that somebody accepts, for one term.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_loss: Option<AcceptLoss>,
    /// The rebuilding of a lost topology that somebody asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<Rebuild>,
}

/// A planned switchover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub struct Switchover {
    /// What tells this asking from any other.
    pub nonce: Nonce,
    /// Who is to be primary; anybody who holds all if absent.
    pub to: Option<MemberId>,
}

impl Intent {
    /// The identity of a member as this intent knows it.
    pub fn identity(&self, member: &MemberId) -> Option<Identity> {
        self.members.get(member).map(|claim| Identity { member: member.clone(), claim: claim.clone() })
    }
}

/// Which adapter runs the database. Only adapters and the API name an engine; everything else carries this along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub enum EngineKind {
    /// PostgreSQL.
    Postgres,
}

/// How many members a commit must be on before it is acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub struct Durability {
    /// Who must acknowledge.
    pub mode: DurabilityMode,
    /// In mode `Quorum`: the replicas that must have flushed a commit. 0 only with a single member.
    pub acks: u32,
    /// What happens when so many are not there.
    pub on_loss: OnLoss,
}

impl Durability {
    /// The acknowledgements that a cluster of `members` is asked to wait for.
    pub fn asked(&self, members: usize) -> u32 {
        let replicas = u32::try_from(members.saturating_sub(1)).unwrap_or(u32::MAX);
        match self.mode {
            DurabilityMode::Quorum => self.acks.min(replicas),
            DurabilityMode::All => replicas,
            DurabilityMode::Async => 0,
        }
    }
}

/// Who must acknowledge a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub enum DurabilityMode {
    /// Any `acks` of the voters.
    Quorum,
    /// Nobody but the primary: a failover may lose the last commits.
    Async,
    /// Every voter.
    All,
}

/// What happens when fewer voters are there than a commit must wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub enum OnLoss {
    /// Commits wait until the voters return: no loss, no writes.
    Block,
    /// The primary goes on alone, and the status says so.
    Degrade,
}

/// The database and the role that are made at bootstrap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub struct Access {
    /// The database for the application.
    pub database: String,
    /// The role that owns it.
    pub owner: String,
}

/// The right to initialise a cluster: used once, by one member on one claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub struct BootstrapGrant {
    /// Who may.
    pub to: Identity,
    /// What tells this grant from any other.
    pub nonce: Nonce,
}
