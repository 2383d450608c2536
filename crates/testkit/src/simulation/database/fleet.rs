//! All databases of a cluster: what lies on the volumes, and the servers that run on them.

use super::log::{Branch, End, Log};
use super::server::{Role, Server, Source};
use crate::simulation::names::Who;
use berth_core::Timeline;
use berth_core::database::{LocalStatus, LogEnd, Standby, Volume};
use berth_core::election::Ledger;
use std::collections::BTreeMap;

/// What a member's volume holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Disk {
    /// The ledger.
    pub ledger: Option<Ledger>,
    /// The database.
    pub data: Option<Data>,
}

/// A database on a volume.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Data {
    /// The engine's identity of the data.
    pub system: u32,
    /// The log.
    pub log: Log,
    /// The timeline in its control data: that of the last checkpoint or restart point, which may be long ago.
    pub control: Timeline,
    /// If it was stopped in order as a primary: where its last record begins.
    pub closed: Option<End>,
    /// How far a server must come before it answers: all of it, if it led when it died; perhaps less, if it was a standby.
    pub consistent: End,
    /// Its last server led.
    pub led: bool,
    /// How far a rewind of it has come.
    pub torn: Torn,
    /// Whom its server follows.
    pub source: Option<Source>,
}

/// How far a rewind has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Torn {
    /// There is none.
    No,
    /// It has begun: no server starts on it.
    Begun,
    /// It has ended: a server that follows may start on it.
    Rewound,
}

/// All databases of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Databases {
    /// The volumes.
    pub disks: BTreeMap<Who, Disk>,
    /// The servers that run.
    pub servers: BTreeMap<Who, Server>,
}

impl Databases {
    /// A member's database.
    pub fn data(&self, who: Who) -> Option<&Data> {
        self.disks.get(&who)?.data.as_ref()
    }

    pub(super) fn data_mut(&mut self, who: Who) -> Option<&mut Data> {
        self.disks.get_mut(&who)?.data.as_mut()
    }

    /// What lies on the volume, as the engine tells it without a server.
    pub fn volume(&self, who: Who) -> Volume {
        self.data(who).map_or(Volume::Empty, |data| Volume::Present {
            system: data.system.to_string(),
            timeline: data.control,
            closed: data.closed.map(End::position),
            torn: data.torn != Torn::No,
        })
    }

    /// Whether the data has come so far that a server on it answers. A rewind is over then.
    pub fn is_whole(&mut self, who: Who) -> bool {
        let Some(data) = self.data_mut(who) else { return false };
        let whole = data.log.end() >= data.consistent;
        if whole && data.torn == Torn::Rewound {
            data.torn = Torn::No;
        }
        whole
    }

    /// What the server says of itself. `replayed` is how much of its own log a standby has come to since its start.
    pub fn status(&self, who: Who, replayed: End) -> Option<LocalStatus> {
        let (data, server) = (self.data(who)?, self.servers.get(&who)?);
        let in_recovery = server.role == Role::Standby;
        let receiving = in_recovery && server.receiver.is_some();
        let known = if receiving { data.log.end() } else { replayed.min(data.log.end()) };
        let standbys = server.senders.iter().map(|(standby, sender)| Standby {
            member: standby.member(),
            term: sender.term,
            streaming: sender.streaming,
            flushed: sender.reported.position(),
            counted: sender.counts(*standby),
        });
        Some(LocalStatus {
            in_recovery,
            timeline: if in_recovery && !receiving { data.control } else { data.log.newest() },
            position: if in_recovery { known } else { data.log.flushed() }.position(),
            receiving,
            behind: receiving.then(|| self.behind(who, data).unwrap_or(0)),
            standbys: if in_recovery { Vec::new() } else { standbys.collect() },
            transactions: u32::try_from(server.pending.len()).unwrap_or(u32::MAX),
        })
    }

    fn behind(&self, who: Who, data: &Data) -> Option<u64> {
        let source = self.servers.get(&who)?.receiver?.address.who;
        let end = self.data(source)?.log.flushed().position();
        Some(end.0.saturating_sub(data.log.end().position().0))
    }

    /// Where a standby's log ends, exactly.
    pub fn log_end(&self, who: Who) -> Option<LogEnd> {
        let log = &self.data(who)?.log;
        Some(LogEnd { timeline: log.timeline(), position: log.end().position() })
    }

    /// The history of a member's log.
    pub fn history(&self, who: Who) -> &[Branch] {
        self.data(who).map_or(&[], |data| data.log.history())
    }

    /// Closes a source's end of a standby's connection.
    pub fn close_sender(&mut self, source: Who, standby: Who) {
        if let Some(server) = self.servers.get_mut(&source) {
            server.senders.remove(&standby);
        }
    }

    /// Closes a standby's end of its connection.
    pub fn close_receiver(&mut self, standby: Who) {
        if let Some(server) = self.servers.get_mut(&standby) {
            server.receiver = None;
        }
    }
}
