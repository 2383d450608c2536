//! What Berth asks of a database.

use async_trait::async_trait;
use berth_core::topology::{Access, Identity};
use berth_core::{LogPosition, MemberId, Term, Timeline};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;

/// What lies on the data volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Volume {
    /// No database. An unfinished one (its temporary folder) counts as none and is cleared before the next try.
    Empty,
    /// A database.
    Present {
        /// The engine's identity of the data.
        system: String,
        /// The newest timeline in its control data.
        timeline: Timeline,
    },
}

/// Another member, as a source to copy or to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Whom its certificate must name.
    pub member: MemberId,
    /// `address:port` of its database.
    pub address: String,
    /// The term in which it is followed; the follower's own name in the engine carries it.
    pub term: Term,
}

/// Settings of one start or reload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// What the user chose, by the engine's own names.
    pub parameters: BTreeMap<String, String>,
    /// The members of the cluster, for which the engine keeps the log that they still need.
    pub members: BTreeSet<MemberId>,
    /// The term that the server belongs to; clients read it back (`SHOW berth.term`).
    pub term: Term,
}

/// How the server starts. There is no read-write start: a primary is a standby that was promoted on the topology's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Boot {
    /// Recovers what is on the volume and waits there.
    Alone,
    /// Recovers, and follows the peer.
    Following(Peer),
}

/// What the warden executes to run the server in the foreground.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its environment, in addition to the warden's own.
    pub environment: BTreeMap<String, String>,
    /// The signal number that stops it fast: no new work, open transactions rolled back, a clean end on disk.
    pub fast_stop: i32,
}

/// The set of standbys that a commit waits for, as the engine's setting.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalStatus {
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// The timeline that it is on.
    pub timeline: Timeline,
    /// Primary: end of the flushed log. Standby: the furthest that it holds, received or replayed.
    pub position: LogPosition,
    /// Standby: whether its receiver is connected and streaming.
    pub receiving: bool,
    /// Standby: how far it is behind what its source last told, in bytes; absent while unknown.
    pub behind: Option<u64>,
    /// Primary: the standbys that are connected.
    pub standbys: Vec<Standby>,
}

/// What came of applying settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SettingsOutcome {
    /// Settings that were accepted and wait for a restart.
    pub pending_restart: Vec<String>,
    /// Settings that the engine refused, each with its words; the others are in force.
    pub refused: BTreeMap<String, String>,
}

/// The row that proves a term inside the data itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermRow {
    /// The term.
    pub term: Term,
    /// Its voters.
    pub voters: BTreeSet<Identity>,
    /// Its acknowledgements.
    pub acks: u32,
}

/// Why the engine did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The server does not run or does not answer yet.
    #[error("the database does not answer: {0}")]
    NotAnswering(String),
    /// A step failed; what to do is in the text.
    #[error("{step} failed: {reason}")]
    Step {
        /// The step, as a noun phrase ("the base backup from orders-7k2qd").
        step: String,
        /// The engine's words.
        reason: String,
    },
    /// The volume is not what it should be. Never repaired by guessing.
    #[error("the data volume is not usable: {0}")]
    Volume(String),
}

impl EngineError {
    /// Whether the same call may succeed later by itself.
    pub fn retryable(&self) -> bool {
        match self {
            Self::NotAnswering(_) | Self::Step { .. } => true,
            Self::Volume(_) => false,
        }
    }
}

/// A database engine on one member. Every method is idempotent and safe to repeat after a crash at any point of it.
///
/// The server process itself is started and reaped by the warden from [`Engine::server`]; the adapter prepares its files and speaks to it.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Reads what lies on the volume, without starting anything.
    async fn inspect(&self) -> Result<Volume, EngineError>;

    /// Makes a new database in a temporary folder and renames it into place: afterwards the volume is `Present`.
    async fn initialize(&self) -> Result<(), EngineError>;

    /// Copies the peer's data in a temporary folder and renames it into place. The volume must be `Empty`.
    async fn clone_from(&self, peer: &Peer) -> Result<(), EngineError>;

    /// Writes all that the server reads at its start, with the gate shut and the quorum as given, and returns how to run it.
    async fn server(
        &self,
        boot: &Boot,
        settings: &Settings,
        quorum: &Quorum,
    ) -> Result<ServerCommand, EngineError>;

    /// Removes what a server that is known to be dead left behind (its pid file). The caller holds the volume's lock.
    async fn clear_remains(&self) -> Result<(), EngineError>;

    /// Asks the running server about itself.
    async fn status(&self) -> Result<LocalStatus, EngineError>;

    /// Points a running standby at a peer, or at nobody; durable on disk before it takes effect.
    async fn follow(&self, peer: Option<&Peer>) -> Result<(), EngineError>;

    /// Ends recovery onto exactly `timeline`; any other result is an error, and the caller fences.
    async fn promote(&self, timeline: Timeline) -> Result<(), EngineError>;

    /// Puts the quorum in force and returns once every connected walsender and new commit sees it.
    async fn set_quorum(&self, quorum: &Quorum) -> Result<(), EngineError>;

    /// Writes the term's row without waiting for a quorum; returns the position that voters must have flushed for it to count.
    async fn write_term(&self, row: &TermRow) -> Result<LogPosition, EngineError>;

    /// The newest term row in the data, if there is one.
    async fn read_term(&self) -> Result<Option<TermRow>, EngineError>;

    /// Makes and keeps what the cluster needs inside the database: Berth's own roles, the owner with its verifier, the
    /// database, the members' slots. Primary only; does not wait for a quorum.
    async fn ensure_access(
        &self,
        access: &Access,
        verifier: &str,
        members: &BTreeSet<MemberId>,
    ) -> Result<(), EngineError>;

    /// Lets tenants in.
    async fn open_gate(&self) -> Result<(), EngineError>;

    /// Keeps tenants out: new connections are refused and those that are there are ended.
    async fn close_gate(&self) -> Result<(), EngineError>;

    /// Applies settings to the running server as far as a reload can.
    async fn apply(&self, settings: &Settings) -> Result<SettingsOutcome, EngineError>;
}
