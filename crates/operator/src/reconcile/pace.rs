//! When to look at a cluster again: at a change, and where no watch would tell of one, after a while.

use crate::operator::Memory;
use berth_core::plan::{Awaited, Observed, Report};
use jiff::Timestamp;
use kube::runtime::controller::Action;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The first wait after a failure. Most are conflicts and restarts of something, over within a second.
const FIRST: Duration = Duration::from_millis(250);
/// The longest: what somebody waits at most after removing the cause.
const LONGEST: Duration = Duration::from_secs(30);
/// How often something is looked at that no watch tells of, such as a Secret that somebody is to make.
const UNWATCHED: Duration = Duration::from_secs(5);
/// The longest wait for a date, well within what the scheduler of the controller can hold.
const FAR: Duration = Duration::from_hours(20 * 24);

/// The wait after so many failures in a row, between half of it and all of it, by chance.
pub(super) fn retry(failures: u32) -> Action {
    Action::requeue(spread(backoff(failures), RandomState::new().hash_one(failures)))
}

/// When to look again after a reconcile.
pub(super) fn next(report: &Report, observed: &Observed, memory: &mut Memory, failed: bool) -> Action {
    if failed {
        memory.failures = memory.failures.saturating_add(1);
        return retry(memory.failures);
    }
    memory.failures = 0;
    let unwatched = report.waiting.iter().any(|waiting| {
        matches!(waiting.on, Awaited::OwnerSecret { .. } | Awaited::Volume { .. } | Awaited::Admission { .. })
    });
    if unwatched || waits_for_volume(observed) || waits_for_rebuild(observed) {
        return Action::requeue(UNWATCHED);
    }
    match memory.secrets.as_ref().and_then(|seen| seen.renew_at) {
        Some(due) => {
            let left = Timestamp::now().duration_until(due);
            Action::requeue(Duration::try_from(left).unwrap_or_default().clamp(UNWATCHED, FAR))
        }
        None => Action::await_change(),
    }
}

/// Whether a pod waits for a volume: why it does is asked after a while, and no watch tells when.
fn waits_for_volume(observed: &Observed) -> bool {
    observed.claims.values().any(|claim| {
        claim.volume.is_none()
            && claim.member.as_ref().is_some_and(|member| observed.pods.contains_key(member.as_str()))
    })
}

/// Whether a member is beyond repair: its replacement may have to wait for a while after the one before.
fn waits_for_rebuild(observed: &Observed) -> bool {
    observed.known().is_some_and(|known| known.members.values().any(|member| member.beyond_repair.is_some()))
}

fn backoff(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST)
}

/// Between half and all of a wait.
fn spread(wait: Duration, chance: u64) -> Duration {
    let half = wait / 2;
    // Two numbers below 2^10 multiply without loss.
    half + half.saturating_mul(u32::try_from(chance % 1024).unwrap_or(0)) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        assert_eq!(backoff(1), FIRST);
        assert_eq!(backoff(2), FIRST * 2);
        assert_eq!(backoff(100), LONGEST);
        assert!(backoff(8) <= LONGEST);
    }

    #[test]
    fn chance_spreads_a_wait_within_its_upper_half() {
        let wait = Duration::from_secs(8);
        assert_eq!(spread(wait, 0), wait / 2);
        assert!(spread(wait, 1023) < wait);
        assert_ne!(spread(wait, 1), spread(wait, 700));
    }
}
