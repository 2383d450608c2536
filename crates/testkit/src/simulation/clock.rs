//! Time: one true one that orders everything, and a clock on each machine that starts where it likes and runs at its own rate.

use berth_core::election::Moment;
use std::fmt;
use std::time::Duration;

/// A point in true time, in microseconds since the simulation began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Time(pub u64);

impl Time {
    /// So much later.
    #[must_use]
    pub(super) fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    /// How long before this `earlier` was; zero if it was not.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>4}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Parts per million.
const MILLION: u64 = 1_000_000;

/// The clock of one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Clock {
    /// The true time at which the machine started.
    started: Time,
    /// What it showed then, in microseconds.
    showed: u64,
    /// How much of its time passes in a true second, in microseconds.
    rate: u64,
}

impl Clock {
    /// A clock that shows `showed` at `started` and gains or loses so many parts per million.
    pub(super) fn new(started: Time, showed: Duration, drift: i64) -> Self {
        Self { started, showed: micros(showed), rate: MILLION.saturating_add_signed(drift) }
    }

    /// What it shows at a true time.
    pub(super) fn shows(&self, at: Time) -> Moment {
        let passed =
            u128::from(at.0.saturating_sub(self.started.0)) * u128::from(self.rate) / u128::from(MILLION);
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        Moment::at(Duration::from_micros(self.showed.saturating_add(passed)))
    }

    /// The first true time, not before `now`, at which it shows at least this.
    pub(super) fn reaches(&self, moment: Moment, now: Time) -> Time {
        let left = u128::from(micros(moment.since(self.shows(now))));
        if left == 0 {
            return now;
        }
        // One more microsecond, because what the clock shows is rounded down.
        let wait = left * u128::from(MILLION) / u128::from(self.rate) + 1;
        let mut at = Time(now.0.saturating_add(u64::try_from(wait).unwrap_or(u64::MAX)));
        while self.shows(at) < moment {
            at.0 += 1;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_goes_off_when_the_clock_shows_it_whatever_its_rate() {
        for drift in [-4_000, 0, 777, 4_000] {
            let clock = Clock::new(Time(500), Duration::from_hours(3), drift);
            let now = Time(7_000_000);
            let alarm = clock.shows(now).after(Duration::from_secs(3));
            let at = clock.reaches(alarm, now);
            assert!(clock.shows(at) >= alarm);
            assert!(clock.shows(Time(at.0 - 2)) < alarm, "not much later than it must");
            assert_eq!(clock.reaches(alarm, at), at);
        }
    }

    #[test]
    fn clocks_of_different_rates_part() {
        let (slow, quick) =
            (Clock::new(Time(0), Duration::ZERO, -4_000), Clock::new(Time(0), Duration::ZERO, 4_000));
        let at = Time(10_000_000);
        assert_eq!(quick.shows(at).since(slow.shows(at)), Duration::from_millis(80));
    }
}
