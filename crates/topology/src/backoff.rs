//! How long to wait between attempts: doubling, with a share of chance so that thousands of clients of a store that comes back
//! do not all knock at once.

use std::time::Duration;

/// The first wait. An etcd that lost its leader has another within about a second.
const FIRST: Duration = Duration::from_millis(50);
/// The longest wait: what an outage's end is noticed late by, at most.
const LONGEST: Duration = Duration::from_secs(3);

/// A growing wait.
pub(crate) struct Backoff {
    failures: u32,
    random: u64,
}

impl Backoff {
    /// Waits that depend on the seed alone.
    pub(crate) fn new(seed: u64) -> Self {
        // The generator below stands still at 0.
        Self { failures: 0, random: seed | 1 }
    }

    /// Begins anew after a success.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next wait: nothing for the first failure, then between half and all of a doubling bound.
    pub(crate) fn next(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let Some(doublings) = self.failures.checked_sub(2) else { return Duration::ZERO };
        let bound = FIRST.saturating_mul(2_u32.saturating_pow(doublings.min(16))).min(LONGEST);
        // xorshift64: chance enough to spread clients, no secret.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let share = u32::try_from(self.random % 1000).unwrap_or(0);
        bound / 2 + bound / 2 * share / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew() {
        let mut backoff = Backoff::new(7);
        assert_eq!(backoff.next(), Duration::ZERO);
        let waits: Vec<_> = (0..20).map(|_| backoff.next()).collect();
        assert!(waits[0] >= FIRST / 2 && waits[0] <= FIRST);
        assert!(waits[5] > waits[0]);
        assert!(waits.iter().all(|wait| *wait <= LONGEST));
        assert!(waits[19] >= LONGEST / 2);
        backoff.reset();
        assert_eq!(backoff.next(), Duration::ZERO);
    }

    #[test]
    fn seeds_differ_and_repeat() {
        let waits = |seed| {
            let mut backoff = Backoff::new(seed);
            (0..9).map(|_| backoff.next()).collect::<Vec<_>>()
        };
        assert_eq!(waits(3), waits(3));
        assert_ne!(waits(3), waits(5));
    }
}
