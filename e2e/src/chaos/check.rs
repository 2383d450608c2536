//! What the workloads saw, held against what was promised. Pure: histories in, findings out.
//!
//! Each operation has one of three fates. *Unknown* is neither success nor failure: the client was told so (08007), or the connection ended
//! before the answer to a COMMIT came. What is unknown may be there or not, and is counted apart.

pub mod bank;
pub mod lists;
pub mod register;
pub mod sequence;

use std::fmt;

pub use lists::Lists;
pub use register::Register;
pub use sequence::Sequence;

/// How an operation ended for the client that sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was told that it happened.
    Acknowledged,
    /// It was told that it did not happen.
    Refused,
    /// Nobody told it either.
    Unknown,
}

/// What is wrong with a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// An acknowledged write is not there.
    Lost,
    /// A write is there more than once.
    Twice,
    /// A write is there that was refused or that nobody sent.
    Ghost,
    /// A read showed less than one before it, or less than what was acknowledged before it began.
    WentBack,
    /// Two reads of a list, none of which is the beginning of the other.
    Forked,
    /// Money came or went.
    Sum,
    /// A client saw an error in what was planned.
    PlannedError,
    /// An application was told that the database is read-only.
    ReadOnly,
    /// The system did not become whole again.
    Stuck,
}

impl Wrong {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Twice => "twice",
            Self::Ghost => "ghost",
            Self::WentBack => "went-back",
            Self::Forked => "forked",
            Self::Sum => "sum",
            Self::PlannedError => "planned-error",
            Self::ReadOnly => "read-only",
            Self::Stuck => "stuck",
        }
    }
}

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Of which kind.
    pub wrong: Wrong,
    /// What exactly, for a person.
    pub what: String,
}

impl Finding {
    /// Says what is wrong.
    pub fn new(wrong: Wrong, what: impl Into<String>) -> Self {
        Self { wrong, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.wrong.name(), self.what)
    }
}

/// The fate of a write by how its client's call ended.
///
/// `code` is the SQLSTATE, or nothing if no answer came at all. `decisive` says whether what was sent could commit by itself: a COMMIT, or a
/// statement outside of a transaction. Before a COMMIT was sent, nothing that breaks can have committed.
pub fn fate(code: Option<&str>, decisive: bool) -> Fate {
    match (code, decisive) {
        (Some("08007"), _) | (None, true) => Fate::Unknown,
        (Some(_), _) | (None, false) => Fate::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_could_have_committed_is_unknown() {
        assert_eq!(fate(Some("08007"), true), Fate::Unknown);
        assert_eq!(fate(None, true), Fate::Unknown);
        assert_eq!(fate(None, false), Fate::Refused);
        assert_eq!(fate(Some("57P01"), true), Fate::Refused);
        assert_eq!(fate(Some("08006"), true), Fate::Refused);
    }
}
