//! Why a database could not be used, and what follows from it: wait for a better route, or tell the client.

use crate::auth::scram::LoginError;
use crate::wire::{Fields, WireError};
use berth_core::Term;
use bytes::Bytes;
use prometheus_client::encoding::EncodeLabelValue;
use std::io;

/// Why a database could not be used.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// No TCP connection.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where to.
        address: String,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// It took too long.
    #[error("{address} did not answer in time")]
    TimedOut {
        /// Where to.
        address: String,
    },
    /// It does not speak TLS.
    #[error("{address} refuses TLS")]
    NoTls {
        /// Where to.
        address: String,
    },
    /// It is not the member that the route names, or does not know us.
    #[error("TLS with {address} as {name} failed")]
    Tls {
        /// Where to.
        address: String,
        /// Whom it must be.
        name: String,
        /// The library's words.
        #[source]
        source: io::Error,
    },
    /// The name of the member cannot stand in a certificate.
    #[error("{name} cannot be a name in a certificate")]
    Name {
        /// The name.
        name: String,
    },
    /// The connection broke or the bytes are not the protocol.
    #[error("the conversation with the database failed")]
    Wire(#[from] WireError),
    /// It answered with an error.
    #[error("the database answered {code}: {message}")]
    Refused {
        /// The SQLSTATE.
        code: String,
        /// The text.
        message: String,
        /// The whole answer, to be passed on.
        body: Bytes,
    },
    /// It asks for something that we cannot give.
    #[error("the database asks for authentication of kind {0}, which the proxy does not do")]
    Authentication(u32),
    /// The SCRAM login failed.
    #[error("the login in the tenant's name failed")]
    Login(#[from] LoginError),
    /// It is a standby.
    #[error("the database is in recovery: it is no primary")]
    Standby,
    /// It does not say whether it is one.
    #[error("the database does not tell whether it is in recovery (in_hot_standby)")]
    Undeclared,
    /// It is a primary of an older term.
    #[error("the database serves in term {found}, the route says {wanted}")]
    Stale {
        /// Its own.
        found: Term,
        /// The route's.
        wanted: Term,
    },
    /// It does not tell its term.
    #[error("the database does not tell its term (berth.term): its agent has not set it")]
    Termless,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[from] getrandom::Error),
}

/// The kinds of errors, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum ErrorKind {
    /// No connection.
    Connect,
    /// Too slow.
    Timeout,
    /// TLS or the identity in it.
    Tls,
    /// The connection broke.
    Protocol,
    /// The database refused.
    Refused,
    /// The login failed.
    Login,
    /// No primary, or one of an older term.
    Stale,
}

impl BackendError {
    /// Its kind.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect { .. } => ErrorKind::Connect,
            Self::TimedOut { .. } => ErrorKind::Timeout,
            Self::NoTls { .. } | Self::Tls { .. } | Self::Name { .. } => ErrorKind::Tls,
            Self::Wire(_) | Self::Random(_) => ErrorKind::Protocol,
            Self::Refused { .. } => ErrorKind::Refused,
            Self::Authentication(_) | Self::Login(_) => ErrorKind::Login,
            Self::Standby | Self::Undeclared | Self::Stale { .. } | Self::Termless => ErrorKind::Stale,
        }
    }

    /// Whether it is worth waiting: what is said here comes from a primary that starts, stops or is no longer one.
    pub fn retryable(&self) -> bool {
        match self {
            // Starting up, shutting down, crashed; and 28000: the gate's hba file has no line for a tenant while it is shut.
            Self::Refused { code, .. } => {
                matches!(code.as_str(), "57P03" | "57P01" | "57P02" | "28000")
            }
            Self::Login(LoginError::Changed | LoginError::Malformed | LoginError::Mechanism)
            | Self::Authentication(_)
            | Self::Random(_) => false,
            Self::Connect { .. }
            | Self::TimedOut { .. }
            | Self::NoTls { .. }
            | Self::Tls { .. }
            | Self::Name { .. }
            | Self::Wire(_)
            | Self::Login(LoginError::Impostor)
            | Self::Standby
            | Self::Undeclared
            | Self::Stale { .. }
            | Self::Termless => true,
        }
    }

    /// An answer of a database.
    pub(crate) fn refused(body: Bytes) -> Self {
        let fields = Fields::parse(&body);
        Self::Refused {
            code: String::from_utf8_lossy(fields.code).into_owned(),
            message: String::from_utf8_lossy(fields.message).into_owned(),
            body,
        }
    }
}
