//! The two directions of a session together, up to the moment when one of them ends.

use super::ending::{Cause, Ending, farewell};
use super::pump::{Pass, Pump, Stopped};
use super::rewrite::Rewriter;
use super::tracker::{Flight, Goodbye, Seen, Tracker};
use crate::backend::BackendStream;
use crate::listener::ClientStream;
use crate::metrics::Metrics;
use crate::wire::{FramingError, Report, SqlState};
use bytes::{Bytes, BytesMut};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::AsyncWriteExt;

/// A session that is relayed.
pub(super) struct Relay {
    client: ClientStream,
    database: BackendStream,
    /// Client to database.
    up: Pump,
    /// Database to client.
    down: Pump,
    tracker: Tracker,
    rewriter: Option<Box<Rewriter>>,
    /// The database takes no more, but may still have something to say.
    deaf: bool,
    metrics: Arc<Metrics>,
}

impl Relay {
    /// A session whose client and database are ready, with what was read of them beyond that.
    pub(super) fn new(
        client: (ClientStream, Bytes),
        database: (BackendStream, Bytes),
        metrics: Arc<Metrics>,
    ) -> Result<Self, FramingError> {
        let mut relay = Self {
            client: client.0,
            database: database.0,
            up: Pump::default(),
            down: Pump::default(),
            tracker: Tracker::new(),
            rewriter: None,
            deaf: false,
            metrics,
        };
        relay.tracker.client(&client.1)?;
        relay.up.put(&client.1);
        relay.tracker.server(&database.1)?;
        relay.down.put(&database.1);
        Ok(relay)
    }

    /// Whether the session can end without anything being lost.
    pub(super) fn is_idle(&self) -> bool {
        self.tracker.flight() == Flight::Idle
    }

    /// Relays until one side has to be waited for, or the session ends.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        if !self.deaf
            && let Poll::Ready(stopped) = self.poll_up(cx)
        {
            match stopped {
                Stopped::Ended | Stopped::Read => return Poll::Ready(self.end(Cause::Client)),
                Stopped::Refused(error) => return Poll::Ready(violation(error)),
                // What it said before it closed is still to be read, and may be what the client has to know.
                Stopped::Write => self.deaf = true,
            }
        }
        match self.poll_down(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Stopped::Write) => Poll::Ready(self.end(Cause::Client)),
            Poll::Ready(Stopped::Ended | Stopped::Read | Stopped::Refused(_)) => {
                Poll::Ready(self.end(Cause::Database))
            }
        }
    }

    fn poll_up(&mut self, cx: &mut Context<'_>) -> Poll<Stopped<FramingError>> {
        let Self { client, database, up, tracker, metrics, .. } = self;
        up.poll(cx, client, database, |chunk| {
            metrics.sent.inc_by(chunk.len() as u64);
            tracker.client(chunk)?;
            Ok(Pass::Whole)
        })
    }

    fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<Stopped<FramingError>> {
        let Self { client, database, down, tracker, rewriter, metrics, .. } = self;
        down.poll(cx, database, client, |chunk| {
            metrics.received.inc_by(chunk.len() as u64);
            let mut out = BytesMut::new();
            let mut rest = chunk;
            if rewriter.is_none() {
                let Seen::Abandoned(at) = tracker.server(chunk)? else { return Ok(Pass::Whole) };
                out.extend_from_slice(&chunk[..at]);
                rest = &chunk[at..];
                *rewriter = Some(Box::default());
            }
            while let Some(active) = rewriter {
                let behind = active.feed(rest, &mut out);
                let (answer, next) = rest.split_at(rest.len() - behind.unwrap_or(0));
                tracker.follow_server(answer)?;
                if behind.is_none() {
                    break;
                }
                *rewriter = None;
                rest = next;
                if let Seen::Abandoned(at) = tracker.server(rest)? {
                    out.extend_from_slice(&rest[..at]);
                    rest = &rest[at..];
                    *rewriter = Some(Box::default());
                } else {
                    out.extend_from_slice(rest);
                }
            }
            Ok(Pass::Instead(out))
        })
    }

    /// How the session ends, for whatever reason it does.
    pub(super) fn end(&self, cause: Cause) -> Ending {
        let silent = match cause {
            Cause::Client => true,
            Cause::Database => self.tracker.goodbye() != Goodbye::Nobody,
            Cause::Deposed | Cause::Drain | Cause::Protocol => false,
        };
        let cause = if self.tracker.goodbye() == Goodbye::Client { Cause::Client } else { cause };
        let report = (!silent).then(|| farewell(cause, self.tracker.flight()));
        Ending { cause, report }
    }

    /// Tells the client, if it can be told, and closes both sides.
    pub(super) async fn close(mut self, ending: &Ending) -> io::Result<()> {
        if let Some(report) = &ending.report
            && self.tracker.between_answers()
        {
            let mut out = self.down.take();
            report.put(&mut out);
            self.client.write_all(&out).await?;
        }
        self.client.shutdown().await?;
        // Goodbye, so that the database does not log a broken connection.
        self.database.write_all(b"X\0\0\0\x04").await?;
        self.database.shutdown().await
    }
}

fn violation(error: FramingError) -> Ending {
    let report = Report::fatal(SqlState::ProtocolViolation, error.to_string());
    Ending { cause: Cause::Protocol, report: Some(report) }
}
