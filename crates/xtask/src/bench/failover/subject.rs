//! What is measured: a cluster of three databases that can be hurt, and tells when it is whole again.

use anyhow::Result;
use std::fmt;
use tokio_postgres::Config;

/// What happens to the primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Blow {
    /// The server's first process is killed.
    Process,
    /// All of its container is killed: the server and whoever looks after it.
    Container,
    /// Its node falls silent.
    Node,
    /// It is asked to hand over.
    Switchover,
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "crash: the server's process is killed",
            Self::Container => "crash: the container is killed",
            Self::Node => "the node falls silent",
            Self::Switchover => "planned switchover",
        })
    }
}

/// A cluster of three.
pub(super) trait Subject {
    /// As the table calls it.
    fn name(&self) -> String;

    /// How clients connect.
    fn config(&self) -> Result<Config>;

    /// What it can be hurt with.
    fn blows(&self) -> &[Blow];

    /// Everything that must be so before the blow and costs time.
    fn prepare(&mut self, blow: Blow) -> Result<()>;

    /// Strikes.
    fn strike(&mut self, blow: Blow) -> Result<()>;

    /// Gives back what the blow took and does not come back by itself.
    fn mend(&mut self, blow: Blow) -> Result<()>;

    /// Whether there are a primary and two replicas that follow it.
    fn whole(&mut self) -> Result<bool>;
}
