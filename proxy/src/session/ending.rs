//! How sessions end, and what the client is told.

use super::belongings::Traces;
use super::tracker::Flight;
use crate::wire::{Report, SqlState};
use bytes::Bytes;
use prometheus_client::encoding::EncodeLabelValue;

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Cause {
    /// The client left.
    Client,
    /// The database closed the connection or could not be reached any more.
    Database,
    /// Another primary serves in a higher term.
    Deposed,
    /// No primary in time, or none that took the session over.
    Held,
    /// The proxy stops.
    Drain,
    /// The client does not keep to the protocol.
    Protocol,
}

/// The last that a client is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// Nothing: it knows, or is not there.
    Nothing,
    /// A report of our own.
    Report(Report),
    /// The database's own message.
    Words(Bytes),
}

/// What there is to tell the client at the end.
#[derive(Debug)]
pub(super) struct Ending {
    /// Why it ends.
    pub(super) cause: Cause,
    /// What is told.
    pub(super) last: Last,
}

impl Ending {
    /// With a report of our own.
    pub(super) fn told(cause: Cause, report: Report) -> Self {
        Self { cause, last: Last::Report(report) }
    }

    /// With nothing to say.
    pub(super) fn silent(cause: Cause) -> Self {
        Self { cause, last: Last::Nothing }
    }

    /// The SQLSTATE that is told, for the log.
    pub(super) fn code(&self) -> Option<&'static str> {
        match &self.last {
            Last::Nothing => None,
            Last::Report(report) => Some(report.state.code()),
            Last::Words(_) => Some("the database's own"),
        }
    }
}

/// What a client is told whose session cannot go on, by what it was in the middle of, and why it is not carried over.
pub(super) fn farewell(cause: Cause, flight: Flight, traces: Traces) -> Report {
    let what = match cause {
        Cause::Deposed => "another primary has taken over",
        Cause::Drain => "the proxy stops",
        Cause::Client | Cause::Database | Cause::Held | Cause::Protocol => {
            "the connection to the primary was lost"
        }
    };
    let stays = match cause {
        Cause::Drain => String::new(),
        Cause::Client | Cause::Database | Cause::Deposed | Cause::Held | Cause::Protocol
            if traces.is_empty() =>
        {
            String::new()
        }
        Cause::Client | Cause::Database | Cause::Deposed | Cause::Held | Cause::Protocol => {
            format!(" The session could not be carried over to another primary, because it {traces}.")
        }
    };
    match flight {
        Flight::Idle => Report::fatal(SqlState::AdminShutdown, format!("terminating connection: {what}"))
            .hint(format!("Nothing was lost. Connect again.{stays}")),
        Flight::Open | Flight::Running { may_commit: false } => Report::fatal(
            SqlState::ConnectionFailure,
            format!("{what}; the open transaction was not committed"),
        )
        .hint(format!("Connect again and repeat the transaction.{stays}")),
        Flight::Running { may_commit: true } => Report::fatal(
            SqlState::ResolutionUnknown,
            format!("{what} while a commit may have been under way; whether it happened is not known"),
        )
        .hint("Connect again and look for the transaction's effects before you repeat it."),
    }
}

#[cfg(test)]
mod tests {
    use super::super::belongings::Trace;
    use super::*;

    #[test]
    fn what_may_have_been_committed_is_never_called_lost() {
        for cause in [Cause::Database, Cause::Deposed, Cause::Drain] {
            let state = |flight| farewell(cause, flight, Traces::default()).state;
            assert_eq!(state(Flight::Idle), SqlState::AdminShutdown);
            assert_eq!(state(Flight::Open), SqlState::ConnectionFailure);
            assert_eq!(state(Flight::Running { may_commit: false }), SqlState::ConnectionFailure);
            assert_eq!(state(Flight::Running { may_commit: true }), SqlState::ResolutionUnknown);
        }
    }

    #[test]
    fn it_says_why_a_session_was_not_carried_over() {
        let mut belongings = super::super::belongings::Belongings::default();
        belongings.leave(Trace::Temporary);
        let hint = farewell(Cause::Deposed, Flight::Idle, belongings.traces()).hint.unwrap();
        assert!(hint.starts_with("Nothing was lost.") && hint.contains("temporary tables"), "{hint}");
        let hint = farewell(Cause::Drain, Flight::Idle, belongings.traces()).hint.unwrap();
        assert!(!hint.contains("temporary tables"), "{hint}");
    }
}
