//! What a session is in the middle of, told from the messages that go by.
//!
//! It answers: may this session be ended or moved without harm; if its database is lost, what does the client have to be told;
//! and what would have to be made anew at another server. Statements are read as far as [`super::sql`] does it.

mod state;

use super::belongings::{Belongings, Statements, Trace};
use super::sql::Weight;
use crate::wire::{Framing, FramingError, Sighting};
use state::State;
use std::ops::ControlFlow;
use std::sync::Arc;

/// How much of a statement is read; a longer one counts as if it could do anything.
const TEXT: usize = 64 * 1024;
/// How much of a message with a name in it is read; PostgreSQL itself tells names apart by 63 bytes.
const NAMES: usize = 256;
/// How much of an error or a notice is read, and withheld until it is there: far more than those of PostgreSQL itself take.
const WORDS: usize = 8192;
/// How much of a command's tag or a parameter is read: more than those that matter.
const TAG: usize = 32;

/// What a session is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flight {
    /// Nothing.
    Idle,
    /// A transaction is open, and no statement runs.
    Open,
    /// Something runs.
    Running {
        /// Whether it could have been committed by now.
        may_commit: bool,
    },
}

/// What a message of the server says to the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing: it is the client's.
    Nothing,
    /// The wait for replicas was given up: the answer that follows is not true.
    Abandoned,
    /// The server ends the session.
    Farewell,
    /// The server says that it dies, as a warning. What follows is the end.
    Dying,
    /// It is a standby, and refuses what writes.
    Standby,
    /// It is a primary, and refuses what writes, because the transaction is read-only.
    ReadOnly,
}

/// Follows both directions of a session.
#[derive(Debug)]
pub(super) struct Tracker {
    client: Framing,
    server: Framing,
    state: State,
}

impl Tracker {
    /// A session whose server has just said that it is ready. Named statements are kept in `statements`.
    pub(super) fn new(statements: Arc<Statements>) -> Self {
        Self { client: Framing::default(), server: Framing::default(), state: State::new(statements) }
    }

    /// Follows bytes of the client.
    pub(super) fn client(&mut self, chunk: &[u8]) -> Result<(), FramingError> {
        let state = &mut self.state;
        self.client.feed(chunk, wanted_of_client, |sighting| {
            state.client(sighting);
            ControlFlow::Continue(())
        })?;
        Ok(())
    }

    /// Follows bytes of the server; `heard` is told of each message and may stop. It is told too how many messages there were
    /// since all that was sent was answered; none if they revealed anything. Says how much was followed.
    pub(super) fn server(
        &mut self,
        chunk: &[u8],
        mut heard: impl FnMut(Heard, Option<usize>, Sighting<'_>) -> ControlFlow<()>,
    ) -> Result<usize, FramingError> {
        let state = &mut self.state;
        self.server.feed(chunk, wanted_of_server, |sighting| {
            let meaning = state.server(&sighting);
            heard(meaning, state.unsettled(), sighting)
        })
    }

    /// The beginning of the answer that is being given was not told after all.
    pub(super) fn take_back(&mut self) {
        self.state.take_back();
    }

    /// Of the bytes followed last, how many at the end belong to an error or a notice that is not there as a whole: it is
    /// withheld, because what it says may not be meant for the client.
    pub(super) fn withheld(&self) -> usize {
        match self.server.unseen() {
            Some((b'E' | b'N', bytes)) => bytes,
            Some(_) | None => 0,
        }
    }

    /// The server is another one now, which has just said that it is ready.
    pub(super) fn moved(&mut self) {
        self.server = Framing::default();
        self.state.moved();
    }

    /// Whether a message of our own may be sent to the client now. What is withheld it has not seen.
    pub(super) fn between_answers(&self) -> bool {
        self.server.at_border() || self.withheld() > 0
    }

    /// The client has said that it goes.
    pub(super) fn has_left(&self) -> bool {
        self.state.has_left()
    }

    /// What the session is in the middle of.
    pub(super) fn flight(&self) -> Flight {
        let busy = self.state.is_busy() || !self.client.at_border();
        match (busy, self.state.in_transaction()) {
            (false, false) => Flight::Idle,
            (false, true) => Flight::Open,
            // Outside of a transaction every statement commits by itself.
            (true, within) => Flight::Running { may_commit: self.state.may_commit() || !within },
        }
    }

    /// Outside of a transaction, and nothing that was begun needs more of the client to end.
    pub(super) fn may_pause(&self) -> bool {
        self.client.at_border() && self.state.may_pause()
    }

    /// All that runs is a COMMIT.
    pub(super) fn commits_alone(&self) -> bool {
        self.state.commits_alone()
    }

    /// What has been sent since the session was idle last can have done this when it is lost.
    pub(super) fn weight(&self) -> Weight {
        self.state.weight()
    }

    /// Since the session was idle last, the client has been told nothing but that its transaction has begun, and has had no part
    /// of an answer to what runs now. Gives how many messages it was told with, those apart that come at any time.
    pub(super) fn unrevealed(&self) -> Option<usize> {
        self.state.unrevealed().filter(|_| self.between_answers())
    }

    /// Since the session was idle last, the client has been told something that another server might tell otherwise.
    pub(super) fn is_revealing(&self) -> bool {
        self.state.is_revealing()
    }

    /// Since the session was idle last, the client has been told that a statement was done.
    pub(super) fn has_done(&self) -> bool {
        self.state.has_done()
    }

    /// What would have to be made anew at another server.
    pub(super) fn belongings(&self) -> &Belongings {
        self.state.belongings()
    }

    /// Notes something that cannot be made anew.
    pub(super) fn leave(&mut self, trace: Trace) {
        self.state.leave(trace);
    }
}

fn wanted_of_client(kind: u8) -> Option<usize> {
    match kind {
        b'Q' | b'P' => Some(TEXT),
        b'B' | b'C' => Some(NAMES),
        b'F' | b'S' | b'E' | b'D' | b'H' | b'd' | b'c' | b'f' | b'X' => Some(0),
        _ => None,
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the other direction refuses types that do not exist; a server is believed"
)]
fn wanted_of_server(kind: u8) -> Option<usize> {
    Some(match kind {
        b'Z' => 1,
        b'N' | b'E' => WORDS,
        b'C' | b'S' => TAG,
        _ => 0,
    })
}

#[cfg(test)]
mod tests;
