//! The clocks, read here and nowhere else: everything that decides takes time as an argument.
//!
//! Leases are counted with [`since_boot`], which goes on while the machine sleeps and is never set. [`wall`] is for people
//! and for Kubernetes objects only; nothing may be decided by it.

use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, SystemTime};

/// The time since the machine booted (`CLOCK_BOOTTIME`), the time it slept included. Comparable between processes of one machine.
pub fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanoseconds = u32::try_from(now.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanoseconds)
}

/// The time of day.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_runs_and_does_not_go_back() {
        let first = since_boot();
        let later = loop {
            let now = since_boot();
            assert!(now >= first);
            if now > first {
                break now;
            }
        };
        assert!(later > Duration::ZERO);
        assert!(wall() > SystemTime::UNIX_EPOCH);
    }
}
