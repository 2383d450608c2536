//! Runs seeds of the simulation, which is a program of the test kit's own: it is built quick, and this one need not be built with it.

use crate::run;
use anyhow::Result;

/// Which seeds.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many from there on.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Tell the story of the first one, line by line.
    #[arg(long)]
    trace: bool,
}

/// Runs them, and fails if a promise was broken.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { seed, seeds, trace } = arguments;
    let (seed, seeds) = (seed.to_string(), seeds.to_string());
    let mut words =
        vec!["run", "--quiet", "--package", "berth-testkit", "--example", "simulate", "--", &seed, &seeds];
    words.extend(trace.then_some("story"));
    run::shown(run::cargo(&words))
}

/// A campaign: enough that what goes wrong once in a thousand runs is found.
pub(crate) fn campaign() -> Result<()> {
    run(&Arguments { seed: 0, seeds: 10_000, trace: false })
}
