//! A server that runs: what it is, whom it follows, who follows it, and whom its commits wait for.

use super::log::End;
use super::release::Commit;
use crate::simulation::names::{Address, Who};
use berth_core::Term;
use berth_core::database::{Peer, Quorum};
use berth_core::election::Run;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Whom commits wait for, as a setting.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Wait {
    /// Nobody is waited for.
    None,
    /// Somebody who never comes.
    Nobody,
    /// So many of these, under their names of the term.
    Any {
        /// How many.
        acks: u32,
        /// Of whom.
        members: BTreeSet<Who>,
        /// Their names'.
        term: Term,
    },
}

impl From<&Quorum> for Wait {
    fn from(quorum: &Quorum) -> Self {
        match quorum {
            Quorum::None => Self::None,
            Quorum::Nobody => Self::Nobody,
            Quorum::Any { acks, members, term } => {
                Self::Any { acks: *acks, members: members.iter().filter_map(Who::of).collect(), term: *term }
            }
        }
    }
}

impl Wait {
    /// Whether it names a standby.
    pub fn names(&self, standby: Who, under: Term) -> bool {
        match self {
            Self::None | Self::Nobody => false,
            Self::Any { members, term, .. } => *term == under && members.contains(&standby),
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("nobody is waited for"),
            Self::Nobody => f.write_str("somebody who never comes"),
            Self::Any { acks, members, term } => write!(f, "{acks} of {members:?} as of term {term}"),
        }
    }
}

/// Whom a standby follows, as it stands in its settings on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source {
    /// Where.
    pub address: Address,
    /// The term in the standby's own name.
    pub term: Term,
}

impl Source {
    /// From production's own words; none if the address is not one that was ever given out.
    pub fn of(peer: &Peer) -> Option<Self> {
        let address =
            Address::parse(&peer.address).filter(|address| Who::of(&peer.member) == Some(address.who))?;
        Some(Self { address, term: peer.term })
    }
}

/// What a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// In recovery.
    Standby,
    /// Read-write.
    Primary {
        /// The term that it was promoted for.
        led: Term,
    },
}

/// One standby's connection, at its source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sender {
    /// The term in the standby's name.
    pub term: Term,
    /// Which run of the standby's server it is with.
    pub run: Run,
    /// How far the standby says that it has flushed.
    pub reported: End,
    /// How far was sent.
    pub sent: End,
    /// Whether it has caught up once, and so may count.
    pub streaming: bool,
    /// The setting that it last read, by which it releases commits.
    pub read: Wait,
    /// It is about to find that the standby's log went another way: nothing is sent.
    pub glimpse: bool,
}

impl Sender {
    /// Whether it counts for the commits of the server that it belongs to.
    pub fn counts(&self, standby: Who) -> bool {
        self.streaming && self.read.names(standby, self.term)
    }
}

/// A server that runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Server {
    /// The run, of the pod that it is in.
    pub run: Run,
    /// What it is.
    pub role: Role,
    /// The term in its settings, which clients read back.
    pub term: Term,
    /// The source that it streams from now.
    pub receiver: Option<Source>,
    /// Whom commits wait for, as it stands in the file.
    pub wait: Wait,
    /// Whether commits wait at all.
    pub armed: bool,
    /// Who streams from it.
    pub senders: BTreeMap<Who, Sender>,
    /// How far commits have been released.
    pub released: End,
    /// Commits that wait for their standbys.
    pub pending: Vec<Commit>,
    /// Whether tenants are let in.
    pub open: bool,
    /// It is being stopped in order.
    pub stopping: bool,
}

impl Server {
    /// A standby that has just been started.
    pub fn started(run: Run, term: Term, wait: Wait) -> Self {
        Self {
            run,
            role: Role::Standby,
            term,
            receiver: None,
            armed: wait != Wait::None,
            wait,
            senders: BTreeMap::new(),
            released: End(0),
            pending: Vec::new(),
            open: false,
            stopping: false,
        }
    }

    /// Whether it is read-write.
    pub fn writes(&self) -> bool {
        self.led().is_some()
    }

    /// The term that it leads.
    pub fn led(&self) -> Option<Term> {
        match self.role {
            Role::Standby => None,
            Role::Primary { led } => Some(led),
        }
    }
}
