//! The operator's own request limiter: so many calls a second on average, with a burst for a cluster that is being made.
//!
//! The API server's own fairness protects the API server; this one protects everybody who shares our share of it, and keeps a
//! reconcile loop gone wrong from being noticed by others first.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A pace that all calls of this process share.
#[derive(Debug, Clone)]
pub(crate) struct Limiter {
    interval: Duration,
    burst: Duration,
    /// When the bucket would be full again: each call moves it on by one interval.
    full_at: Arc<Mutex<Instant>>,
}

impl Limiter {
    /// At most `per_second` calls a second in the long run, and `burst` at once after a rest.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, burst: interval * burst.max(1), full_at: Arc::new(Mutex::new(Instant::now())) }
    }

    /// Waits for this call's turn.
    ///
    /// # Cancel safety
    /// A caller that gives up has used its turn.
    pub(crate) async fn wait(&self) {
        let turn = {
            let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            *full_at = (*full_at).max(now) + self.interval;
            full_at.checked_sub(self.burst).filter(|turn| *turn > now)
        };
        if let Some(turn) = turn {
            tokio::time::sleep_until(turn).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_rest_at_the_pace() {
        let limiter = Limiter::new(10, 5);
        let start = Instant::now();
        for _ in 0..5 {
            limiter.wait().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..10 {
            limiter.wait().await;
        }
        assert_eq!(start.elapsed().as_millis(), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_earns_no_more_than_the_burst() {
        let limiter = Limiter::new(10, 2);
        tokio::time::advance(Duration::from_hours(1)).await;
        let start = Instant::now();
        for _ in 0..3 {
            limiter.wait().await;
        }
        assert_eq!(start.elapsed().as_millis(), 100);
    }
}
