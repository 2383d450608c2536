//! What an agent has done to a database: made, copied, started, pointed elsewhere, promoted, stopped, killed, rewound.

use super::fleet::{Data, Databases, Torn};
use super::log::{Body, End, Log};
use super::release::Commit;
use super::server::{Role, Server, Source, Wait};
use crate::simulation::names::Who;
use berth_core::election::Run;
use berth_core::{Term, Timeline};

/// Why something was not done.
type Refused = &'static str;

impl Data {
    /// Whether a rewind finds anything to do: it compares timelines and where they were left.
    fn rewinds(&self, theirs: &Self) -> bool {
        self.log.newest() != theirs.log.newest() && self.log.end() > self.log.parts_from(&theirs.log)
    }
}

impl Databases {
    /// Makes a database on an empty volume.
    pub fn initialize(&mut self, who: Who, system: u32) -> Result<(), Refused> {
        let disk = self.disks.entry(who).or_default();
        if disk.data.is_some() {
            return Err("there is a database already");
        }
        let log = Log::made(who);
        let control = log.newest();
        disk.data = Some(Data {
            system,
            log,
            control,
            closed: None,
            consistent: End(0),
            led: false,
            torn: Torn::No,
            source: None,
        });
        Ok(())
    }

    /// The data of a primary that runs, as a copy or a rewind finds it.
    fn served(&self, source: Who) -> Result<Data, Refused> {
        let server = self.servers.get(&source).ok_or("no server runs there")?;
        if !server.writes() || server.stopping {
            return Err("no primary runs there");
        }
        let mut data = self.data(source).ok_or("there is no data")?.clone();
        let flushed = data.log.flushed();
        data.log.cut(flushed);
        // Whoever copies asks for a checkpoint first.
        data.control = data.log.newest();
        (data.closed, data.source, data.torn, data.led) = (None, None, Torn::No, false);
        data.consistent = data.log.end();
        Ok(data)
    }

    /// Copies a primary's data onto an empty volume.
    pub fn clone_from(&mut self, who: Who, source: Who) -> Result<(), Refused> {
        let data = self.served(source)?;
        let disk = self.disks.entry(who).or_default();
        if disk.data.is_some() {
            return Err("there is a database already");
        }
        disk.data = Some(data);
        Ok(())
    }

    /// Takes from the data what the source's history does not have, by the histories alone.
    pub fn rewind(&mut self, who: Who, source: Who) -> Result<(), Refused> {
        if self.servers.contains_key(&who) {
            return Err("the server runs");
        }
        let theirs = self.served(source)?;
        let mine = self.data_mut(who).ok_or("there is no data")?;
        if mine.system != theirs.system {
            return Err("it is another database");
        }
        if mine.torn == Torn::No && !mine.rewinds(&theirs) {
            return Ok(());
        }
        let parts = mine.log.parts_from(&theirs.log);
        // What was before the parting is kept as it is, whatever it holds.
        let mut records = theirs.log.between(parts, theirs.log.end());
        // The last of it was written while the files were copied, and comes by the stream.
        records.pop();
        mine.log.cut(parts);
        mine.log.receive(&records, theirs.log.history());
        mine.log.flush();
        (mine.control, mine.closed, mine.torn, mine.led) = (theirs.control, None, Torn::Rewound, false);
        mine.consistent = theirs.log.end();
        Ok(())
    }

    /// A rewind begins: if it has anything to do, what lies there is no database until it ends.
    pub fn tear(&mut self, who: Who, source: Who) {
        let (Ok(theirs), Some(mine)) = (self.served(source), self.data_mut(who)) else { return };
        if mine.rewinds(&theirs) {
            mine.torn = Torn::Begun;
        }
    }

    /// Starts a server, as a standby.
    pub fn start(
        &mut self,
        who: Who,
        run: Run,
        source: Option<Source>,
        term: Term,
        wait: Wait,
    ) -> Result<(), Refused> {
        if self.servers.contains_key(&who) {
            return Err("a server runs already");
        }
        let data = self.data_mut(who).ok_or("there is no data")?;
        match (data.torn, source) {
            (Torn::Begun, _) => return Err("the data is in the middle of a rewind"),
            (Torn::Rewound, None) => return Err("the data is whole only when it follows"),
            (Torn::Rewound, Some(_)) | (Torn::No, _) => {}
        }
        if std::mem::take(&mut data.led) {
            data.consistent = data.log.end();
        }
        data.closed = None;
        data.source = source;
        self.servers.insert(who, Server::started(run, term, wait));
        Ok(())
    }

    /// Points a standby at a source, or at nobody; its end of the connection is closed.
    pub fn follow(&mut self, who: Who, source: Option<Source>) -> Result<(), Refused> {
        let server = self.servers.get_mut(&who).ok_or("no server runs")?;
        if server.writes() {
            return Err("it is a primary");
        }
        server.receiver = None;
        self.data_mut(who).ok_or("there is no data")?.source = source;
        Ok(())
    }

    /// Ends recovery onto this timeline, and returns where it begins. Its ends of all connections are closed.
    pub fn promote(&mut self, who: Who, timeline: Timeline, led: Term) -> Result<End, Refused> {
        let server = self.servers.get_mut(&who).ok_or("no server runs")?;
        if server.writes() {
            return Err("it is a primary already");
        }
        let data = self.disks.get_mut(&who).and_then(|disk| disk.data.as_mut()).ok_or("there is no data")?;
        if timeline <= data.log.newest() {
            return Err("the number is used already");
        }
        (data.source, data.led) = (None, true);
        let start = data.log.fork(timeline);
        data.log.write(who, Body::Forked);
        data.log.flush();
        server.role = Role::Primary { led };
        server.receiver = None;
        // Who streamed from the standby connects anew.
        server.senders.clear();
        Ok(start)
    }

    /// A checkpoint: control data is as new as the log.
    pub fn checkpoint(&mut self, who: Who) {
        if let Some(data) = self.data_mut(who) {
            data.control = data.log.timeline();
        }
    }

    /// Writes a record of Berth's own, without waiting for anybody, and returns where it ends.
    pub fn note(&mut self, who: Who, body: Body) -> Result<End, Refused> {
        if !self.servers.get(&who).is_some_and(Server::writes) {
            return Err("no primary runs");
        }
        let data = self.data_mut(who).ok_or("there is no data")?;
        data.log.write(who, body);
        data.log.flush();
        Ok(data.log.flushed())
    }

    /// Begins to stop the server in order: tenants are ended, and a primary writes its last record. Returns the commits that nobody will hear of.
    pub fn begin_stop(&mut self, who: Who) -> Vec<Commit> {
        let Some(server) = self.servers.get_mut(&who).filter(|server| !server.stopping) else {
            return Vec::new();
        };
        (server.stopping, server.open) = (true, false);
        let writes = server.writes();
        let lost = std::mem::take(&mut server.pending);
        if let Some(data) = self.data_mut(who).filter(|_| writes) {
            data.log.write(who, Body::Shutdown);
            data.log.flush();
        }
        lost
    }

    /// Whether every standby that is connected has the last record.
    pub fn drained(&self, who: Who) -> bool {
        let end = self.data(who).map_or(End(0), |data| data.log.end());
        self.servers.get(&who).is_none_or(|server| {
            !server.writes() || server.senders.values().all(|sender| sender.glimpse || sender.reported >= end)
        })
    }

    /// Ends a stop that was begun.
    pub fn end_stop(&mut self, who: Who) {
        let writes = self.servers.get(&who).is_some_and(Server::writes);
        self.vanish(who);
        if let Some(data) = self.data_mut(who).filter(|_| writes) {
            data.closed = Some(End(data.log.end().0.saturating_sub(1)));
            data.control = data.log.timeline();
        }
    }

    /// Kills the server. Of what it had not flushed, `kept` records are in its log all the same. Returns the commits that nobody will hear of.
    pub fn kill(&mut self, who: Who, kept: usize) -> Vec<Commit> {
        let Some(server) = self.vanish(who) else { return Vec::new() };
        self.crash(who, kept);
        server.pending
    }

    /// What was written and not flushed is lost, but for `kept` records.
    pub fn crash(&mut self, who: Who, kept: usize) {
        if let Some(data) = self.data_mut(who) {
            let keep = data.log.flushed().plus(kept);
            data.log.crash(keep);
        }
    }

    /// The server is gone. Its own end of each connection goes with it; the other ends find out by themselves.
    fn vanish(&mut self, who: Who) -> Option<Server> {
        self.servers.remove(&who)
    }
}
