//! `berth-agent`: PID 1 of a member's container, the agent below it, and how both get there.

use anyhow::Result;
use berth_agent::{AgentArguments, InstallArguments, install, run, warden};
use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs one member of a Berth database cluster.
#[derive(Parser)]
#[command(name = "berth-agent", version)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// The first process of a member's container: starts the agent and the database, reaps, fences.
    Warden(warden::WardenArguments),
    /// The member's mind. Started by the warden, not by hand.
    Agent(Box<AgentArguments>),
    /// Copies this program into a folder, for the database's container to run.
    Install(InstallArguments),
}

fn main() -> Result<()> {
    match Arguments::parse().role {
        Role::Warden(arguments) => Ok(warden::run(&arguments)?),
        Role::Agent(arguments) => run(&arguments),
        Role::Install(arguments) => install(&arguments),
    }
}
