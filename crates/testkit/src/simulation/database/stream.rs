//! How a log gets from a source to a standby, and what is looked at before it does: the timeline and the position, and nothing else.

use super::fleet::Databases;
use super::log::{Branch, End, Record};
use super::server::{Role, Sender};
use crate::simulation::names::Who;

/// What comes of a standby's attempt to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// It streams.
    Streams,
    /// The standby's log went further on a timeline than the source's did. It is connected for a moment, says how far it has flushed, and gives up.
    Glimpse,
    /// Nothing comes of it.
    Refused(&'static str),
}

/// Records on their way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shipment {
    /// Where they follow on.
    pub from: End,
    /// The records.
    pub records: Vec<Record>,
    /// The source's history.
    pub history: Vec<Branch>,
}

impl Databases {
    /// Connects a standby to its source.
    pub fn connect(&mut self, standby: Who) -> Connection {
        let Some(data) = self.data(standby) else { return Connection::Refused("it has no data") };
        let Some(source) = data.source else { return Connection::Refused("it follows nobody") };
        let Some(run) =
            self.servers.get(&standby).filter(|server| server.role == Role::Standby).map(|it| it.run)
        else {
            return Connection::Refused("it is no standby");
        };
        let from = source.address.who;
        let (Some(theirs), Some(server)) = (self.data(from), self.servers.get(&from)) else {
            return Connection::Refused("no server runs there");
        };
        if server.stopping || theirs.system != data.system {
            return Connection::Refused("the source does not take it");
        }
        if server.senders.contains_key(&standby) {
            return Connection::Refused("its slot is still in use");
        }
        let asked = data.log.newest();
        let Some(left) = theirs.log.left(asked) else {
            return Connection::Refused("the source was never on its timeline");
        };
        let glimpse = asked != theirs.log.newest() && data.log.end() > left;
        let sender = Sender {
            term: source.term,
            run,
            reported: End(0),
            sent: data.log.end(),
            streaming: glimpse || data.log.end() >= theirs.log.flushed(),
            read: server.wait.clone(),
            glimpse,
        };
        if let Some(server) = self.servers.get_mut(&from) {
            server.senders.insert(standby, sender);
        }
        if let Some(server) = self.servers.get_mut(&standby) {
            server.receiver = Some(source);
        }
        if glimpse { Connection::Glimpse } else { Connection::Streams }
    }

    /// What the source sends next: at most so many records.
    pub fn ship(&mut self, source: Who, standby: Who, most: usize) -> Option<Shipment> {
        let log = &self.disks.get(&source)?.data.as_ref()?.log;
        let sender = self.servers.get_mut(&source)?.senders.get_mut(&standby)?;
        if sender.glimpse {
            return None;
        }
        let from = sender.sent;
        let to = log.flushed().min(from.plus(most));
        sender.streaming |= to >= log.flushed();
        if to <= from {
            return None;
        }
        sender.sent = to;
        Some(Shipment { from, records: log.between(from, to), history: log.history().to_vec() })
    }

    /// The standby writes what arrived. False if it does not follow on what it has.
    pub fn receive(&mut self, standby: Who, shipment: &Shipment) -> bool {
        let Some(data) = self.data_mut(standby) else { return false };
        if data.log.end() != shipment.from {
            return false;
        }
        data.log.receive(&shipment.records, &shipment.history);
        true
    }

    /// Makes all of a member's log last, and says how far that is.
    pub fn flush(&mut self, who: Who) -> End {
        self.data_mut(who).map_or(End(0), |data| {
            data.log.flush();
            data.log.flushed()
        })
    }
}
