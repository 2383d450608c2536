//! The two directions of a session together: up to the moment when one of them ends, or something has to wait.

use super::belongings::{Belongings, Statements, Trace};
use super::ending::{Cause, Ending, Last, farewell};
use super::prelude::Prelude;
use super::pump::{Pass, Pump, Stopped};
use super::seat::Seat;
use super::sieve::{Sieve, Sifted, Words};
use super::sql::Weight;
use super::tracker::{Flight, Tracker};
use crate::backend::BackendStream;
use crate::listener::ClientStream;
use crate::metrics::Metrics;
use crate::wire::{Fields, FramingError, HEADER, Report, SqlState};
use berth_core::MemberId;
use bytes::{Bytes, BytesMut};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// `Terminate`.
const GOODBYE: &[u8] = b"X\0\0\0\x04";
/// How much of a client that waits for a primary is taken in. The rest waits in the system's buffers.
const WAITING: usize = 64 * 1024;

/// A session that is relayed.
pub(super) struct Relay {
    client: ClientStream,
    /// None: the primary is gone, and the session goes on at the next one.
    database: Option<BackendStream>,
    /// Client to database.
    up: Pump,
    /// Database to client.
    down: Pump,
    tracker: Tracker,
    sieve: Sieve,
    prelude: Prelude,
    seat: Arc<Seat>,
    /// The database takes no more, but may still have something to say.
    deaf: bool,
    /// What `up` holds was not followed yet: it waits for a primary.
    waits: bool,
    commit: Commit,
    metrics: Arc<Metrics>,
}

/// Whether a COMMIT runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Commit {
    None,
    /// `up` holds it, until a request to cancel has been dealt with.
    Waits,
    Runs,
}

/// What has to be dealt with by others.
#[derive(Debug)]
pub(super) enum Event {
    /// The session is over.
    Ended(Ending),
    /// The client has said something that cannot be passed on now.
    Waits,
    /// The database is gone.
    Lost(Loss),
}

/// How a database was lost.
#[derive(Debug)]
pub(super) enum Loss {
    /// It closed, or cannot be reached.
    Closed,
    /// Another one has taken over.
    Deposed,
    /// It said something last.
    Said(Words),
}

/// What makes a session anew at another database.
#[derive(Debug)]
pub(super) struct Replay {
    /// Messages that make its belongings anew, and how many `ReadyForQuery` answer them.
    pub(super) belongings: (BytesMut, usize),
    /// Messages that begin its transaction anew, and how many answer them.
    pub(super) beginning: (Bytes, usize),
}

impl Loss {
    /// Whether it was no primary.
    pub(super) fn is_of_standby(&self) -> bool {
        matches!(self, Self::Said(Words::Standby(_)))
    }

    /// What the server said when it ended the session.
    pub(super) fn farewell(&self) -> Option<&Bytes> {
        match self {
            Self::Said(Words::Farewell(words)) => Some(words),
            Self::Said(Words::Standby(_)) | Self::Closed | Self::Deposed => None,
        }
    }
}

impl Relay {
    /// A session whose client and database are ready, with what was read of them beyond that.
    pub(super) fn new(
        client: (ClientStream, Bytes),
        database: (BackendStream, Bytes),
        seat: Arc<Seat>,
        statements: Arc<Statements>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, FramingError> {
        let mut relay = Self {
            client: client.0,
            database: None,
            up: Pump::default(),
            down: Pump::default(),
            tracker: Tracker::new(statements),
            sieve: Sieve::default(),
            prelude: Prelude::default(),
            seat,
            deaf: false,
            waits: false,
            commit: Commit::None,
            metrics,
        };
        relay.send(&client.1)?;
        relay.attach(database.0, &database.1, &[])?;
        Ok(relay)
    }

    /// Notes that the session can never be moved.
    pub(super) fn stays(&mut self, trace: Trace) {
        self.tracker.leave(trace);
    }

    /// The route says whose volume is full, or that none is.
    pub(super) fn is_full(&mut self, full: Option<MemberId>) {
        self.sieve.is_full(full);
    }

    /// Whether the session can end without anything being lost.
    pub(super) fn is_idle(&self) -> bool {
        self.tracker.flight() == Flight::Idle
    }

    /// Whether it has a database.
    pub(super) fn is_attached(&self) -> bool {
        self.database.is_some()
    }

    /// Whether the client has said something that is not passed on yet.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// Whether something runs that the client waits for.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.tracker.flight(), Flight::Running { .. })
    }

    /// What would have to be made anew.
    pub(super) fn belongings(&self) -> &Belongings {
        self.tracker.belongings()
    }

    /// Relays until one side has to be waited for, or something has to be dealt with. Unless `open`, nothing new is begun.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, open: bool) -> Poll<Event> {
        // What the database said last comes first, so that a statement is not sent to one that is gone.
        if let Poll::Ready(event) = self.poll_down(cx) {
            return Poll::Ready(event);
        }
        if self.deaf { Poll::Pending } else { self.poll_up(cx, open) }
    }

    fn poll_up(&mut self, cx: &mut Context<'_>, open: bool) -> Poll<Event> {
        if self.waits || self.database.is_none() {
            return self.poll_waiting(cx);
        }
        if self.commit == Commit::Waits {
            if !self.seat.commit_begins() {
                return Poll::Pending;
            }
            self.commit = Commit::Runs;
        }
        let Self { client, database: Some(database), up, tracker, prelude, commit, seat, metrics, .. } = self
        else {
            return Poll::Pending;
        };
        if !open && tracker.flight() != Flight::Idle && tracker.may_pause() {
            // What is behind the statement that runs waits for the next primary. It is looked at again once that is answered.
            if ready!(up.poll_drain(cx, database)).is_err() {
                self.deaf = true;
            }
            return Poll::Pending;
        }
        let stopped = ready!(up.poll(cx, client, database, |chunk| {
            let idle = tracker.flight() == Flight::Idle;
            if idle && !open {
                return Ok(Pass::<()>::Later);
            }
            metrics.sent.inc_by(chunk.len() as u64);
            tracker.client(chunk)?;
            prelude.sent(chunk, idle);
            if tracker.commits_alone() && *commit == Commit::None {
                *commit = if seat.commit_begins() { Commit::Runs } else { Commit::Waits };
            }
            Ok(if *commit == Commit::Waits { Pass::Later } else { Pass::Whole })
        }));
        match stopped {
            Stopped::Ended | Stopped::Read => Poll::Ready(Event::Ended(Ending::silent(Cause::Client))),
            Stopped::Refused(error) => Poll::Ready(Event::Ended(violation(error))),
            // What it said before it closed is still to be read, and may be what the client has to know.
            Stopped::Write => {
                self.deaf = true;
                Poll::Pending
            }
            // The session is woken when the COMMIT may go.
            Stopped::Kept if self.commit == Commit::Waits => Poll::Pending,
            Stopped::Kept | Stopped::Last(()) => self.begins_to_wait(),
        }
    }

    /// Takes in what the client says while it has no primary, and hears when it leaves.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            match ready!(self.up.poll_keep::<_, (), ()>(cx, &mut self.client, WAITING)) {
                Stopped::Kept if self.waits => {}
                Stopped::Kept => return self.begins_to_wait(),
                Stopped::Ended
                | Stopped::Read
                | Stopped::Write
                | Stopped::Refused(())
                | Stopped::Last(()) => {
                    return Poll::Ready(Event::Ended(Ending::silent(Cause::Client)));
                }
            }
        }
    }

    fn begins_to_wait(&mut self) -> Poll<Event> {
        self.waits = true;
        // Somebody who says goodbye waits for nothing.
        let goodbye = self.up.peek() == Some(b'X') && !self.is_running();
        Poll::Ready(if goodbye { Event::Ended(Ending::silent(Cause::Client)) } else { Event::Waits })
    }

    fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let Self { client, database, down, tracker, sieve, prelude, commit, seat, metrics, .. } = self;
        let Some(database) = database else {
            return match ready!(down.poll_drain(cx, client)) {
                Ok(()) => Poll::Pending,
                Err(_) => Poll::Ready(Event::Ended(Ending::silent(Cause::Client))),
            };
        };
        let stopped = ready!(down.poll(cx, database, client, |chunk| {
            metrics.received.inc_by(chunk.len() as u64);
            let (sifted, words) = sieve.sift(tracker, chunk)?;
            match tracker.flight() {
                Flight::Open if !tracker.is_revealing() => prelude.settle(),
                Flight::Running { .. } if !tracker.is_revealing() => {}
                Flight::Idle | Flight::Open | Flight::Running { .. } => prelude.forget(),
            }
            if *commit == Commit::Runs && !tracker.commits_alone() {
                *commit = Commit::None;
                seat.commit_ended();
            }
            Ok(match (sifted, words) {
                (Sifted::Whole, None) => Pass::Whole,
                (Sifted::Instead(bytes), None) => Pass::Instead(bytes),
                (Sifted::Instead(bytes), Some(words)) => Pass::Last(bytes, words),
                (Sifted::Whole, Some(words)) => Pass::Last(chunk.into(), words),
            })
        }));
        Poll::Ready(match stopped {
            Stopped::Write => Event::Ended(Ending::silent(Cause::Client)),
            Stopped::Last(words) => Event::Lost(Loss::Said(words)),
            Stopped::Ended
            | Stopped::Read
            | Stopped::Kept
            | Stopped::Refused(FramingError::Kind(_) | FramingError::Length(_)) => Event::Lost(Loss::Closed),
        })
    }

    /// The database is lost. The session goes on without one, if it can be made anew at the next; else it ends. `expected`:
    /// the route says that this database is no longer to be used; else its own last words are believed and passed on.
    pub(super) fn lose(&mut self, loss: &Loss, expected: bool) -> Result<(), Ending> {
        let flight = self.tracker.flight();
        let weight = self.tracker.weight();
        let standby = loss.is_of_standby();
        // What the server says to have come to nothing, and a standby cannot have done, was not done.
        let (cause, words, most) = match loss {
            Loss::Closed => (Cause::Database, None, Weight::Nothing),
            Loss::Deposed => (Cause::Deposed, None, Weight::Nothing),
            Loss::Said(Words::Standby(_)) => (Cause::Database, None, Weight::Lasting),
            Loss::Said(Words::Farewell(words)) if is_stop(words) => {
                (Cause::Database, Some(words), Weight::Undone)
            }
            Loss::Said(Words::Farewell(words)) => {
                return Err(Ending { cause: Cause::Database, last: Last::Words(words.clone()) });
            }
        };
        if self.tracker.has_left() {
            return Err(Ending::silent(Cause::Client));
        }
        if self.sieve.told_the_end() {
            return Err(Ending::silent(cause));
        }
        let movable = self.belongings().traces().is_empty() && self.tracker.between_answers();
        let goes_on = movable
            && match flight {
                Flight::Idle => true,
                Flight::Open | Flight::Running { .. } => {
                    weight <= most && self.tracker.unrevealed().is_some() && self.prelude.again()
                }
            };
        if goes_on {
            self.detach();
            return Ok(());
        }
        // What the server said to be done may be committed, unless it is a standby, which commits nothing.
        let certain = standby || (weight <= most && !self.tracker.has_done());
        let flight = match flight {
            Flight::Running { may_commit } => Flight::Running { may_commit: may_commit && !certain },
            Flight::Idle | Flight::Open => flight,
        };
        if let Some(words) = words.filter(|_| !expected && flight != (Flight::Running { may_commit: true })) {
            return Err(Ending { cause, last: Last::Words(words.clone()) });
        }
        Err(Ending::told(cause, farewell(cause, flight, self.belongings().traces())))
    }

    fn detach(&mut self) {
        if let Some(database) = self.database.take() {
            leave(database);
        }
        self.deaf = false;
        self.commit = Commit::None;
        self.seat.moved(None);
        if !self.waits {
            // It was followed, and is kept by the prelude as far as it is to be sent again.
            self.up.take();
        }
    }

    /// What makes the session anew.
    pub(super) fn replay(&self) -> Replay {
        let mut messages = BytesMut::new();
        let answers = self.belongings().replay(&mut messages);
        let (settled, _) = self.prelude.parts();
        let told = self.tracker.unrevealed().unwrap_or(0);
        Replay { belongings: (messages, answers), beginning: (Bytes::copy_from_slice(settled), told) }
    }

    /// Goes on at this database, at which the session was made anew. `tell` are messages for the client.
    pub(super) fn attach(
        &mut self,
        database: BackendStream,
        rest: &[u8],
        tell: &[u8],
    ) -> Result<(), FramingError> {
        self.database = Some(database);
        self.tracker.moved();
        self.sieve = Sieve::default();
        self.down.put(tell);
        match self.sieve.sift(&mut self.tracker, rest)? {
            (Sifted::Whole, _) => self.down.put(rest),
            (Sifted::Instead(bytes), _) => self.down.put(&bytes),
        }
        let waiting = if self.waits { self.up.take() } else { BytesMut::new() };
        let (_, unanswered) = self.prelude.parts();
        self.up.put(unanswered);
        self.send(&waiting)
    }

    /// What waits may go to the database.
    pub(super) fn release(&mut self) -> Result<(), FramingError> {
        let waiting = self.up.take();
        self.send(&waiting)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), FramingError> {
        self.waits = false;
        if !bytes.is_empty() {
            let idle = self.tracker.flight() == Flight::Idle;
            self.tracker.client(bytes)?;
            self.prelude.sent(bytes, idle);
            self.up.put(bytes);
        }
        Ok(())
    }

    /// How the session ends for a reason that is not its database.
    pub(super) fn end(&self, cause: Cause) -> Ending {
        if self.tracker.has_left() {
            return Ending::silent(Cause::Client);
        }
        Ending::told(cause, farewell(cause, self.tracker.flight(), self.belongings().traces()))
    }

    /// Tells the client, if it can be told, and closes both sides.
    pub(super) async fn close(mut self, ending: &Ending) -> io::Result<()> {
        if self.tracker.between_answers() {
            let mut out = self.down.take();
            match &ending.last {
                Last::Nothing => {}
                Last::Report(report) => report.put(&mut out),
                Last::Words(words) => out.extend_from_slice(words),
            }
            self.client.write_all(&out).await?;
        }
        self.client.shutdown().await?;
        if let Some(mut database) = self.database {
            // Goodbye, so that the database does not log a broken connection.
            database.write_all(GOODBYE).await?;
            database.shutdown().await?;
        }
        Ok(())
    }
}

/// Leaves a database without waiting for it, which may be there or not.
fn leave(mut database: BackendStream) {
    let mut cx = Context::from_waker(Waker::noop());
    if let Poll::Ready(Ok(_)) = Pin::new(&mut *database).poll_write(&mut cx, GOODBYE) {
        let _ = Pin::new(&mut *database).poll_shutdown(&mut cx);
    }
}

/// Whether a server's farewell says that it stops, or that somebody ended this one session.
fn is_stop(words: &[u8]) -> bool {
    words.get(HEADER..).is_some_and(|body| Fields::parse(body).code == b"57P01")
}

/// What ends a session whose client does not keep to the protocol.
pub(super) fn violation(error: FramingError) -> Ending {
    Ending::told(Cause::Protocol, Report::fatal(SqlState::ProtocolViolation, error.to_string()))
}
