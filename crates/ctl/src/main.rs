//! `berth`, the command line: what a cluster does, why it waits, a switchover, the acceptance of a loss, and a psql through the proxy. As `kubectl-berth` in the PATH it is `kubectl berth`.
//!
//! It reads the Kubernetes API with the rights of whoever calls it, and nothing else: it holds no credentials of etcd. All that it writes is the
//! request for a switchover and the acceptance of a loss, in a cluster's spec.

mod accept_loss;
mod api;
mod arguments;
mod explain;
mod failure;
mod output;
mod psql;
mod rebuild_topology;
mod say;
mod status;
mod switchover;
mod table;
mod target;
mod topology;
mod writes;

use arguments::{Arguments, Command};
use failure::Failure;
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::from_command_line();
    let done = match arguments.command {
        Command::Status(status) => status::run(&arguments.kubernetes, &status).await,
        Command::Explain(explain) => explain::run(&arguments.kubernetes, &explain).await,
        Command::Topology(topology) => topology::run(&arguments.kubernetes, &topology).await,
        Command::Switchover(switchover) => switchover::run(&arguments.kubernetes, &switchover).await,
        Command::RebuildTopology(rebuild) => rebuild_topology::run(&arguments.kubernetes, &rebuild).await,
        Command::AcceptLoss(loss) => accept_loss::run(&arguments.kubernetes, &loss).await,
        Command::Psql(psql) => psql::run(&arguments.kubernetes, &psql).await,
    };
    done.unwrap_or_else(|error| Failure::report(&error))
}
