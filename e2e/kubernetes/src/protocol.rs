//! What a client and the supervisor say to each other.
//!
//! One JSON object per line: while it comes up, the supervisor writes [`Event`]s to its stdout; afterwards a client
//! connects to its socket, sends one [`Request`] and reads one [`Reply`]. Both ends come from the same build, so
//! nothing here is versioned.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::faults::{Direction, Peer};

/// What the supervisor tells while it brings the cluster up.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Event {
    /// A step is done.
    Step {
        /// What was done.
        what: String,
        /// How long it took.
        millis: u64,
    },
    /// Everything runs.
    Ready(State),
    /// It could not be brought up; what had been started is gone.
    Failed(String),
}

/// What a client of a running cluster needs to know; also the content of its state file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    /// How many worker nodes there are.
    pub workers: u8,
    /// The relay to the API server.
    pub api: SocketAddr,
    /// The relay to the proxy's Service.
    pub proxy: SocketAddr,
}

/// The words with which the caller lets a cluster live on without it, written to the supervisor's stdin.
pub(crate) const DETACH: &str = "detach\n";

/// What a client asks for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Take a node's power away.
    PowerOff(u8),
    /// Boot a node and wait until it is Ready.
    PowerOn(u8),
    /// Boot a node and return at once.
    Boot(u8),
    /// Lose a node's packets.
    CutNode(u8, Direction),
    /// Heal a node and all its edges.
    HealNode(u8),
    /// Lose packets between two peers; the direction is seen from the first.
    CutEdge(Peer, Peer, Direction),
    /// Heal one edge.
    HealEdge(Peer, Peer),
    /// Give an image archive to all nodes.
    LoadImage(PathBuf),
    /// Open a relay to an address inside.
    Relay(SocketAddr),
    /// Run a command at a place inside and return what it wrote.
    Run(Peer, Vec<String>),
    /// Kill a process of the control plane and keep it down.
    StopComponent(String),
    /// Start it again.
    StartComponent(String),
    /// Tear everything down and end.
    Down,
}

/// What the supervisor answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// It is done.
    Done,
    /// The relay listens here.
    Relay(SocketAddr),
    /// The command has ended.
    Ran(Ran),
    /// It could not be done.
    Failed(String),
}

/// The end of a command that ran inside.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ran {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}
