//! Errors and notices: those that the proxy sends, and the reading of those that a server sends.

use super::message::{Reader, frame};
use bytes::{BufMut, BytesMut};

/// The SQLSTATEs that the proxy itself answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SqlState {
    /// 08006: the connection to the database broke and nothing that was in flight can have been committed.
    ConnectionFailure,
    /// 08007: it broke while a commit was in flight; whether it happened is not known.
    ResolutionUnknown,
    /// 08P01: the client does not keep to the protocol.
    ProtocolViolation,
    /// 0A000: not something that the proxy can do.
    FeatureNotSupported,
    /// 28000: the client may not come in this way.
    InvalidAuthorization,
    /// 28P01: wrong password, or a role or cluster that does not exist.
    InvalidPassword,
    /// 53100: the primary's volume is full.
    DiskFull,
    /// 53300: too many connections.
    TooManyConnections,
    /// 57014: the client asked that the statement be given up.
    QueryCanceled,
    /// 57P01: the server ends the session; the client may connect again at once.
    AdminShutdown,
    /// 57P03: no primary in time.
    CannotConnectNow,
}

impl SqlState {
    /// Its five characters.
    pub fn code(self) -> &'static str {
        match self {
            Self::ConnectionFailure => "08006",
            Self::ResolutionUnknown => "08007",
            Self::ProtocolViolation => "08P01",
            Self::FeatureNotSupported => "0A000",
            Self::InvalidAuthorization => "28000",
            Self::InvalidPassword => "28P01",
            Self::DiskFull => "53100",
            Self::TooManyConnections => "53300",
            Self::QueryCanceled => "57014",
            Self::AdminShutdown => "57P01",
            Self::CannotConnectNow => "57P03",
        }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed; the session goes on.
    Error,
    /// The session ends.
    Fatal,
}

/// An `ErrorResponse` of the proxy's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How bad it is.
    pub severity: Severity,
    /// Its SQLSTATE.
    pub state: SqlState,
    /// What happened.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Report {
    /// One that ends the session.
    pub fn fatal(state: SqlState, message: impl Into<String>) -> Self {
        Self { severity: Severity::Fatal, state, message: message.into(), hint: None }
    }

    /// One that ends the statement only.
    pub fn error(state: SqlState, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, state, message: message.into(), hint: None }
    }

    /// With advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Appends it as an `ErrorResponse`.
    pub fn put(&self, out: &mut BytesMut) {
        let severity = match self.severity {
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
        };
        frame(out, b'E', |out| {
            let mut field = |kind: u8, text: &str| {
                out.put_u8(kind);
                // A zero would end the field early and shift all that follows.
                out.extend(text.bytes().filter(|b| *b != 0));
                out.put_u8(0);
            };
            field(b'S', severity);
            field(b'V', severity);
            field(b'C', self.state.code());
            field(b'M', &self.message);
            if let Some(hint) = &self.hint {
                field(b'H', hint);
            }
            out.put_u8(0);
        });
    }
}

/// What matters of an `ErrorResponse` or `NoticeResponse` of a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    /// The severity that is not translated (`V`).
    pub severity: &'a [u8],
    /// The SQLSTATE.
    pub code: &'a [u8],
    /// The text, in the server's language.
    pub message: &'a [u8],
    /// The function in the server's source that raised it: unlike the text, it is not translated.
    pub routine: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Reads a body as far as it is well-formed; what is missing stays empty.
    pub fn parse(body: &'a [u8]) -> Self {
        let mut fields = Self::default();
        let mut reader = Reader(body);
        while let Ok(kind @ 1..) = reader.u8() {
            let Ok(text) = reader.cstr() else { break };
            match kind {
                b'V' => fields.severity = text,
                b'C' => fields.code = text,
                b'M' => fields.message = text,
                b'R' => fields.routine = text,
                _ => {}
            }
        }
        fields
    }

    /// Whether the server ends the session after this.
    pub fn ends_session(&self) -> bool {
        matches!(self.severity, b"FATAL" | b"PANIC")
    }

    /// Whether this is the warning that a commit was made locally while the wait for its replicas was given up. It is known
    /// by the function that raises it, because its text is translated.
    pub fn gives_up_replication(&self) -> bool {
        self.severity == b"WARNING" && self.routine == b"SyncRepWaitForLSN"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_error_is_read_as_it_was_written() {
        let mut out = BytesMut::new();
        Report::fatal(SqlState::AdminShutdown, "the\0end").hint("again").put(&mut out);
        let fields = Fields::parse(&out[5..]);
        assert_eq!(fields.code, b"57P01");
        assert_eq!(fields.message, b"theend");
        assert!(fields.ends_session());
    }

    #[test]
    fn the_warning_of_an_abandoned_wait_is_known_by_its_routine() {
        let german = b"SWARNUNG\0VWARNING\0C01000\0Mstorniere Warten\0RSyncRepWaitForLSN\0\0";
        assert!(Fields::parse(german).gives_up_replication());
        assert!(!Fields::parse(b"VWARNING\0C01000\0RExecNothing\0\0").gives_up_replication());
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Fields::parse(&bytes);
        }
    }
}
