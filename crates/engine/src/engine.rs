//! What Berth asks of a database.
//!
//! The values that decisions are made of (volumes, quorums, statuses) are `berth_core::database`, because the pure core decides over
//! them; what stands here is the doing.

use crate::logs::LogDialect;
use async_trait::async_trait;
use berth_core::topology::Access;
use berth_core::{LogPosition, MemberId, Timeline};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub use berth_core::database::{
    Boot, LocalStatus, LogEnd, Peer, Quorum, Settings, SettingsOutcome, Standby, TermRow, Volume,
};

/// What the warden executes to run the server in the foreground.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its environment, in addition to the warden's own.
    pub environment: BTreeMap<String, String>,
    /// The signal number that stops it fast: no new work, open transactions rolled back, a clean end on disk.
    pub fast_stop: i32,
    /// How its stderr reads.
    pub log: LogDialect,
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

    /// Writes all that the server reads at its start, with the gate shut and the quorum as given, and returns how to run it. Ends a
    /// rewind first that was broken off: nothing ever starts on half of one.
    async fn server(
        &self,
        boot: &Boot,
        settings: &Settings,
        quorum: &Quorum,
    ) -> Result<ServerCommand, EngineError>;

    /// Removes what a server that is known to be dead left behind (its pid file), and ends what an agent that was killed left at work. The
    /// caller holds the volume's lock.
    async fn clear_remains(&self) -> Result<(), EngineError>;

    /// Asks the running server about itself.
    async fn status(&self) -> Result<LocalStatus, EngineError>;

    /// Has the running standby receive nothing any more, durably on disk first, and replay all that it has. Returns where its log ends:
    /// with its last whole record, where a promotion would fork, on the timeline of that record. Sessions of tenants that hold replay up
    /// are ended.
    ///
    /// Gives up with an error after a few seconds rather than hang, and where only another start tells the end for certain: the caller then
    /// kills the server, and asks it after its next start.
    async fn detach(&self) -> Result<LogEnd, EngineError>;

    /// Takes from the data what the peer's history does not have, so that it can follow the peer; nothing, if there is nothing. The server
    /// must not run; the data of one that was killed is recovered first. The peer is a primary, promoted as lately as may be.
    ///
    /// From when it begins to write until a server on it answers [`Engine::status`], [`Engine::inspect`] says that the data is torn: cut back, it
    /// is whole only with what the peer's log goes on with. What is interrupted may be asked for again, with the same peer in the same term. With
    /// another it can never be ended, which is [`EngineError::Volume`]: the member needs a new copy on a new volume. What has come to its end may
    /// be asked for again with any peer, a few times.
    async fn rewind(&self, peer: &Peer) -> Result<(), EngineError>;

    /// Points a running standby at a peer, or at nobody; durable on disk before it takes effect.
    async fn follow(&self, peer: Option<&Peer>) -> Result<(), EngineError>;

    /// Ends recovery onto exactly `timeline`; any other result is an error, and the caller fences. Returns where the timeline
    /// begins: the position up to which its log is shared with the one before.
    async fn promote(&self, timeline: Timeline) -> Result<LogPosition, EngineError>;

    /// Lets these members follow the server, and no others: before its promotion, so that the first try of each succeeds.
    async fn welcome(&self, followers: &BTreeSet<MemberId>) -> Result<(), EngineError>;

    /// Puts the quorum in force and returns once every connected walsender and new commit sees it. On a standby it is in force from the
    /// first commit after its promotion on, and the server tells from now on that it is of the quorum's term.
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

    /// Writes what is dirty to disk while tenants work on, so that an orderly stop soon after it is quick. When `patience` has passed it goes
    /// on by itself, which is no error: much of it is done.
    async fn checkpoint(&self, patience: Duration) -> Result<(), EngineError>;

    /// Lets tenants in.
    async fn open_gate(&self) -> Result<(), EngineError>;

    /// Keeps tenants out: new connections are refused and those that are there are ended.
    async fn close_gate(&self) -> Result<(), EngineError>;

    /// Applies settings to the running server as far as a reload can.
    async fn apply(&self, settings: &Settings) -> Result<SettingsOutcome, EngineError>;
}
