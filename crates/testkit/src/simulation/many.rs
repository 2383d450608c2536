//! Many runs at once, one thread for each core, and what came of them together.

use super::counts::Counts;
use super::facts::Violation;
use super::options::Options;
use super::run::{Report, run};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Broken promises after which no further seed is begun.
const ENOUGH: usize = 20;

/// What came of many runs.
#[derive(Debug, Default)]
pub struct Campaign {
    /// What happened in all of them.
    pub counts: Counts,
    /// The seeds in which a promise was broken, lowest first.
    pub broken: Vec<(u64, Violation)>,
}

/// Runs all these seeds.
pub fn many(seeds: Range<u64>, options: Options) -> Campaign {
    each(seeds, |seed| run(seed, options))
}

/// The first of these seeds in which a promise is broken: what a flaw is found by.
pub fn first(seeds: Range<u64>, options: Options) -> Option<(u64, Violation)> {
    until(seeds, 1, |seed| run(seed, options)).broken.into_iter().next()
}

/// Runs something for each of these seeds.
pub fn each(seeds: Range<u64>, run: impl Fn(u64) -> Report + Sync) -> Campaign {
    until(seeds, ENOUGH, run)
}

/// Runs seeds until so many have broken a promise. Each one that was begun is run to its end, so that the lowest is always among them.
fn until(seeds: Range<u64>, enough: usize, run: impl Fn(u64) -> Report + Sync) -> Campaign {
    let next = AtomicU64::new(seeds.start);
    let campaign = Mutex::new(Campaign::default());
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let report = run(seed);
                    let mut all = campaign.lock().unwrap_or_else(PoisonError::into_inner);
                    all.counts.add(&report.counts);
                    all.broken.extend(report.violation.map(|violation| (seed, violation)));
                    if all.broken.len() >= enough {
                        next.fetch_max(seeds.end, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut campaign = campaign.into_inner().unwrap_or_else(PoisonError::into_inner);
    campaign.broken.sort_by_key(|(seed, _)| *seed);
    campaign
}
