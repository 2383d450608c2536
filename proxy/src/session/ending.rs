//! How sessions end, and what the client is told.

use super::tracker::Flight;
use crate::wire::{Report, SqlState};
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
    /// The proxy stops.
    Drain,
    /// The client does not keep to the protocol.
    Protocol,
}

/// What there is to tell the client at the end.
#[derive(Debug)]
pub struct Ending {
    /// Why it ends.
    pub cause: Cause,
    /// What is told, where anything is.
    pub report: Option<Report>,
}

/// What a client is told whose session cannot go on, by what it was in the middle of.
pub(super) fn farewell(cause: Cause, flight: Flight) -> Report {
    let what = match cause {
        Cause::Deposed => "another primary has taken over",
        Cause::Drain => "the proxy stops",
        Cause::Client | Cause::Database | Cause::Protocol => "the connection to the primary was lost",
    };
    match flight {
        Flight::Idle => Report::fatal(SqlState::AdminShutdown, format!("terminating connection: {what}"))
            .hint("Nothing was lost. Connect again."),
        Flight::Open | Flight::Running { may_commit: false } => Report::fatal(
            SqlState::ConnectionFailure,
            format!("{what}; the open transaction was not committed"),
        )
        .hint("Connect again and repeat the transaction."),
        Flight::Running { may_commit: true } => Report::fatal(
            SqlState::ResolutionUnknown,
            format!("{what} while a commit may have been under way; whether it happened is not known"),
        )
        .hint("Connect again and look for the transaction's effects before you repeat it."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_committed_is_never_called_lost() {
        for cause in [Cause::Database, Cause::Deposed, Cause::Drain] {
            let state = |flight| farewell(cause, flight).state;
            assert_eq!(state(Flight::Idle), SqlState::AdminShutdown);
            assert_eq!(state(Flight::Open), SqlState::ConnectionFailure);
            assert_eq!(state(Flight::Running { may_commit: false }), SqlState::ConnectionFailure);
            assert_eq!(state(Flight::Running { may_commit: true }), SqlState::ResolutionUnknown);
        }
    }
}
