//! What a session may have at its server that cannot be made anew at another.

use std::fmt;

/// Something in a session that cannot be made anew at another server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Trace {
    /// Temporary tables.
    Temporary,
    /// Cursors that outlive their transaction.
    Held,
    /// Advisory locks of the session.
    Locks,
    /// The last value of a sequence is asked for.
    Sequence,
    /// Code ran that may have done anything to its session.
    Code,
    /// Something that the proxy could not follow.
    Unclear,
    /// More was prepared and set than the proxy keeps.
    TooMuch,
    /// Replication.
    Replication,
}

const ALL: [Trace; 8] = [
    Trace::Temporary,
    Trace::Held,
    Trace::Locks,
    Trace::Sequence,
    Trace::Code,
    Trace::Unclear,
    Trace::TooMuch,
    Trace::Replication,
];

impl Trace {
    fn bit(self) -> u8 {
        1 << (self as u8)
    }

    /// What is said of the session: it …
    fn words(self) -> &'static str {
        match self {
            Self::Temporary => "has temporary tables",
            Self::Held => "has a cursor WITH HOLD",
            Self::Locks => "has advisory locks",
            Self::Sequence => "asks for a sequence's last value",
            Self::Code => "ran code that may have changed it (a function of its own, DO or CALL)",
            Self::Unclear => "ran a statement that the proxy could not follow",
            Self::TooMuch => "has prepared more than the proxy keeps",
            Self::Replication => "replicates",
        }
    }
}

/// A set of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::session) struct Traces(u8);

impl Traces {
    pub(in crate::session) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn has(self, trace: Trace) -> bool {
        self.0 & trace.bit() != 0
    }

    pub(super) fn add(&mut self, trace: Trace) {
        self.0 |= trace.bit();
    }

    pub(super) fn wipe(&mut self, trace: Trace) {
        self.0 &= !trace.bit();
    }
}

impl fmt::Display for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = ALL.iter().filter(|trace| self.has(**trace)).map(|trace| trace.words()).collect();
        f.write_str(&words.join(", "))
    }
}
