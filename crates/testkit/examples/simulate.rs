//! Runs seeds of the simulation and prints what came of them, or the story of one.
//!
//! `simulate SEED SEEDS [story]`: so many seeds from this one on. `cargo xtask simulate` says the same in words of its own.

use berth_testkit::simulation::{Options, many, run};
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> io::Result<ExitCode> {
    let mut words = std::env::args().skip(1);
    let mut number = |otherwise| words.next().and_then(|word| word.parse().ok()).unwrap_or(otherwise);
    let (seed, seeds): (u64, u64) = (number(0), number(1));
    let story = words.next().is_some();
    let mut out = io::stdout().lock();
    if story {
        let report = run(seed, Options { trace: true, ..Options::default() });
        for line in &report.story {
            writeln!(out, "{line}")?;
        }
        return Ok(if report.violation.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    let campaign = many(seed..seed.saturating_add(seeds), Options::default());
    writeln!(out, "{}", campaign.counts)?;
    for (seed, violation) in &campaign.broken {
        writeln!(out, "seed {seed}: {:?} is broken: {}", violation.promise, violation.how)?;
    }
    Ok(if campaign.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
