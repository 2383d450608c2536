//! Runs the scenarios: this program is also the warden and the agent that they start, so it has a `main` of its own in place of
//! the usual one. A word on the command line chooses the scenarios whose names contain it.

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A scenario and its name.
pub(crate) type Scenario = (&'static str, fn());

/// How many run at a time. They mostly wait for processes.
const AT_A_TIME: usize = 4;

/// Runs those that the command line names, or all.
#[expect(clippy::print_stdout, reason = "this is the program's output, as of every test runner")]
pub(crate) fn run(scenarios: &[Scenario]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        for (name, _) in scenarios {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let words: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let chosen: Vec<&Scenario> = scenarios
        .iter()
        .filter(|(name, _)| words.is_empty() || words.iter().any(|word| name.contains(word.as_str())))
        .collect();
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((name, body)) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let ok = catch_unwind(body).is_ok();
                    println!("test {name} ... {}", if ok { "ok" } else { "FAILED" });
                    failed.fetch_add(usize::from(!ok), Ordering::Relaxed);
                }
            });
        }
    });
    let failed = failed.into_inner();
    println!("\ntest result: {} passed; {failed} failed\n", chosen.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The scenarios by their functions' names.
macro_rules! scenarios {
    ($($name:path),* $(,)?) => { &[$((stringify!($name), $name as fn())),*] };
}
pub(crate) use scenarios;
