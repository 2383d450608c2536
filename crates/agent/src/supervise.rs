//! Starting and ending the server through whoever holds its process: the warden in a pod, a simulated one in tests.

mod warden;

pub use warden::{WardenLink, Word, connect};

use crate::warden::client::WardenError;
use async_trait::async_trait;
use berth_core::election::{Moment, Run};
use berth_engine::ServerCommand;

/// Why the server's process is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// The program could not be started.
    #[error("the database's program could not be started: {0}")]
    NotStarted(String),
    /// The warden cannot be spoken to; the agent ends with it.
    #[error("the warden cannot be spoken to")]
    Warden(#[from] WardenError),
}

/// Whoever holds the server's process.
#[async_trait]
pub trait Supervisor: Send + Sync + 'static {
    /// Starts the server; returns when its process exists.
    async fn start(&self, command: ServerCommand) -> Result<Run, SuperviseError>;

    /// Ends the server of this run, in order and, if that takes too long, by force; returns when nothing of it is alive.
    async fn stop(&self, run: Run) -> Result<(), SuperviseError>;

    /// Kills whatever could write, at once; returns when nothing of it is alive.
    async fn fence(&self) -> Result<(), SuperviseError>;

    /// Lets the server that runs run until this moment and not longer, or, with none, on. Never waits; forgotten with the run.
    fn lease(&self, until: Option<Moment>);
}
