//! Holding a client while there is no primary, up to a deadline.

use crate::backend::BackendError;
use crate::context::Context;
use crate::metrics::Metrics;
use crate::route::{Current, Entry, Holding, Target};
use crate::wire::{Report, SqlState};
use berth_service::Chain;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// The first pause after a failure: shorter than the quickest restart of a primary (170 ms).
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause: a client waits at most this much longer than it must.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A client that may have to wait.
pub(super) struct Hold {
    entry: Arc<Entry>,
    routes: watch::Receiver<Current>,
    until: Instant,
    limit: Duration,
    most: usize,
    pause: Duration,
    waits: Option<Waits>,
    last: Option<String>,
    metrics: Arc<Metrics>,
}

/// A place among those who wait, and its place in the figures.
struct Waits {
    _place: Holding,
    metrics: Arc<Metrics>,
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.metrics.holding.dec();
    }
}

/// The wait was in vain.
#[derive(Debug, thiserror::Error)]
pub(super) enum Held {
    /// No primary in time.
    #[error("no primary accepted connections within {limit:?}")]
    TooLong {
        /// How long was waited.
        limit: Duration,
        /// What was seen last.
        last: String,
    },
    /// Others wait already.
    #[error("{0} clients wait for a primary already")]
    TooMany(usize),
}

impl Held {
    /// What the client is told.
    pub(super) fn report(&self) -> Report {
        let report = Report::fatal(SqlState::CannotConnectNow, self.to_string());
        match self {
            Self::TooLong { last, .. } => {
                report.hint(format!("The cluster starts or fails over ({last}). Connect again in a moment."))
            }
            Self::TooMany(_) => report
                .hint("The cluster starts or fails over. Connect again in a moment, with fewer connections."),
        }
    }
}

impl Hold {
    /// A client of this cluster.
    pub(super) fn new(context: &Context, entry: Arc<Entry>) -> Self {
        let limit = context.settings.hold_limit;
        Self {
            routes: entry.subscribe(),
            entry,
            until: Instant::now() + limit,
            limit,
            most: context.settings.hold_most,
            pause: FIRST_PAUSE,
            waits: None,
            last: None,
            metrics: Arc::clone(&context.metrics),
        }
    }

    /// Where the primary is now, if there is one.
    pub(super) fn target_now(&mut self) -> Option<Target> {
        self.routes.mark_unchanged();
        self.entry.target()
    }

    /// Waits for a primary.
    pub(super) async fn target(&mut self) -> Result<Target, Held> {
        loop {
            if let Some(target) = self.target_now() {
                return Ok(target);
            }
            self.wait(None).await?;
        }
    }

    /// Waits a little, or for another route, after a primary could not be used.
    pub(super) async fn failed(&mut self, error: &BackendError) -> Result<(), Held> {
        self.metrics.backend_error(error.kind());
        let told = Chain(error).to_string();
        tracing::info!(error = told, "the primary cannot be used; holding the client");
        // What a client may read names no address: only the kind of failure.
        self.last = Some(format!("its primary could not be used: {:?}", error.kind()));
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        self.wait(Some(pause)).await
    }

    /// Waits for another route, for at most `pause` where that is given.
    async fn wait(&mut self, pause: Option<Duration>) -> Result<(), Held> {
        if self.waits.is_none() {
            let place = self.entry.hold(self.most).ok_or(Held::TooMany(self.most))?;
            self.metrics.held.inc();
            self.metrics.holding.inc();
            self.waits = Some(Waits { _place: place, metrics: Arc::clone(&self.metrics) });
        }
        let now = Instant::now();
        if now >= self.until {
            return Err(self.in_vain());
        }
        let next = pause.map_or(self.until, |pause| self.until.min(now + pause));
        // The sender lives in the entry that we hold, so an error cannot come; it would mean to look again.
        match timeout_at(next, self.routes.changed()).await {
            Err(_) if pause.is_none() => Err(self.in_vain()),
            _ => Ok(()),
        }
    }

    fn in_vain(&self) -> Held {
        let route = self.entry.current().route;
        let phase = format!("phase {:?}, admission {:?}", route.phase, route.admission);
        Held::TooLong { limit: self.limit, last: self.last.clone().unwrap_or(phase) }
    }
}
