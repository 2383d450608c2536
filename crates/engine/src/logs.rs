//! What an engine writes to its stderr, as records: so that a person searches one container's log by one set of fields.
//!
//! The warden reads the bytes and prints the records; it knows no engine. Each dialect's parser is in its adapter.

use crate::postgres::logs::Lines;
use serde::{Deserialize, Serialize};

/// How a server's stderr reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogDialect {
    /// PostgreSQL with the prefix that its adapter sets.
    Postgres,
}

/// How grave a record is, in the words of Berth's own logs. `Error` here does not mean that a person must act: it may be a client's typing error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogLevel {
    /// For those who look for a fault.
    Debug,
    /// An ordinary event.
    Info,
    /// Something odd.
    Warn,
    /// A statement, a session or the server failed.
    Error,
}

impl LogLevel {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// One message of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// When, in RFC 3339; absent where the server did not say.
    pub time: Option<String>,
    /// How grave.
    pub level: LogLevel,
    /// The message, which may have several lines.
    pub message: String,
    /// What else is known, by name: `pid`, `user`, `database`, `sqlstate`, `detail`, `statement` …
    pub fields: Vec<(&'static str, String)>,
}

/// Turns the bytes of one server's stderr into records.
#[derive(Debug)]
pub struct LogParser {
    lines: Lines,
}

impl LogParser {
    /// A parser of one server's output, from its start.
    pub fn new(dialect: LogDialect) -> Self {
        match dialect {
            LogDialect::Postgres => Self { lines: Lines::default() },
        }
    }

    /// Takes the next bytes. `paused` says that nothing more is waiting to be read: a record that is complete so far is then given out at once.
    pub fn feed(&mut self, bytes: &[u8], paused: bool) -> Vec<LogRecord> {
        self.lines.feed(bytes, paused)
    }

    /// The rest, at the end of the output.
    pub fn finish(&mut self) -> Vec<LogRecord> {
        self.lines.finish()
    }
}
