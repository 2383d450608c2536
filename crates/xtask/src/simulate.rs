//! Runs seeds of the simulation, which is a program of the test kit's own: it is built quick, and this one need not be built with it.

use crate::run;
use anyhow::Result;

const PACKAGE: &str = "berth-testkit";
/// The model checker, which has a gate of its own.
const MODEL: &str = "berth-model";
/// The feature, the program and the test of the deliberate defects.
const DEFECTS: &str = "defects";

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
    /// Take one rule after another out of the decisions, and show what is broken then, and how soon.
    #[arg(long, conflicts_with_all = ["seed", "seeds", "trace"])]
    defects: bool,
}

/// Runs them, and fails if a promise was broken.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { seed, seeds, trace, defects } = arguments;
    if *defects {
        return table();
    }
    let (seed, seeds) = (seed.to_string(), seeds.to_string());
    let mut words =
        vec!["run", "--quiet", "--package", PACKAGE, "--example", "simulate", "--", &seed, &seeds];
    words.extend(trace.then_some("story"));
    run::shown(run::cargo(&words))
}

/// The defects and what found each. Fails if one was not found.
fn table() -> Result<()> {
    run::shown(run::cargo(&[
        "run",
        "--quiet",
        "--package",
        PACKAGE,
        "--features",
        DEFECTS,
        "--example",
        DEFECTS,
    ]))
}

/// The mutation gates: a search that would not find what is there proves nothing.
pub(crate) fn gate() -> Result<()> {
    [PACKAGE, MODEL].into_iter().try_for_each(|package| {
        run::shown(run::cargo(&[
            "test",
            "--locked",
            "--package",
            package,
            "--features",
            DEFECTS,
            "--test",
            DEFECTS,
            "--",
            "--nocapture",
        ]))
    })
}

/// A campaign: enough that what goes wrong once in a thousand runs is found.
pub(crate) fn campaign() -> Result<()> {
    run(&Arguments { seed: 0, seeds: 10_000, trace: false, defects: false })
}
