//! When a commit is acknowledged: exactly when a walsender that counts finds, by the setting that it last read, that enough of those who
//! count have flushed it.

use super::fleet::Databases;
use super::log::{Body, End};
use super::server::Wait;
use crate::simulation::names::Who;

/// A tenant's commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Commit {
    /// Its row.
    pub row: u32,
    /// Where its record ends.
    pub end: End,
}

/// What comes of a commit when its record is flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It waits for standbys.
    Waits,
    /// Standbys had flushed so much already.
    Released,
    /// Nobody is waited for.
    Unwaited,
}

impl Databases {
    /// A tenant writes a row: it is in the log, and neither flushed nor acknowledged. None if it is refused.
    pub fn write(&mut self, who: Who, row: u32) -> Option<Commit> {
        let server = self.servers.get(&who)?;
        if !(server.writes() && server.open) || server.stopping {
            return None;
        }
        let data = self.data_mut(who)?;
        Some(Commit { row, end: data.log.write(who, Body::Row(row)) })
    }

    /// The commit's record is flushed: it is acknowledged at once, or waits.
    pub fn commit(&mut self, who: Who, commit: Commit) -> Committed {
        let Some(server) = self.servers.get_mut(&who) else { return Committed::Waits };
        if !server.armed {
            return Committed::Unwaited;
        }
        if commit.end <= server.released {
            return Committed::Released;
        }
        server.pending.push(commit);
        Committed::Waits
    }

    /// A standby's word on how far it has flushed arrives. Returns the commits that it releases.
    pub fn reported(&mut self, who: Who, standby: Who, flushed: End) -> Vec<Commit> {
        let end = self.data(who).map_or(End(0), |data| data.log.flushed());
        let Some(server) = self.servers.get_mut(&who) else { return Vec::new() };
        let writes = server.writes();
        let Some(sender) = server.senders.get_mut(&standby) else { return Vec::new() };
        // What was said later on a connection is not heard earlier.
        sender.reported = sender.reported.max(flushed);
        sender.streaming |= flushed >= end;
        if !(writes && sender.counts(standby)) {
            return Vec::new();
        }
        let Wait::Any { acks, .. } = sender.read else { return Vec::new() };
        let counting = server.senders.iter().filter(|(name, sender)| sender.counts(**name));
        let mut flushed: Vec<End> = counting.map(|(_, sender)| sender.reported).collect();
        flushed.sort_unstable_by(|a, b| b.cmp(a));
        let nth = usize::try_from(acks).ok().and_then(|acks| acks.checked_sub(1));
        if let Some(reached) = nth.and_then(|nth| flushed.get(nth)) {
            server.released = server.released.max(*reached);
        }
        let released = server.released;
        server.pending.extract_if(.., |commit| commit.end <= released).collect()
    }

    /// Commits stop or begin to wait. Returns those that are let go.
    pub fn arm(&mut self, who: Who, armed: bool) -> Vec<Commit> {
        let Some(server) = self.servers.get_mut(&who) else { return Vec::new() };
        server.armed = armed;
        if armed { Vec::new() } else { std::mem::take(&mut server.pending) }
    }

    /// A walsender reads the setting as it stands in the file now.
    pub fn reread(&mut self, who: Who, standby: Who) {
        let Some(server) = self.servers.get_mut(&who) else { return };
        let wait = server.wait.clone();
        if let Some(sender) = server.senders.get_mut(&standby) {
            sender.read = wait;
        }
    }

    /// The setting that a standby's walsender last read.
    pub fn read_by(&self, who: Who, standby: Who) -> Option<Wait> {
        Some(self.servers.get(&who)?.senders.get(&standby)?.read.clone())
    }

    /// Whether any walsender counts.
    pub fn anybody_counts(&self, who: Who) -> bool {
        self.servers
            .get(&who)
            .is_some_and(|server| server.senders.iter().any(|(standby, sender)| sender.counts(*standby)))
    }

    /// Whether each walsender that streams has read the setting.
    pub fn all_read(&self, who: Who) -> bool {
        self.servers.get(&who).is_some_and(|server| {
            server.senders.values().filter(|sender| sender.streaming).all(|sender| sender.read == server.wait)
        })
    }
}
