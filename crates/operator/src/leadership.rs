//! One operator leads; the others wait. A Lease says who, and every effect asks whether this process still may.
//!
//! The lease is a help, not a proof: a process that was stopped for a while may believe in it for a moment. Therefore a tenure ends
//! by this process's own clock well before others may take over, and every effect carries a uid, a resource version or a
//! revision besides. [`decide`] is pure; [`campaign`] talks to the API.

mod campaign;
mod decide;

pub(crate) use campaign::Campaign;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a lease holds without renewal: what a crash of the leader costs at most. Etcd elections and API server restarts take
/// a few seconds, and must not cost a leader.
pub(crate) const LEASE: Duration = Duration::from_secs(15);
/// How often the leader renews, and how often the others look.
const RENEW_EVERY: Duration = Duration::from_secs(4);
/// How long after its last renewal a leader still acts. The rest of the lease is for calls in flight (at most 10 s are given to
/// one, but a call that was sent while leading carries its own preconditions) and for clocks that run differently.
const ACT_FOR: Duration = Duration::from_secs(10);

/// Whether this process may change anything. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Tenure {
    until: Arc<Mutex<Instant>>,
    lost: CancellationToken,
}

impl Tenure {
    /// A tenure that ends at `until` unless it is extended.
    pub(crate) fn new(until: Instant) -> Self {
        Self { until: Arc::new(Mutex::new(until)), lost: CancellationToken::new() }
    }

    /// Whether this process leads now.
    pub(crate) fn holds(&self) -> bool {
        !self.lost.is_cancelled() && Instant::now() < self.until()
    }

    /// Moves the end on. A tenure that was lost stays lost.
    fn extend(&self, until: Instant) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// Ends it now, for good.
    fn lose(&self) {
        self.lost.cancel();
    }

    /// Waits until it is lost.
    pub(crate) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    fn until(&self) -> Instant {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_tenure_ends_by_the_own_clock_and_never_comes_back_once_lost() {
        let tenure = Tenure::new(Instant::now() + ACT_FOR);
        assert!(tenure.holds());
        tokio::time::advance(ACT_FOR).await;
        assert!(!tenure.holds());
        tenure.extend(Instant::now() + ACT_FOR);
        assert!(tenure.holds());
        tenure.lose();
        tenure.extend(Instant::now() + ACT_FOR);
        assert!(!tenure.holds());
    }

    #[test]
    fn a_leader_stops_before_another_may_begin() {
        assert!(ACT_FOR < LEASE);
        assert!(RENEW_EVERY * 2 < ACT_FOR, "one lost renewal must not cost the lease");
    }
}
