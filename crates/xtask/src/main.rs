//! The project's own tasks: everything that `make` names, and what people do with the tree by hand.
//!
//! Logic lives here and not in make or shell, so that it is typed, tested and reads the same on every machine.

mod bench;
mod chaos;
mod demo;
mod generate;
mod install;
mod kube;
mod run;
mod simulate;
mod suite;
mod tidy;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

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
    /// Figures beside a StatefulSet, a direct connection and PgBouncer, in one run.
    Bench,
    /// The measurements alone, on the cluster that the environment names.
    #[command(hide = true)]
    BenchFigures,
    /// What clients see of crashes, lost nodes and switchovers, beside Patroni in the same run.
    BenchFailover(bench::failover::Arguments),
    /// The measurements alone, on the cluster that the environment names.
    #[command(hide = true)]
    BenchFailoverFigures(bench::failover::Arguments),
    /// Hurts a cluster at random while tenants use it, and holds what they were told against what is there.
    Chaos(chaos::Arguments),
    /// The campaign alone, on the cluster that the environment names.
    #[command(hide = true)]
    ChaosCampaign(chaos::Arguments),
    /// A cluster created, used, hurt and healed on a Kubernetes made for it.
    Demo,
    /// The demo's own part, on the cluster that the environment names.
    #[command(hide = true)]
    DemoStory,
    /// Makes the files that are made from the types: `crds/` and `docs/api.md`.
    Generate(generate::Arguments),
    /// Runs clusters in simulated time, each decided by its seed, and holds them against what is promised.
    Simulate(simulate::Arguments),
    /// The rules that no compiler knows: file heads, file sizes, who may import whom, who may have defects, words that do not belong here.
    Tidy,
    /// Brings up the local Kubernetes; it runs on until `down`.
    Up(kube::Up),
    /// Ends the local Kubernetes; nothing is left of it but its logs.
    Down(kube::Which),
    /// Prints what a shell needs to use it, for `eval`.
    Env(kube::Which),
    /// Power loss, boot and network cuts of a node.
    Node(kube::Node),
    /// Packs a root filesystem as an image, or takes an archive, and loads it on all nodes.
    Image(kube::Image),
}

fn main() -> ExitCode {
    match done(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without the stack, which would be all that is left to read where only the end of the output is kept.
            run::say(&format!("\nerror: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn done(task: Task) -> anyhow::Result<()> {
    match task {
        Task::Check => suite::check(),
        Task::Test => suite::test(),
        Task::Bench => bench::bench(),
        Task::BenchFigures => bench::figures(),
        Task::BenchFailover(arguments) => bench::failover::bench(arguments),
        Task::BenchFailoverFigures(arguments) => bench::failover::figures(arguments),
        Task::Chaos(arguments) => chaos::chaos(&arguments),
        Task::ChaosCampaign(arguments) => chaos::campaign(&arguments),
        Task::Demo => demo::demo(),
        Task::DemoStory => demo::story(),
        Task::Generate(arguments) => generate::run(&arguments),
        Task::Simulate(arguments) => simulate::run(&arguments),
        Task::Tidy => tidy::run(),
        Task::Up(arguments) => kube::up(arguments),
        Task::Down(which) => kube::down(&which),
        Task::Env(which) => kube::env(&which),
        Task::Node(arguments) => kube::node(&arguments),
        Task::Image(arguments) => kube::image(&arguments),
    }
}
