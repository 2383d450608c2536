//! Streams of the log: a standby connects, receives all that there is, flushes it and says so, in one step.

use crate::world::World;
use berth_testkit::simulation::database::{Connection, Databases, End, Role, Server, Source};
use berth_testkit::simulation::names::Who;

/// More records than any path here has.
const ALL: usize = 1_000;

impl World {
    /// Whom the standby's stream comes or would come from, if the way to it is open.
    fn source(&self, standby: Who) -> Option<Who> {
        let server = self.databases.servers.get(&standby).filter(|server| server.role == Role::Standby)?;
        let source = server.receiver.or(self.databases.data(standby)?.source)?;
        self.answers(standby, source)
    }

    /// Who answers a standby at this address.
    pub(crate) fn answers(&self, standby: Who, source: Source) -> Option<Who> {
        let from = source.address.who;
        let there = self.members.get(&from).is_some_and(|member| member.address(from) == source.address);
        (there && self.reaches(standby, from) && self.databases.servers.contains_key(&from)).then_some(from)
    }

    /// Whether anything comes of a standby's next attempt.
    pub(crate) fn streams(&self, standby: Who) -> bool {
        let Some(from) = self.source(standby) else { return false };
        let streams = |server: &Server| server.receiver.is_some();
        if self.databases.servers.get(&standby).is_some_and(streams) {
            return self.lags(from, standby);
        }
        let mut after = self.databases.clone();
        pass(&mut after, from, standby, &mut |_, _| {});
        after != self.databases
    }

    /// Whether a connection has something to send or to say.
    fn lags(&self, from: Who, standby: Who) -> bool {
        let (Some(server), Some(theirs), Some(mine)) =
            (self.databases.servers.get(&from), self.databases.data(from), self.databases.data(standby))
        else {
            return false;
        };
        server.senders.get(&standby).is_some_and(|sender| {
            sender.sent < theirs.log.flushed()
                || sender.reported < mine.log.end()
                || sender.read != server.wait
                || (!sender.streaming && sender.reported >= theirs.log.flushed())
        })
    }

    pub(crate) fn receives(&mut self, standby: Who) {
        let Some(from) = self.source(standby) else { return };
        let mut released = Vec::new();
        pass(&mut self.databases, from, standby, &mut |databases, flushed| {
            let read = databases.read_by(from, standby);
            for commit in databases.reported(from, standby, flushed) {
                released.push((commit, read.clone()));
            }
        });
        for (commit, read) in released {
            self.acknowledge(from, commit, read.as_ref());
        }
    }

    /// All connections of a member end, at both ends.
    pub(crate) fn hang_up(&mut self, who: Who) {
        let servers: Vec<Who> = self.databases.servers.keys().copied().collect();
        for other in servers {
            self.databases.close_sender(other, who);
            let from = self.databases.servers.get(&other).and_then(|server| server.receiver);
            if from.is_some_and(|source| source.address.who == who) {
                self.databases.close_receiver(other);
            }
        }
        self.databases.close_receiver(who);
        if let Some(server) = self.databases.servers.get_mut(&who) {
            server.senders.clear();
        }
    }
}

/// Lets a standby connect if it is not connected, and takes what the source has. `report` is told how far the standby says that it has flushed.
fn pass(databases: &mut Databases, from: Who, standby: Who, report: &mut dyn FnMut(&mut Databases, End)) {
    let connected = databases.servers.get(&standby).is_some_and(|server| server.receiver.is_some());
    let mut said = |databases: &mut Databases| {
        let flushed = databases.flush(standby);
        databases.reread(from, standby);
        report(databases, flushed);
    };
    if connected {
        while let Some(shipment) = databases.ship(from, standby, ALL) {
            if !databases.receive(standby, &shipment) {
                break;
            }
        }
        return said(databases);
    }
    match databases.connect(standby) {
        Connection::Refused(_) => {}
        Connection::Streams => said(databases),
        Connection::Glimpse => {
            said(databases);
            databases.close_sender(from, standby);
            databases.close_receiver(standby);
        }
    }
}
