//! The server's process as the member knows it, and what is in force in it.
//!
//! All that is not known is taken for the worst: a quorum is set again, a source is pointed at again, an unfinished promotion starts over.

use crate::database::{LocalStatus, LogEnd, Peer, Quorum, Settings, SettingsOutcome, TermRow};
use crate::election::action::Run;
use crate::election::event::Silence;
use crate::election::moment::Moment;
use crate::position::LogPosition;
use crate::topology::Mishap;

/// The server's process.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Server {
    /// The warden has not spoken yet.
    Unknown,
    /// None runs, and nothing that one left behind is alive.
    Down(Down),
    /// One runs.
    Up(Box<Up>),
}

/// A server that does not run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Down {
    /// What happened to the last one; none if it was stopped in order, or none ran since the agent started.
    pub mishap: Option<Mishap>,
    /// Whether the next start is already counted on the volume.
    pub counted: bool,
    /// Whether it was ended because its log is of no use to the primary's.
    pub diverged: bool,
    /// Whether its data was cut back to the primary's history, from which it must go on: by itself it is not whole.
    pub rewound: bool,
}

/// A server that runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Up {
    /// Its run.
    pub run: Run,
    /// Since when it is known to run.
    pub since: Moment,
    /// When something was last done to it: answers to older questions are dropped.
    pub changed: Moment,
    /// What it last said of itself.
    pub status: Option<LocalStatus>,
    /// The moment of asking of the last answer in this run.
    pub answered: Option<Moment>,
    /// Standby: where its log ends, since it receives nothing any more.
    pub end: Option<LogEnd>,
    /// Why it said nothing that counts when it was last asked.
    pub silent: Option<Silence>,
    /// The quorum.
    pub force: Force,
    /// The gate.
    pub gate: Gate,
    /// Whom it follows.
    pub source: Source,
    /// The settings that were applied.
    pub settings: Option<Settings>,
    /// What the engine said of them.
    pub settled: SettingsOutcome,
    /// Where the timeline begins that this run was promoted onto.
    pub promoted: Option<LogPosition>,
    /// The term's row that this run wrote, and where it ends.
    pub row: Option<(TermRow, LogPosition)>,
    /// When a checkpoint before a switchover was last made, or given up.
    pub checkpointed: Option<Moment>,
    /// Whether a promotion or the end of its stream failed: it may be anywhere, and is killed.
    pub botched: bool,
}

/// The quorum that the server waits for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Force {
    /// Whatever the run was left with.
    Unknown,
    /// This one.
    Known {
        /// The quorum.
        quorum: Quorum,
        /// A position taken after it was in force; none if it is there since the start.
        since: Option<LogPosition>,
    },
}

/// The gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gate {
    /// As the run was left.
    Unknown,
    /// Tenants are kept out.
    Shut,
    /// Tenants are let in.
    Open,
}

/// Whom a standby follows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// As the run was left.
    Unknown,
    /// Nobody.
    Alone,
    /// This peer.
    Of(Peer),
}

impl Server {
    /// The server, if one runs.
    pub fn up(&self) -> Option<&Up> {
        match self {
            Self::Up(up) => Some(up),
            Self::Unknown | Self::Down(_) => None,
        }
    }

    pub(in crate::election) fn up_mut(&mut self) -> Option<&mut Up> {
        match self {
            Self::Up(up) => Some(up),
            Self::Unknown | Self::Down(_) => None,
        }
    }
}

impl Up {
    /// A run of which nothing is known but that it is there.
    pub fn found(run: Run, now: Moment) -> Self {
        Self {
            run,
            since: now,
            changed: now,
            status: None,
            answered: None,
            end: None,
            silent: None,
            force: Force::Unknown,
            gate: Gate::Unknown,
            source: Source::Unknown,
            settings: None,
            settled: SettingsOutcome::default(),
            promoted: None,
            row: None,
            checkpointed: None,
            botched: false,
        }
    }

    /// Whether it is known to take writes.
    pub fn writes(&self) -> bool {
        self.promoted.is_some() || self.status.as_ref().is_some_and(|status| !status.in_recovery)
    }
}
