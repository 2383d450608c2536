//! One search by hand: `cargo run --package berth-model --example search -- lasts=1500,rows=1,kills=1 [DEFECT]`.
//!
//! With the feature `defects`, a defect's name in the code (`NoBarrier`) takes that rule out.

#![expect(clippy::print_stdout, reason = "it tells whoever runs it what it found")]

use berth_core::election::Defects;
use berth_model::{Bounds, Cluster, Lacks};
use std::process::ExitCode;
use std::time::Instant;

fn main() -> Result<ExitCode, String> {
    let mut words = std::env::args().skip(1);
    let bounds: Bounds = words.next().ok_or("say the bounds")?.parse()?;
    let defects = words.next().map_or(Ok(Defects::default()), |name| defect(&name))?;
    let lacks = Lacks { defects, terms_in_names: words.next().is_some() };
    let start = Instant::now();
    let search = Cluster::serving(3, 1, bounds, lacks).search();
    println!("{bounds}: {search}, {:.1} s, goes on: {}", start.elapsed().as_secs_f64(), search.goes_on);
    let Some((how, path)) = search.broken else { return Ok(ExitCode::SUCCESS) };
    for step in path {
        println!("  {step:?}");
    }
    println!("{how}");
    Ok(ExitCode::FAILURE)
}

#[cfg(feature = "defects")]
fn defect(name: &str) -> Result<Defects, String> {
    use berth_core::election::Defect;
    let found = Defect::ALL.into_iter().find(|defect| format!("{defect:?}") == name);
    found.map(|defect| Defects::of(&[defect])).ok_or_else(|| format!("there is no defect {name:?}"))
}

#[cfg(not(feature = "defects"))]
fn defect(name: &str) -> Result<Defects, String> {
    Err(format!("{name:?}: build with the feature `defects` to take a rule out"))
}
