//! Looks for each deliberate defect in the simulation, and prints by what and how soon it was found.
//!
//! `defects [SEEDS [WORD [story]]]`: in so many seeds each, if not in as many as are stated for it; those alone whose name has the word in it; with
//! the story of the seed in which each was found.
//! `cargo xtask simulate --defects` is the same.

use berth_testkit::simulation::{Mutant, Options, control, run};
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> io::Result<ExitCode> {
    let mut words = std::env::args().skip(1);
    let seeds: Option<u64> = words.next().and_then(|word| word.parse().ok());
    let word = words.next().unwrap_or_default();
    let story = words.next().is_some();
    let mut out = io::stdout().lock();
    let (mut most, mut missed) = (0, 0);
    writeln!(out, "| defect | promise | seeds | what was found |\n|---|---|---|---|")?;
    for mutant in Mutant::ALL.iter().filter(|mutant| mutant.name.contains(&word)) {
        let within = seeds.unwrap_or(mutant.within);
        if let Some(found) = mutant.find(within) {
            most = most.max(found.seeds());
            writeln!(out, "| {mutant} | {found} |")?;
            if story {
                let options = Options { trace: true, ..mutant.options() };
                writeln!(out, "{}", run(found.seed, options).story.join("\n"))?;
            }
        } else {
            missed += 1;
            writeln!(out, "| {mutant} | none | {within} | nothing |")?;
        }
        out.flush()?;
    }
    let broken = control(most);
    writeln!(out, "\nWithout a defect {} of the same {most} seeds break a promise.", broken.len())?;
    Ok(if missed == 0 && broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
