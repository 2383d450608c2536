//! One simulated member: its volume, and the server on it.

use berth_core::topology::Access;
use berth_core::{LogPosition, MemberId, Term, Timeline};
use berth_engine::{Boot, EngineError, LogEnd, Peer, Quorum, Settings, SettingsOutcome, TermRow, Volume};
use std::collections::BTreeSet;

/// One record of the log, at the position of its index plus one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// What initdb and the roles wrote, and what a server notes down itself: that a timeline begins, that it stops in order.
    Base,
    /// A tenant's row.
    Row(u64),
    /// The proof of a term.
    Term(TermRow),
}

/// What is on a volume.
#[derive(Debug, Clone)]
pub(super) struct Data {
    pub system: String,
    /// The timelines with the position at which each begins.
    pub history: Vec<(Timeline, LogPosition)>,
    pub log: Vec<Entry>,
    /// The members that may take the log from a server on this data.
    pub slots: BTreeSet<MemberId>,
    /// The position before its last record, if it was stopped in order as a primary.
    pub closed: Option<LogPosition>,
}

/// A server that runs.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub standby: bool,
    pub source: Option<Peer>,
    pub settings: Settings,
    pub quorum: Quorum,
    pub open: bool,
}

/// One simulated member.
#[derive(Debug, Default)]
pub(super) struct Member {
    pub data: Option<Data>,
    pub process: Option<Process>,
    pub prepared: Option<Process>,
    /// What a killed server left behind: no other starts before it is cleared.
    pub remains: bool,
    pub copies: u32,
    pub starts: u32,
}

impl Data {
    pub(super) fn end(&self) -> LogPosition {
        LogPosition(u64::try_from(self.log.len()).unwrap_or(u64::MAX))
    }

    pub(super) fn timeline(&self) -> Timeline {
        self.history.last().map_or(Timeline(0), |(timeline, _)| *timeline)
    }

    /// Where the log ends, and on the timeline of its last record: one that begins here has none yet.
    pub(super) fn log_end(&self) -> LogEnd {
        let end = self.end();
        let begun = self.history.iter().rev().find(|(_, start)| *start < end);
        LogEnd { timeline: begun.map_or(Timeline(0), |(timeline, _)| *timeline), position: end }
    }

    /// As another member gets it: slots and an orderly end are the server's own.
    pub(super) fn without_what_is_its_own(&self) -> Self {
        Self { slots: BTreeSet::new(), closed: None, ..self.clone() }
    }

    pub(super) fn append(&mut self, entry: Entry) -> LogPosition {
        self.log.push(entry);
        self.end()
    }

    /// Whether all of `self` is a part of what `source` holds, so that it can stream from there.
    pub(super) fn is_part_of(&self, source: &Self) -> bool {
        self.system == source.system
            && self.log.len() <= source.log.len()
            && self.history.iter().zip(&source.history).all(|(mine, theirs)| mine == theirs)
            && self.history.len() <= source.history.len()
            && source.history.get(self.history.len()).is_none_or(|(_, start)| self.end() <= *start)
    }
}

fn step(step: &str, reason: &str) -> EngineError {
    EngineError::Step { step: step.to_owned(), reason: reason.to_owned() }
}

impl Member {
    pub(super) fn volume(&self) -> Volume {
        self.data.as_ref().map_or(Volume::Empty, |data| Volume::Present {
            system: data.system.clone(),
            timeline: data.timeline(),
            closed: data.closed,
            torn: false,
        })
    }

    fn running(&mut self) -> Result<(&mut Data, &mut Process), EngineError> {
        match (&mut self.data, &mut self.process) {
            (Some(data), Some(process)) => Ok((data, process)),
            _ => Err(EngineError::NotAnswering("no server runs".to_owned())),
        }
    }

    fn primary(&mut self) -> Result<(&mut Data, &mut Process), EngineError> {
        let (data, process) = self.running()?;
        if process.standby {
            return Err(step("a write", "the server is a standby"));
        }
        Ok((data, process))
    }

    pub(super) fn initialize(&mut self, system: String) {
        if self.data.is_none() {
            self.data = Some(Data {
                system,
                history: vec![(Timeline(1), LogPosition(0))],
                log: vec![Entry::Base],
                slots: BTreeSet::new(),
                closed: None,
            });
        }
    }

    pub(super) fn prepare(&mut self, boot: &Boot, settings: &Settings, quorum: &Quorum) {
        let source = match boot {
            Boot::Alone => None,
            Boot::Following(peer) => Some(peer.clone()),
        };
        self.prepared = Some(Process {
            standby: true,
            source,
            settings: settings.clone(),
            quorum: quorum.clone(),
            open: false,
        });
    }

    /// Runs what was prepared; false if a server runs already or a dead one's remains are in the way.
    pub(super) fn launch(&mut self) -> bool {
        let (Some(data), None, false) = (&mut self.data, &self.process, self.remains) else { return false };
        let Some(process) = self.prepared.take() else { return false };
        self.starts += 1;
        data.closed = None;
        if process.source.is_some() {
            data.slots.clear();
        }
        self.process = Some(process);
        true
    }

    /// What a primary that is stopped in order writes last.
    pub(super) fn close(&mut self) {
        if let (Some(data), Some(process)) = (&mut self.data, &self.process)
            && !process.standby
        {
            data.closed = Some(data.end());
            data.append(Entry::Base);
        }
    }

    /// Ends the server. Says whether one ran.
    pub(super) fn end(&mut self, killed: bool) -> bool {
        self.remains |= killed && self.process.is_some();
        self.process.take().is_some()
    }

    pub(super) fn clear_remains(&mut self) -> Result<(), EngineError> {
        if self.process.is_some() {
            return Err(step("clearing what a dead server left", "a server runs"));
        }
        self.remains = false;
        Ok(())
    }

    pub(super) fn follow(&mut self, peer: Option<&Peer>) -> Result<(), EngineError> {
        let (data, process) = self.running()?;
        if !process.standby {
            return Err(step("following", "the server is a primary"));
        }
        process.source = peer.cloned();
        if peer.is_some() {
            data.slots.clear();
        }
        Ok(())
    }

    pub(super) fn detach(&mut self) -> Result<LogEnd, EngineError> {
        self.follow(None)?;
        Ok(self.running()?.0.log_end())
    }

    pub(super) fn promote(&mut self, timeline: Timeline) -> Result<LogPosition, EngineError> {
        let (data, process) = self.running()?;
        if !process.standby {
            let begun = data.history.last().filter(|(own, _)| *own == timeline);
            let begun =
                begun.ok_or_else(|| step("the promotion", "the server is a primary on another timeline"))?;
            return Ok(begun.1);
        }
        if timeline <= data.timeline() {
            return Err(step("the promotion", "that timeline was used before"));
        }
        let start = data.end();
        data.history.push((timeline, start));
        data.append(Entry::Base);
        process.standby = false;
        process.source = None;
        Ok(start)
    }

    pub(super) fn set_quorum(&mut self, quorum: &Quorum) -> Result<(), EngineError> {
        let (_, process) = self.running()?;
        process.quorum = quorum.clone();
        Ok(())
    }

    pub(super) fn welcome(&mut self, followers: &BTreeSet<MemberId>) -> Result<(), EngineError> {
        let (data, _) = self.running()?;
        data.slots.extend(followers.iter().cloned());
        Ok(())
    }

    pub(super) fn write_term(&mut self, row: &TermRow) -> Result<LogPosition, EngineError> {
        Ok(self.primary()?.0.append(Entry::Term(row.clone())))
    }

    pub(super) fn read_term(&mut self) -> Result<Option<TermRow>, EngineError> {
        let (data, _) = self.running()?;
        Ok(data.log.iter().rev().find_map(|entry| match entry {
            Entry::Term(row) => Some(row.clone()),
            Entry::Base | Entry::Row(_) => None,
        }))
    }

    pub(super) fn ensure_access(
        &mut self,
        _access: &Access,
        verifier: &str,
        members: &BTreeSet<MemberId>,
    ) -> Result<(), EngineError> {
        if verifier.is_empty() {
            return Err(step("making the owner", "the verifier is empty"));
        }
        let (data, _) = self.primary()?;
        data.append(Entry::Base);
        data.slots.clone_from(members);
        Ok(())
    }

    pub(super) fn checkpoint(&mut self) -> Result<(), EngineError> {
        self.running().map(|_| ())
    }

    pub(super) fn set_gate(&mut self, open: bool) -> Result<(), EngineError> {
        self.running()?.1.open = open;
        Ok(())
    }

    pub(super) fn apply(&mut self, settings: &Settings) -> Result<SettingsOutcome, EngineError> {
        self.running()?.1.settings = settings.clone();
        Ok(SettingsOutcome::default())
    }

    /// The term that a standby follows in, by its own setting.
    pub(super) fn follows(&self, address: &str) -> Option<Term> {
        let source = self.process.as_ref().filter(|process| process.standby)?.source.as_ref()?;
        (source.address == address).then_some(source.term)
    }
}
