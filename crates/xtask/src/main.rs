//! The project's own tasks: everything that `make` names, and what people do with the tree by hand.
//!
//! Logic lives here and not in make or shell, so that it is typed, tested and reads the same on every machine.

mod run;
mod suite;
mod tidy;

use clap::{Parser, Subcommand};

/// The tasks of the Berth project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Everything that needs no cluster: format, lints, documentation, tidiness, generated files, unit and integration tests.
    Check,
    /// Every test: `check`, then the real Kubernetes with the end-to-end stories.
    Test,
    /// The rules that no compiler knows: file heads, file sizes, who may import whom, words that do not belong here.
    Tidy,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::Check => suite::check(),
        Task::Test => suite::test(),
        Task::Tidy => tidy::run(),
    }
}
