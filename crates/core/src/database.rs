//! A database as decisions see it: what is on a volume, how a server starts, whom its commits wait for, what it says of itself.
//!
//! Plain values that no engine's name appears in. How an engine does any of it is the `berth-engine` crate's business; it uses the same
//! types, so that nothing is translated between what was decided and what is done.

use crate::disk::Space;
use crate::topology::Identity;
use crate::{LogPosition, MemberId, Term, Timeline};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What lies on the data volume.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Volume {
    /// No database. An unfinished one (its temporary folder) counts as none and is cleared before the next try.
    Empty,
    /// A database.
    Present {
        /// The engine's identity of the data.
        system: String,
        /// The newest timeline in its control data.
        timeline: Timeline,
        /// If it was stopped in order as a primary: where its last record, the shutdown checkpoint, begins.
        closed: Option<LogPosition>,
        /// Whether a rewind of it was begun: until a server has started on it that follows, it is no database and holds nothing.
        torn: bool,
    },
}

/// Where a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogEnd {
    /// The timeline that the last of it is on. Exact, because a timeline's number names the term.
    pub timeline: Timeline,
    /// The place behind its last byte.
    pub position: LogPosition,
}

/// Another member, as a source to copy or to follow.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Whom its certificate must name.
    pub member: MemberId,
    /// `address:port` of its database.
    pub address: String,
    /// The term in which it is followed; the follower's own name in the engine carries it.
    pub term: Term,
}

/// Settings of one start or reload.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Settings {
    /// What the user chose, by the engine's own names.
    pub parameters: BTreeMap<String, String>,
    /// The members of the cluster, for which the engine keeps the log that they still need.
    pub members: BTreeSet<MemberId>,
    /// The term that the server belongs to; clients read it back (`SHOW berth.term`).
    pub term: Term,
    /// Whether the data volume has room: without, sessions are read-only until they say otherwise.
    pub space: Space,
}

/// How the server starts. There is no read-write start: a primary is a standby that was promoted on the topology's word.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Boot {
    /// Recovers what is on the volume and waits there.
    Alone,
    /// Recovers, and follows the peer.
    Following(Peer),
}

/// The set of standbys that a commit waits for, as the engine's setting.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Quorum {
    /// Nobody was granted yet: a commit that asks for synchrony waits for ever.
    Nobody,
    /// `acks` of the named members under their names of `term`.
    Any {
        /// How many must flush. At least 1.
        acks: u32,
        /// Which members may.
        members: BTreeSet<MemberId>,
        /// The term that their names carry.
        term: Term,
    },
    /// Nobody is waited for: a cluster of one, mode Async, or Degraded.
    None,
}

/// A standby as the primary sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Standby {
    /// Which member, and under which term's name.
    pub member: MemberId,
    /// The term in its name.
    pub term: Term,
    /// Whether it streams (not: copies, or catches up from far behind).
    pub streaming: bool,
    /// How far it has flushed.
    pub flushed: LogPosition,
    /// Whether the engine counts it for the quorum in force.
    pub counted: bool,
}

/// What a running server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LocalStatus {
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// The timeline that it is on. A standby that receives nothing may say one too old: that of its last restart point.
    pub timeline: Timeline,
    /// Primary: end of the flushed log. Standby: the furthest that it holds, received or replayed.
    pub position: LogPosition,
    /// Standby: whether its receiver is connected and streaming.
    pub receiving: bool,
    /// Standby: how far it is behind what its source last told, in bytes; absent while unknown.
    pub behind: Option<u64>,
    /// Primary: the standbys that are connected.
    pub standbys: Vec<Standby>,
    /// Primary: how many tenants' sessions are in a transaction.
    pub transactions: u32,
}

/// What came of applying settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct SettingsOutcome {
    /// Settings that were accepted and wait for a restart.
    pub pending_restart: Vec<String>,
    /// Settings that the engine refused, each with its words; the others are in force.
    pub refused: BTreeMap<String, String>,
}

/// The row that proves a term inside the data itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TermRow {
    /// The term.
    pub term: Term,
    /// Its voters.
    pub voters: BTreeSet<Identity>,
    /// Its acknowledgements.
    pub acks: u32,
}
