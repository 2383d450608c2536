//! What a session is in the middle of, told from the messages that go by.
//!
//! It answers two questions: may this session be ended without harm, and, if its database is lost, what does the client have to
//! be told. It decodes no statement and keeps no text; an idle session costs it a few dozen bytes.

use super::statement::{script_may_commit, statement_may_commit};
use crate::wire::{Fields, Framing, FramingError, Reader, Sighting};
use std::collections::{HashSet, VecDeque};
use std::ops::ControlFlow;

/// How much of a query is looked at for words that end a transaction; a longer one counts as if it had one.
const TEXT: usize = 4096;
/// How much of a notice is read: far more than those of PostgreSQL itself take.
const NOTICE: usize = 8192;
/// Severity and SQLSTATE stand at the front of an error.
const ERROR: usize = 64;
/// How many prepared statements that end transactions are told apart; with more, every one counts.
const REMEMBERED: usize = 256;

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

/// Something that the server answers with a `ReadyForQuery`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Query,
    Sync,
}

/// Follows both directions of a session.
#[derive(Debug)]
pub(super) struct Tracker {
    client: Framing,
    server: Framing,
    state: State,
}

#[derive(Debug)]
struct State {
    /// What was sent and not answered, in order.
    awaited: VecDeque<Awaited>,
    /// Messages of the extended protocol were sent that no Sync has ended yet.
    unsynced: bool,
    /// The transaction's state as the last `ReadyForQuery` told it: I, T or E.
    status: u8,
    /// Something that was sent could end the transaction.
    may_commit: bool,
    /// Prepared statements that end a transaction.
    committing: Committing,
    /// Who has said that the session ends.
    goodbye: Goodbye,
}

/// Prepared statements that end a transaction.
#[derive(Debug)]
enum Committing {
    /// Their names.
    Named(HashSet<Vec<u8>>),
    /// There were too many to remember: any could.
    Any,
}

/// Who has said that the session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goodbye {
    /// Nobody.
    Nobody,
    /// The client.
    Client,
    /// The server, which has told the client why.
    Server,
}

/// What a chunk of the server's was found to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing that needs more than passing it on.
    Plain,
    /// After so many bytes, the warning that the wait for replicas was given up: the answer that follows is not true.
    Abandoned(usize),
}

impl Tracker {
    /// A session whose server has just said that it is ready.
    pub(super) fn new() -> Self {
        Self {
            client: Framing::default(),
            server: Framing::default(),
            state: State {
                awaited: VecDeque::new(),
                unsynced: false,
                status: b'I',
                may_commit: false,
                committing: Committing::Named(HashSet::new()),
                goodbye: Goodbye::Nobody,
            },
        }
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

    /// Follows bytes of the server, up to the warning if there is one.
    pub(super) fn server(&mut self, chunk: &[u8]) -> Result<Seen, FramingError> {
        let state = &mut self.state;
        let mut abandoned = false;
        let followed = self.server.feed(chunk, wanted_of_server, |sighting| {
            abandoned = state.server(sighting);
            if abandoned { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(if abandoned { Seen::Abandoned(followed) } else { Seen::Plain })
    }

    /// Follows bytes of the server whose warnings are known already.
    pub(super) fn follow_server(&mut self, mut chunk: &[u8]) -> Result<(), FramingError> {
        while let Seen::Abandoned(at) = self.server(chunk)? {
            chunk = &chunk[at..];
        }
        Ok(())
    }

    /// Whether a message of our own may be sent to the client now.
    pub(super) fn between_answers(&self) -> bool {
        self.server.at_border()
    }

    /// Who has said that the session ends.
    pub(super) fn goodbye(&self) -> Goodbye {
        self.state.goodbye
    }

    /// What the session is in the middle of.
    pub(super) fn flight(&self) -> Flight {
        let state = &self.state;
        let busy = !state.awaited.is_empty() || state.unsynced || !self.client.at_border();
        match (busy, state.status) {
            (false, b'I') => Flight::Idle,
            (false, _) => Flight::Open,
            // Outside of a transaction every statement commits by itself.
            (true, status) => Flight::Running { may_commit: state.may_commit || status == b'I' },
        }
    }
}

fn wanted_of_client(kind: u8) -> Option<usize> {
    match kind {
        b'Q' | b'P' => Some(TEXT),
        b'B' => Some(256),
        b'F' | b'S' | b'E' | b'D' | b'C' | b'H' | b'd' | b'c' | b'f' | b'X' => Some(0),
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
        b'N' => NOTICE,
        b'E' => ERROR,
        _ => 0,
    })
}

impl State {
    fn client(&mut self, Sighting { kind, prefix, whole }: Sighting<'_>) {
        match kind {
            b'Q' => {
                self.awaited.push_back(Awaited::Query);
                self.may_commit |= !whole || script_may_commit(prefix);
            }
            b'F' => self.awaited.push_back(Awaited::Query),
            b'S' => {
                self.awaited.push_back(Awaited::Sync);
                self.unsynced = false;
            }
            b'P' => {
                self.unsynced = true;
                self.prepared(prefix);
            }
            b'B' => {
                self.unsynced = true;
                let mut reader = Reader(prefix);
                let _portal = reader.cstr();
                // A name too long to be seen here counts: the prefix holds all that PostgreSQL tells apart (63 bytes each).
                self.may_commit |= reader.cstr().map_or(true, |name| self.committing.holds(name));
            }
            b'E' | b'D' | b'C' | b'H' => self.unsynced = true,
            b'X' => self.goodbye = Goodbye::Client,
            _ => {}
        }
    }

    fn prepared(&mut self, prefix: &[u8]) {
        let mut reader = Reader(prefix);
        let Ok(name) = reader.cstr() else { return };
        self.committing.note(name, statement_may_commit(reader.0));
    }

    /// Says whether this is the warning that a commit's wait for its replicas was given up.
    fn server(&mut self, Sighting { kind, prefix, .. }: Sighting<'_>) -> bool {
        match kind {
            b'Z' => {
                self.status = prefix.first().copied().unwrap_or(b'I');
                self.awaited.pop_front();
                if self.awaited.is_empty() {
                    self.may_commit = false;
                    // An idle session keeps no memory of its busiest moment.
                    self.awaited = VecDeque::new();
                }
            }
            // While it takes in a COPY, the server passes over every Sync that was sent before its data.
            b'G' | b'W' => {
                if self.awaited.front() == Some(&Awaited::Sync) {
                    self.unsynced = true;
                }
                while self.awaited.front() == Some(&Awaited::Sync) {
                    self.awaited.pop_front();
                }
            }
            b'E' if Fields::parse(prefix).ends_session() => self.goodbye = Goodbye::Server,
            b'N' => return Fields::parse(prefix).gives_up_replication(),
            _ => {}
        }
        false
    }
}

impl Committing {
    fn holds(&self, name: &[u8]) -> bool {
        match self {
            Self::Named(names) => names.contains(name),
            Self::Any => true,
        }
    }

    fn note(&mut self, name: &[u8], commits: bool) {
        let Self::Named(names) = self else { return };
        if !commits {
            names.remove(name);
        } else if names.len() < REMEMBERED {
            names.insert(name.to_vec());
        } else {
            *self = Self::Any;
        }
    }
}

#[cfg(test)]
mod tests;
