//! All simulated databases of a cluster, and what passes between them.

use super::FakeEngine;
use super::member::{Entry, Member};
use berth_core::{LogPosition, MemberId, Term};
use berth_engine::{EngineError, LocalStatus, Peer, Quorum, Standby, TermRow};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All simulated databases of a cluster. Clones share it.
#[derive(Clone, Default)]
pub struct Fleet(Arc<Mutex<World>>);

#[derive(Default)]
struct World {
    members: BTreeMap<MemberId, Member>,
    addresses: BTreeMap<String, MemberId>,
    systems: u64,
}

/// What a tenant is told of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is on as many members as were asked.
    Acknowledged,
    /// It is in the primary's log, and waits for its standbys.
    Waits,
    /// Nobody takes it here: no server, a standby, or a shut gate.
    Refused,
}

impl Fleet {
    /// A member's engine; the member is reached at `address`.
    pub fn engine(&self, member: &MemberId, address: &str) -> FakeEngine {
        let mut world = self.world();
        world.members.entry(member.clone()).or_default();
        world.addresses.retain(|_, other| other != member);
        world.addresses.insert(address.to_owned(), member.clone());
        drop(world);
        FakeEngine::new(self.clone(), member.clone())
    }

    /// Runs what was prepared; false if a server runs already or a dead one's remains are in the way.
    pub fn launch(&self, member: &MemberId) -> bool {
        self.world().member(member).launch()
    }

    /// Ends the server; one that is killed leaves remains. Says whether one ran.
    pub fn end(&self, member: &MemberId, killed: bool) -> bool {
        let mut world = self.world();
        if !killed {
            // What it writes last still goes to those that stream.
            world.member(member).close();
            world.stream();
        }
        world.member(member).end(killed)
    }

    /// Empties the member's volume.
    pub fn wipe(&self, member: &MemberId) {
        self.world().member(member).data = None;
    }

    /// How often the member's data was copied from another.
    pub fn copies(&self, member: &MemberId) -> u32 {
        self.world().member(member).copies
    }

    /// Whether the member runs as a primary, and so could take writes.
    pub fn writes(&self, member: &MemberId) -> bool {
        self.world().member(member).process.as_ref().is_some_and(|process| !process.standby)
    }

    /// The members that would take a tenant's write now.
    pub fn open(&self) -> Vec<MemberId> {
        let world = self.world();
        let open = world.members.iter().filter(|(_, member)| {
            member.process.as_ref().is_some_and(|process| !process.standby && process.open)
        });
        open.map(|(name, _)| name.clone()).collect()
    }

    /// The rows that the member holds.
    pub fn rows(&self, member: &MemberId) -> BTreeSet<u64> {
        let mut world = self.world();
        let log = world.member(member).data.as_ref().map(|data| data.log.clone()).unwrap_or_default();
        log.into_iter()
            .filter_map(|entry| match entry {
                Entry::Row(row) => Some(row),
                Entry::Base | Entry::Term(_) => None,
            })
            .collect()
    }

    /// A tenant writes a row at this member.
    pub fn write(&self, member: &MemberId, row: u64) -> Answer {
        let mut world = self.world();
        let primary = world.member(member);
        let (Some(data), Some(process)) = (&mut primary.data, &primary.process) else {
            return Answer::Refused;
        };
        if process.standby || !process.open {
            return Answer::Refused;
        }
        let position = data.append(Entry::Row(row));
        let quorum = process.quorum.clone();
        world.stream();
        if world.acknowledges(member, &quorum, position) { Answer::Acknowledged } else { Answer::Waits }
    }

    /// What the member's quorum is now.
    pub fn quorum(&self, member: &MemberId) -> Option<Quorum> {
        self.world().member(member).process.as_ref().map(|process| process.quorum.clone())
    }

    /// The newest term row that the member holds.
    pub fn newest_term(&self, member: &MemberId) -> Option<TermRow> {
        self.world().member(member).read_term().ok().flatten()
    }

    pub(super) fn new_system(&self) -> String {
        let mut world = self.world();
        world.systems += 1;
        format!("{}", 7_000 + world.systems)
    }

    pub(super) fn on<T>(
        &self,
        member: &MemberId,
        call: impl FnOnce(&mut Member) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut world = self.world();
        let answer = call(world.member(member));
        world.stream();
        answer
    }

    pub(super) fn copy(&self, member: &MemberId, peer: &Peer) -> Result<(), EngineError> {
        let mut world = self.world();
        let refused = |reason: &str| EngineError::Step {
            step: format!("the copy from {}", peer.member),
            reason: reason.to_owned(),
        };
        if world.member(member).data.is_some() {
            return Err(EngineError::Volume("a copy needs an empty volume".to_owned()));
        }
        let source = world.reached(peer).ok_or_else(|| refused("nobody answers there"))?;
        let source = world.member(&source);
        let (Some(data), Some(process)) = (&source.data, &source.process) else {
            return Err(refused("no server runs there"));
        };
        if process.standby {
            return Err(refused("it is a standby"));
        }
        if !data.slots.contains(member) {
            return Err(refused("there is no slot for this member"));
        }
        let data = data.without_what_is_its_own();
        let target = world.member(member);
        target.data = Some(data);
        target.copies += 1;
        Ok(())
    }

    /// Makes the data a copy of the peer's, as one that was cut back to where it left the peer's history and brought forward is. One that
    /// did not leave it is not touched.
    pub(super) fn rewind(&self, member: &MemberId, peer: &Peer) -> Result<(), EngineError> {
        let mut world = self.world();
        let refused = |reason: &str| EngineError::Step {
            step: format!("the rewind to {}", peer.member),
            reason: reason.to_owned(),
        };
        let source = world.reached(peer).ok_or_else(|| refused("nobody answers there"))?;
        let source = world.member(&source);
        let running = source.process.as_ref().is_some_and(|process| !process.standby);
        let data = source.data.clone().filter(|_| running).ok_or_else(|| refused("no primary runs there"))?;
        let target = world.member(member);
        if target.process.is_some() {
            return Err(refused("the server runs"));
        }
        match &target.data {
            Some(mine) if mine.system == data.system => {
                if !mine.is_part_of(&data) {
                    target.data = Some(data.without_what_is_its_own());
                }
            }
            Some(_) | None => return Err(refused("it is another database")),
        }
        Ok(())
    }

    pub(super) fn status(&self, member: &MemberId) -> Result<LocalStatus, EngineError> {
        let mut world = self.world();
        world.stream();
        let standbys = world.standbys(member);
        let source = world.source(member);
        let behind = source.as_ref().and_then(|source| world.end(source));
        let this = world.member(member);
        let (Some(data), Some(process)) = (&this.data, &this.process) else {
            return Err(EngineError::NotAnswering("no server runs".to_owned()));
        };
        Ok(LocalStatus {
            in_recovery: process.standby,
            timeline: data.timeline(),
            position: data.end(),
            receiving: process.standby && source.is_some(),
            behind: behind.map(|end| end.0.saturating_sub(data.end().0)),
            transactions: 0,
            standbys: if process.standby { Vec::new() } else { standbys },
        })
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    fn member(&mut self, member: &MemberId) -> &mut Member {
        self.members.entry(member.clone()).or_default()
    }

    /// Who answers at the peer's address with the peer's identity.
    fn reached(&self, peer: &Peer) -> Option<MemberId> {
        self.addresses.get(&peer.address).filter(|member| **member == peer.member).cloned()
    }

    fn end(&self, member: &MemberId) -> Option<LogPosition> {
        self.members.get(member)?.data.as_ref().map(super::member::Data::end)
    }

    /// Whom the standby streams from now: somebody whose log contains its own.
    fn source(&self, member: &MemberId) -> Option<MemberId> {
        let standby = self.members.get(member)?;
        let process = standby.process.as_ref().filter(|process| process.standby)?;
        let source = self.reached(process.source.as_ref()?)?;
        let from = self.members.get(&source)?;
        from.process.as_ref()?;
        if !from.data.as_ref()?.slots.contains(member) {
            return None;
        }
        let fits = standby.data.as_ref()?.is_part_of(from.data.as_ref()?);
        fits.then_some(source)
    }

    /// Every standby takes over what its source has.
    fn stream(&mut self) {
        let names: Vec<MemberId> = self.members.keys().cloned().collect();
        for name in names {
            let Some(source) = self.source(&name) else { continue };
            let Some(data) = self.members.get(&source).and_then(|from| from.data.clone()) else { continue };
            if let Some(target) = self.member(&name).data.as_mut() {
                target.log = data.log;
                target.history = data.history;
            }
        }
    }

    fn standbys(&self, primary: &MemberId) -> Vec<Standby> {
        let Some(address) = self.addresses.iter().find(|(_, member)| *member == primary).map(|(at, _)| at)
        else {
            return Vec::new();
        };
        let counted = |member: &MemberId, term: Term| match self
            .members
            .get(primary)
            .and_then(|it| it.process.as_ref())
        {
            Some(process) => match &process.quorum {
                Quorum::Any { members, term: named, .. } => members.contains(member) && *named == term,
                Quorum::Nobody | Quorum::None => false,
            },
            None => false,
        };
        self.members
            .iter()
            .filter(|(name, _)| self.source(name).as_ref() == Some(primary))
            .filter_map(|(name, member)| {
                let term = member.follows(address)?;
                Some(Standby {
                    member: name.clone(),
                    term,
                    streaming: true,
                    flushed: self.end(name)?,
                    counted: counted(name, term),
                })
            })
            .collect()
    }

    fn acknowledges(&self, primary: &MemberId, quorum: &Quorum, position: LogPosition) -> bool {
        match quorum {
            Quorum::None => true,
            Quorum::Nobody => false,
            Quorum::Any { acks, .. } => {
                let have =
                    self.standbys(primary).iter().filter(|s| s.counted && s.flushed >= position).count();
                u32::try_from(have).unwrap_or(u32::MAX) >= *acks
            }
        }
    }
}
