//! What the agent and the warden say to each other, as one JSON object a line over a Unix socket pair.
//!
//! The warden hands the agent its end as stdin, so that no path, port or other process can speak on it. Both ends come from
//! one binary; [`PROTOCOL`] is there for the moment when a binary was replaced under a running warden.

use berth_engine::ServerCommand;
use serde::{Deserialize, Serialize};

/// The version of what follows. An agent that meets another one exits, and the pod has to be replaced.
pub const PROTOCOL: u32 = 2;

/// The longest line that either end accepts, in bytes. A start command with every path and variable is below 4 KiB.
pub const LONGEST_LINE: usize = 256 * 1024;

/// One run of the server under one warden. Counts from 1, so that a late word about an older run touches nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Run(pub u64);

/// What the agent asks of the warden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Start the server. Answered by [`Report::Started`] or [`Report::NotStarted`]; refused while one runs.
    Start(ServerCommand),
    /// End the server of this run. Answered by [`Report::Exited`] in its time; ignored if that run is over.
    Stop {
        /// The run that is meant.
        run: Run,
        /// How.
        how: Stop,
    },
    /// Kill every process of the container except warden and agent, at once. Answered by [`Report::Exited`] if a server ran
    /// and could be reaped (one that waits for a dead disk is reaped later), and then always by [`Report::Fenced`].
    Fence,
    /// The server that runs may run until this moment and not longer: when it passes, everything is killed as by [`Request::Fence`], with the
    /// same reports, whatever became of the agent. Replaces the moment given before; none lets it run on. Forgotten with the run, and
    /// ignored while none runs. Not answered.
    Lease {
        /// Milliseconds of the clock that counts from the machine's start and on while it sleeps (`CLOCK_BOOTTIME`).
        until_ms: Option<u64>,
    },
}

/// How a server is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// By the engine's fast stop: no new work, open transactions rolled back, a clean end on disk.
    Fast,
    /// By SIGKILL to its first process; whatever that leaves behind is killed too before `Exited` is said. Recovery follows at the next start.
    Kill,
}

/// What the warden tells the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// The first word to every agent, also to one that was restarted while the server went on.
    Hello {
        /// [`PROTOCOL`] of the warden.
        protocol: u32,
        /// The server that runs, if one does.
        server: Option<Running>,
        /// How the latest run before that ended, if this warden has seen one end.
        ended: Option<Ended>,
        /// How often this warden started an agent, this one included.
        agents: u64,
    },
    /// The server's process was started. It does not answer yet.
    Started(Running),
    /// It could not be started.
    NotStarted {
        /// Why, in words for people.
        reason: String,
    },
    /// The run is over: its first process was reaped, and no process that it left behind is alive.
    Exited(Ended),
    /// No process but warden and agent is alive, because that was asked or a lease passed (one that only waits for its disk with the kill pending counts as dead).
    Fenced,
    /// The container is to end. The agent stops the server in its own way and exits; after the time given the warden does it.
    Stopping {
        /// Milliseconds until the warden stops the server itself.
        patience_ms: u64,
    },
}

/// A server that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its run.
    pub run: Run,
    /// The pid of its first process, as seen in the container.
    pub pid: u32,
    /// For how long it has been running, in milliseconds of a clock that counts on while the machine sleeps.
    pub age_ms: u64,
}

/// A run that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The run.
    pub run: Run,
    /// What became of its first process.
    pub exit: Exit,
    /// Whether this warden killed it (a fence, a lease that passed, a stop by kill, or the container's end), so that the exit tells nothing of the server's health.
    pub killed: bool,
}

/// What became of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It exited with this status.
    Code(i32),
    /// It was killed by this signal.
    Signal(i32),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}
