//! A log: records in order, the timelines that they are on, and how much of it is on disk for certain.

use crate::simulation::names::Who;
use berth_core::{LogPosition, Term, Timeline};
use std::collections::BTreeSet;

/// What a record takes of the log: a megabyte, so that a standby sixteen records behind is behind by the bound that production code knows.
const LENGTH: u64 = 1 << 20;

/// A place in a log: how many records are before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct End(pub u32);

impl End {
    /// As production code knows it.
    pub fn position(self) -> LogPosition {
        LogPosition(u64::from(self.0) * LENGTH)
    }

    /// So many records further.
    #[must_use]
    pub fn plus(self, records: usize) -> Self {
        Self(self.0 + u32::try_from(records).unwrap_or(u32::MAX))
    }

    fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Body {
    /// What the making of the database wrote.
    Made,
    /// Roles and slots.
    Access,
    /// A tenant's row.
    Row(u32),
    /// The proof of a term.
    Term(Term),
    /// A promotion: the first record of a timeline.
    Forked,
    /// The last record of a primary that was stopped in order.
    Shutdown,
}

/// A record. Two logs hold the same at a place if the records are equal, whatever their positions and timelines say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record {
    /// The timeline that it was written on.
    pub timeline: Timeline,
    /// Who wrote it, as a primary.
    pub author: Who,
    /// What it says.
    pub body: Body,
}

/// A timeline and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Branch {
    /// The timeline.
    pub timeline: Timeline,
    /// Where it left the one before.
    pub start: End,
}

/// A log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Log {
    records: Vec<Record>,
    flushed: End,
    history: Vec<Branch>,
}

impl Log {
    /// The log of a database that `author` has just made.
    pub fn made(author: Who) -> Self {
        let first = Timeline(1);
        Self {
            records: vec![Record { timeline: first, author, body: Body::Made }],
            flushed: End(1),
            history: vec![Branch { timeline: first, start: End(0) }],
        }
    }

    /// Where it ends.
    pub fn end(&self) -> End {
        End(0).plus(self.records.len())
    }

    /// How much of it outlives a loss of power for certain.
    pub fn flushed(&self) -> End {
        self.flushed
    }

    /// Makes all of it last.
    pub fn flush(&mut self) {
        self.flushed = self.end();
    }

    /// The timelines, oldest first.
    pub fn history(&self) -> &[Branch] {
        &self.history
    }

    /// The newest timeline that it knows of.
    pub fn newest(&self) -> Timeline {
        self.history.last().map_or(Timeline(0), |branch| branch.timeline)
    }

    /// The timeline that the last record is on.
    pub fn timeline(&self) -> Timeline {
        self.records.last().map_or(Timeline(0), |record| record.timeline)
    }

    /// Writes a record on the newest timeline.
    pub fn write(&mut self, author: Who, body: Body) -> End {
        self.records.push(Record { timeline: self.newest(), author, body });
        self.end()
    }

    /// Begins a timeline here.
    pub fn fork(&mut self, timeline: Timeline) -> End {
        let start = self.end();
        self.history.push(Branch { timeline, start });
        start
    }

    /// What a crash leaves: at least what was flushed, at most `keep`.
    pub fn crash(&mut self, keep: End) {
        self.cut(keep.max(self.flushed));
        self.flush();
    }

    /// Cuts it back to a place.
    pub fn cut(&mut self, at: End) {
        self.records.truncate(at.index());
        self.flushed = self.flushed.min(at);
        let end = self.end();
        self.history.retain(|branch| branch.start < end);
    }

    /// The records from one place up to another.
    pub fn between(&self, from: End, to: End) -> Vec<Record> {
        self.records.get(from.index()..to.index().min(self.records.len())).unwrap_or_default().to_vec()
    }

    /// Takes over what a source sent, with as much of the source's history as that reaches.
    pub fn receive(&mut self, records: &[Record], history: &[Branch]) {
        self.records.extend_from_slice(records);
        let end = self.end();
        if history.starts_with(&self.history) {
            let further = history.iter().skip(self.history.len()).take_while(|branch| branch.start < end);
            self.history.extend(further.copied());
        }
    }

    /// Where a timeline was left for the next one; the log's end if it is the newest; none if it was never on it.
    pub fn left(&self, timeline: Timeline) -> Option<End> {
        let at = self.history.iter().position(|branch| branch.timeline == timeline)?;
        Some(self.history.get(at + 1).map_or_else(|| self.end(), |next| next.start))
    }

    /// Where two logs part by their histories alone: what a rewind believes.
    pub fn parts_from(&self, other: &Self) -> End {
        let same = self.history.iter().zip(&other.history).take_while(|(mine, theirs)| mine == theirs);
        let Some((last, _)) = same.last() else { return End(0) };
        let mine = self.left(last.timeline).unwrap_or_default();
        mine.min(other.left(last.timeline).unwrap_or_default())
    }

    /// The rows that it holds and that a loss of power leaves.
    pub fn lasting_rows(&self) -> BTreeSet<u32> {
        rows(self.records.get(..self.flushed.index()).unwrap_or(&self.records))
    }

    /// Whether it holds a row that a loss of power leaves.
    pub fn keeps(&self, row: u32) -> bool {
        let lasting = self.records.get(..self.flushed.index()).unwrap_or(&self.records);
        lasting.iter().rev().any(|record| record.body == Body::Row(row))
    }

    /// The rows that it holds.
    pub fn rows(&self) -> BTreeSet<u32> {
        rows(&self.records)
    }

    /// Whether it holds a row.
    pub fn holds(&self, row: u32) -> bool {
        self.records.iter().rev().any(|record| record.body == Body::Row(row))
    }

    /// The first place at which two logs, as far as both go, hold different records.
    pub fn differs(&self, other: &Self) -> Option<End> {
        let at = self.records.iter().zip(&other.records).position(|(mine, theirs)| mine != theirs)?;
        Some(End(0).plus(at))
    }
}

fn rows(records: &[Record]) -> BTreeSet<u32> {
    let row = |record: &Record| match record.body {
        Body::Row(row) => Some(row),
        Body::Made | Body::Access | Body::Term(_) | Body::Forked | Body::Shutdown => None,
    };
    records.iter().filter_map(row).collect()
}
