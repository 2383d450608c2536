//! What others see of the loop: probes, metrics, the status page.

use super::{Clock, HEARTBEAT, Way};
use crate::metrics::Metrics;
use berth_core::election::{EffectKind, Message, Moment, Outcome, State, Summary};
use berth_service::{Check, Health};
use std::time::Duration;
use tokio::sync::watch;

/// A loop that has not decided anything for so long stands still. Six heartbeats: a machine under load is slow, not dead.
const STANDSTILL: Duration = HEARTBEAT.saturating_mul(6);

/// What others see of the loop.
#[derive(Clone)]
pub struct Outlook {
    decided: Check,
    alive: Check,
    role: Check,
    metrics: Metrics,
    summary: watch::Sender<Option<Summary>>,
    beat: watch::Sender<Moment>,
}

impl Outlook {
    /// The probes of this process, and these metrics.
    pub fn new(health: &Health, metrics: Metrics) -> Self {
        Self {
            decided: health.startup("first decision"),
            alive: health.liveness("decisions"),
            role: health.readiness("role"),
            metrics,
            summary: watch::Sender::new(None),
            beat: watch::Sender::new(Clock.now()),
        }
    }

    /// The summary, as it changes; none before the first decision.
    pub fn summary(&self) -> watch::Receiver<Option<Summary>> {
        self.summary.subscribe()
    }

    /// Shows what the member knows now.
    pub(super) fn show(&self, state: &State, now: Moment) {
        let summary = state.summary(now);
        self.decided.pass();
        self.beat.send_replace(now);
        self.role.set(if summary.ready {
            Ok(())
        } else {
            Err(summary.waiting.clone().unwrap_or_else(|| "it does not yet do what its role asks".to_owned()))
        });
        self.metrics.show(&summary);
        self.summary.send_replace(Some(summary));
    }

    pub(super) fn counted(&self, kind: EffectKind, outcome: &Outcome) {
        self.metrics.counted(kind, outcome);
    }

    pub(super) fn talked(&self, way: Way, message: &Message) {
        self.metrics.talked(way, message);
    }

    /// Watches over the loop's heartbeat for ever.
    pub async fn watch_over(self) {
        let mut beats = self.beat.subscribe();
        loop {
            let silent = Clock.now().since(*beats.borrow_and_update());
            self.alive.set(if silent < STANDSTILL {
                Ok(())
            } else {
                Err(format!("no decision for {} seconds", silent.as_secs()))
            });
            let _quiet = tokio::time::timeout(HEARTBEAT, beats.changed()).await;
            // One look a heartbeat is enough; a busy loop must not keep this one busy too.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}
