//! Running a test over many seeds, and one of them again.
//!
//! `BERTH_TEST_SEED=n` replays one seed; `BERTH_TEST_SEEDS=n` runs so many instead of the test's own number.

use std::ops::Range;

/// Replays this one seed.
const ONE: &str = "BERTH_TEST_SEED";
/// Runs so many seeds.
const HOW_MANY: &str = "BERTH_TEST_SEEDS";

/// Runs the test for each seed, from 0; a panic is followed by how to repeat it.
pub fn for_seeds(count: u64, test: impl Fn(u64)) {
    for seed in range(count) {
        let told = Told(seed);
        test(seed);
        drop(told);
    }
}

/// The seeds to run: so many from 0, unless the environment says otherwise.
pub fn range(count: u64) -> Range<u64> {
    let (first, count) = match variable(ONE) {
        Some(seed) => (seed, 1),
        None => (0, variable(HOW_MANY).unwrap_or(count)),
    };
    first..first.saturating_add(count)
}

/// Tells the seed when a panic passes it.
struct Told(u64);

impl Drop for Told {
    #[expect(clippy::print_stderr, reason = "this is for whoever reads the test's output")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {seed} failed; repeat it with {ONE}={seed}", seed = self.0);
        }
    }
}

/// A number in the environment. What is not a number must not pass for "not set".
#[expect(clippy::disallowed_methods, clippy::panic, reason = "tests have no command line of their own")]
fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(error) => panic!("{name}={text:?} is not a number: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn each_seed_is_run_once_in_order() {
        let seen = RefCell::new(Vec::new());
        for_seeds(4, |seed| seen.borrow_mut().push(seed));
        let seen = seen.into_inner();
        assert!(!seen.is_empty());
        assert!(seen.windows(2).all(|pair| pair[1] == pair[0] + 1));
    }

    #[test]
    fn a_failing_seed_fails_the_test() {
        let failing =
            std::panic::catch_unwind(|| for_seeds(3, |seed| assert!(seed > 1_000_000_000, "too small")));
        assert!(failing.is_err());
    }
}
