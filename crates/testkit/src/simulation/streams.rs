//! Replication in simulated time: connections that stop at any point, records that are received and not flushed, flushes that nobody
//! hears of, and connections of which one end does not know that the other is gone.

use super::database::{Commit, Committed, Connection, End, Shipment, Wait};
use super::happening::{Happening, Life, ToServer};
use super::names::Who;
use super::network::{Place, Plane, Way};
use super::world::World;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a standby waits before it tries its source again.
const RETRY: Duration = Duration::from_millis(500);
/// How long something waits on an edge that is cut before it is sent again.
const RESEND: Duration = Duration::from_millis(200);

/// A source's end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sending {
    pub connection: u64,
    /// Whether records are on their way.
    pub busy: bool,
}

/// The connections, each with two ends.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// By source and standby.
    pub sending: BTreeMap<(Who, Who), Sending>,
    /// By standby: from whom.
    pub receiving: BTreeMap<Who, (Who, u64)>,
}

impl World {
    /// Something happens to a server that is at work.
    pub(super) fn server_does(&mut self, who: Who, life: Life, what: ToServer) {
        match what {
            ToServer::Connects { attempt } => {
                if self.process(who, life).is_some_and(|process| process.attempt == attempt) {
                    self.connects(who);
                }
            }
            ToServer::Lands { connection, from, shipment } => self.lands(who, connection, from, shipment),
            ToServer::Flushes { connection, from } => self.flushes(who, connection, from),
            ToServer::Reports { connection, standby, flushed } => {
                self.reports(who, connection, standby, flushed);
            }
            ToServer::Rereads { connection, standby } => {
                if self.is_sending(who, standby, connection) {
                    self.databases.reread(who, standby);
                }
            }
            ToServer::Arms => {
                self.databases.arm(who, true);
            }
            ToServer::Commits { commit } => self.commits(who, commit),
            ToServer::Asked { proxy, term, asking } => self.asked(who, life, proxy, term, asking),
            ToServer::Checkpoints => self.databases.checkpoint(who),
        }
    }

    fn is_sending(&self, source: Who, standby: Who, connection: u64) -> bool {
        self.connections.sending.get(&(source, standby)).is_some_and(|it| it.connection == connection)
    }

    fn is_receiving(&self, standby: Who, connection: u64) -> bool {
        self.connections.receiving.get(&standby).is_some_and(|(_, it)| *it == connection)
    }

    /// A standby will try its source.
    pub(super) fn connect_soon(&mut self, who: Who) {
        let pause = self.millis(1, 30);
        self.connect_after(who, pause);
    }

    fn connect_after(&mut self, who: Who, pause: Duration) {
        let Some(process) = self.member(who).and_then(|member| member.process_mut()) else { return };
        process.attempt += 1;
        let (life, attempt) = (process.life, process.attempt);
        self.plan(pause, Happening::Server { who, life, what: ToServer::Connects { attempt } });
    }

    fn connects(&mut self, who: Who) {
        let Some(source) = self.databases.data(who).and_then(|data| data.source) else { return };
        let standby = self.databases.servers.get(&who).is_some_and(|server| !server.writes());
        if !standby || self.connections.receiving.contains_key(&who) {
            return;
        }
        let replayed = self.replayed_at(who).is_some_and(|at| at <= self.now);
        if !replayed || !self.source_answers(who, source) {
            return self.connect_after(who, RETRY);
        }
        let connection = self.number();
        let from = source.address.who;
        let answer = self.databases.connect(who);
        match answer {
            Connection::Refused(reason) => {
                self.say(&who, || format!("its stream from {from} is refused: {reason}"));
                return self.connect_after(who, RETRY);
            }
            Connection::Streams => self.say(&who, || format!("streams from {from} in term {}", source.term)),
            Connection::Glimpse => {
                self.say(&who, || {
                    format!("went another way than {from}, and says so in term {}", source.term)
                });
                let end = self.millis(5, 100);
                self.plan(end, Happening::Closes { connection, source: from, standby: who });
            }
        }
        self.connections.sending.insert((from, who), Sending { connection, busy: false });
        self.connections.receiving.insert(who, (from, connection));
        let flushed = self.databases.data(who).map_or(End(0), |data| data.log.flushed());
        self.report(who, from, connection, flushed);
        self.kick(from);
    }

    pub(super) fn life(&self, who: Who) -> Option<Life> {
        self.members.get(&who)?.process().map(|process| process.life)
    }

    /// A source has something new: each standby that waits for more is sent it.
    pub(super) fn kick(&mut self, source: Who) {
        let standbys: Vec<(Who, u64)> = self
            .connections
            .sending
            .range((source, Who(0))..=(source, Who(u8::MAX)))
            .filter(|(_, sending)| !sending.busy)
            .map(|((_, standby), sending)| (*standby, sending.connection))
            .collect();
        for (standby, connection) in standbys {
            let most = usize::try_from(1 + self.random.below(4)).unwrap_or(1);
            let Some(shipment) = self.databases.ship(source, standby, most) else { continue };
            if let Some(sending) = self.connections.sending.get_mut(&(source, standby)) {
                sending.busy = true;
            }
            let slow = self.members.get(&standby).is_some_and(|member| member.behind > 0);
            let delay = if slow { self.millis(100, 2_500) } else { self.delay() };
            self.send_records(standby, source, connection, Box::new(shipment), delay);
        }
    }

    fn send_records(
        &mut self,
        standby: Who,
        from: Who,
        connection: u64,
        shipment: Box<Shipment>,
        delay: Duration,
    ) {
        let Some(life) = self.life(standby) else { return };
        let what = ToServer::Lands { connection, from, shipment };
        self.plan(delay, Happening::Server { who: standby, life, what });
    }

    fn lands(&mut self, who: Who, connection: u64, from: Who, shipment: Box<Shipment>) {
        if !self.is_receiving(who, connection) {
            return;
        }
        if !self.network.passes(Way::between(from, who, Plane::Data)) {
            return self.send_records(who, from, connection, shipment, RESEND);
        }
        if !self.databases.receive(who, &shipment) {
            return;
        }
        let delay = self.disk(who);
        if let Some(life) = self.life(who) {
            self.plan(delay, Happening::Server { who, life, what: ToServer::Flushes { connection, from } });
            self.kick(who);
        }
        if self.is_sending(from, who, connection) {
            if let Some(sending) = self.connections.sending.get_mut(&(from, who)) {
                sending.busy = false;
            }
            if !self.frozen(from) {
                self.kick(from);
            }
        }
    }

    pub(super) fn frozen(&self, who: Who) -> bool {
        self.members.get(&who).and_then(|member| member.process()).is_some_and(|process| process.frozen)
    }

    fn flushes(&mut self, who: Who, connection: u64, from: Who) {
        let flushed = self.databases.flush(who);
        if self.is_receiving(who, connection) {
            self.report(who, from, connection, flushed);
        }
    }

    fn report(&mut self, standby: Who, source: Who, connection: u64, flushed: End) {
        let delay = self.delay();
        self.report_after(standby, source, connection, flushed, delay);
    }

    fn report_after(&mut self, standby: Who, source: Who, connection: u64, flushed: End, delay: Duration) {
        let Some(life) = self.life(source) else { return };
        let what = ToServer::Reports { connection, standby, flushed };
        self.plan(delay, Happening::Server { who: source, life, what });
    }

    fn reports(&mut self, who: Who, connection: u64, standby: Who, flushed: End) {
        if !self.is_sending(who, standby, connection) {
            return;
        }
        if !self.network.passes(Way::between(standby, who, Plane::Data)) {
            return self.report_after(standby, who, connection, flushed, RESEND);
        }
        let read = self.databases.read_by(who, standby);
        for commit in self.databases.reported(who, standby, flushed) {
            self.acknowledge(who, commit, read.as_ref());
        }
        self.kick(who);
    }

    fn commits(&mut self, who: Who, commit: Commit) {
        self.databases.flush(who);
        match self.databases.commit(who, commit) {
            Committed::Waits => {}
            Committed::Released => self.acknowledge(who, commit, None),
            Committed::Unwaited => self.acknowledge(who, commit, Some(&Wait::None)),
        }
        self.kick(who);
    }

    /// A checkpoint after a promotion, sooner or later.
    pub(super) fn checkpoints_later(&mut self, who: Who, life: Life) {
        let pause = self.millis(50, 4_000);
        self.plan(pause, Happening::Server { who, life, what: ToServer::Checkpoints });
    }

    /// Each walsender reads the setting that was just written when it comes to it: soon, most of the time.
    pub(super) fn walsenders_read_later(&mut self, who: Who, life: Life) {
        let senders: Vec<(Who, u64)> = self
            .connections
            .sending
            .range((who, Who(0))..=(who, Who(u8::MAX)))
            .map(|((_, standby), sending)| (*standby, sending.connection))
            .collect();
        for (standby, connection) in senders {
            let pause = if self.random.once_in(15) { self.millis(200, 4_000) } else { self.millis(1, 40) };
            let what = ToServer::Rereads { connection, standby };
            self.plan(pause, Happening::Server { who, life, what });
        }
    }

    /// A standby ends its stream; the source hears of it if the way is open.
    pub(super) fn hang_up(&mut self, standby: Who) {
        self.databases.close_receiver(standby);
        let Some((source, connection)) = self.connections.receiving.remove(&standby) else { return };
        self.closes_later(connection, source, standby, false);
    }

    /// A server is gone, with its end of each connection.
    pub(super) fn connections_end(&mut self, who: Who, silently: bool) {
        if let Some((source, connection)) = self.connections.receiving.remove(&who) {
            self.databases.close_receiver(who);
            self.closes_later(connection, source, who, silently);
        }
        let sending: Vec<((Who, Who), u64)> = self
            .connections
            .sending
            .range((who, Who(0))..=(who, Who(u8::MAX)))
            .map(|(key, sending)| (*key, sending.connection))
            .collect();
        for ((_, standby), connection) in sending {
            self.connections.sending.remove(&(who, standby));
            self.databases.close_sender(who, standby);
            self.closes_later(connection, who, standby, silently);
        }
    }

    fn closes_later(&mut self, connection: u64, source: Who, standby: Who, silently: bool) {
        let way = Way::between(source, standby, Plane::Data);
        let heard = !silently && self.network.connects(way);
        let pause = if heard { self.millis(1, 20) } else { self.millis(2_000, 6_000) };
        self.plan(pause, Happening::Closes { connection, source, standby });
    }

    /// What is left of a connection ends, and the standby tries again.
    pub(super) fn closes(&mut self, connection: u64, source: Who, standby: Who) {
        if self.is_sending(source, standby, connection) {
            self.connections.sending.remove(&(source, standby));
            self.databases.close_sender(source, standby);
        }
        if self.is_receiving(standby, connection) {
            self.connections.receiving.remove(&standby);
            self.databases.close_receiver(standby);
            self.connect_after(standby, RETRY);
        }
    }

    /// Whoever speaks over an edge that was cut finds after a while that nothing comes, if it still does not.
    pub(super) fn stalls(&mut self, a: Place, b: Place) {
        let (Place::Member(a), Place::Member(b)) = (a, b) else { return };
        for (source, standby) in [(a, b), (b, a)] {
            let cut = !self.network.connects(Way::between(source, standby, Plane::Data));
            let frozen = self.frozen(source) || self.frozen(standby);
            let Some(sending) = self.connections.sending.get(&(source, standby)) else { continue };
            if cut || frozen {
                let connection = sending.connection;
                self.say(&standby, || format!("its stream from {source} is given up"));
                self.closes(connection, source, standby);
            }
        }
    }
}
