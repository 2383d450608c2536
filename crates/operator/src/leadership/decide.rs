//! What to do about the Lease: pure, so that every case is a line of a table.
//!
//! Other machines' clocks are not believed: a lease is over when it was *seen* unchanged for its whole duration by this process's own clock.

use std::time::Duration;
use tokio::time::Instant;

/// The Lease as this process knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Who holds it; none after a release.
    pub(super) holder: Option<String>,
    /// Its version.
    pub(super) resource_version: String,
    /// How long it holds.
    pub(super) lasts: Duration,
    /// When this version was first seen.
    pub(super) since: Instant,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// There is none: make it.
    Create,
    /// It is free, over, or ours: write it, if it is still this version.
    Take,
    /// Somebody else holds it.
    Wait,
}

/// Decides for `me`.
pub(super) fn decide(seen: Option<&Seen>, me: &str, now: Instant) -> Decision {
    match seen {
        None => Decision::Create,
        Some(Seen { holder: None, .. }) => Decision::Take,
        Some(Seen { holder: Some(holder), .. }) if holder == me => Decision::Take,
        Some(Seen { lasts, since, .. }) if now >= *since + *lasts => Decision::Take,
        Some(_) => Decision::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::none(None, Decision::Create)]
    #[case::released(Some((None, 0)), Decision::Take)]
    #[case::ours(Some((Some("me"), 0)), Decision::Take)]
    #[case::just_seen(Some((Some("other"), 0)), Decision::Wait)]
    #[case::nearly_over(Some((Some("other"), 14)), Decision::Wait)]
    #[case::over(Some((Some("other"), 15)), Decision::Take)]
    #[tokio::test(start_paused = true)]
    async fn who_may_take_it(#[case] lease: Option<(Option<&str>, u64)>, #[case] expect: Decision) {
        let since = Instant::now();
        let seen = lease.map(|(holder, _)| Seen {
            holder: holder.map(str::to_owned),
            resource_version: "1".to_owned(),
            lasts: Duration::from_secs(15),
            since,
        });
        let now = since + Duration::from_secs(lease.map_or(0, |(_, age)| age));
        assert_eq!(decide(seen.as_ref(), "me", now), expect);
    }
}
