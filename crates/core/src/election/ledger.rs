//! What a member keeps on its data volume beside the database: who it is, what it pledged, and which of its log belongs to which term.
//!
//! It is made durable before the deed that it speaks of, because an election rests on it: a member that acted in a term and forgot it would
//! answer for the wrong one. How it is written is the agent's business.

use crate::ids::ClusterUid;
use crate::position::LogPosition;
use crate::term::{Term, Timeline};
use crate::topology::Identity;
use serde::{Deserialize, Serialize};

/// What a member keeps on its data volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub struct Ledger {
    /// The incarnation of the cluster that the volume belongs to.
    pub cluster: ClusterUid,
    /// The member and the claim that the volume belongs to. A copied or restored volume names another claim than the one it is mounted by.
    pub identity: Identity,
    /// How often a database was started on this volume. Lower than what the member once said means that the volume was rolled back.
    pub starts: u64,
    /// The highest term that the member took part in. It acts in no lower one again.
    pub promise: Term,
    /// Which log belongs to which term, oldest first.
    pub lineage: Vec<Era>,
}

/// The part of the log that belongs to one term. A timeline's number is used once in a cluster, so that either names the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub struct Era {
    /// The term.
    pub term: Term,
    /// Its timeline.
    pub timeline: Timeline,
    /// Where the timeline begins. Absent from the moment the member sets out for it until that place is known; the timeline of
    /// the log itself tells whether any of it was reached.
    pub start: Option<LogPosition>,
}

/// The eras that are kept: enough for every term that an unfinished repair may ask about, and bounded, because the file is rewritten at each term.
const KEPT_ERAS: usize = 64;

impl Ledger {
    /// The ledger of a volume that holds nothing yet.
    pub fn new(cluster: ClusterUid, identity: Identity) -> Self {
        Self { cluster, identity, starts: 0, promise: Term(0), lineage: Vec::new() }
    }

    /// The era of the newest term.
    pub fn newest(&self) -> Option<&Era> {
        self.lineage.last()
    }

    /// The era of a term.
    pub fn era(&self, term: Term) -> Option<&Era> {
        self.lineage.iter().find(|era| era.term == term)
    }

    /// With a start counted.
    #[must_use]
    pub fn counting_a_start(mut self) -> Self {
        self.starts += 1;
        self
    }

    /// With the pledge to act in no term below `term`.
    #[must_use]
    pub fn pledging(mut self, term: Term) -> Self {
        self.promise = self.promise.max(term);
        self
    }

    /// The term that the log on a timeline was written in; 0 if that is not known.
    pub fn term_of(&self, timeline: Timeline) -> Term {
        self.lineage.iter().rev().find(|era| era.timeline == timeline).map_or(Term(0), |era| era.term)
    }

    /// With no log on the volume any more. The pledge stands.
    #[must_use]
    pub fn emptied(mut self) -> Self {
        self.lineage.clear();
        self
    }

    /// With an era entered, and so pledged.
    ///
    /// Eras that no log of this volume belongs to are forgotten: those that were set out for and never reached (`reached` is the timeline that
    /// the log is known to be on; it may say too little of an era whose beginning is known), and those that began where the new one,
    /// which does not descend from them, had begun already.
    #[must_use]
    pub fn entering(mut self, era: Era, reached: Timeline) -> Self {
        self = self.pledging(era.term);
        self.lineage.retain(|kept| {
            let begun_before = match (kept.start, era.start) {
                (Some(kept), Some(new)) => kept < new,
                (Some(_), None) => true,
                (None, Some(_) | None) => kept.timeline <= reached,
            };
            kept.term < era.term && begun_before
        });
        self.lineage.push(era);
        let excess = self.lineage.len().saturating_sub(KEPT_ERAS);
        self.lineage.drain(..excess);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClaimUid, MemberId};

    fn era(term: u64, timeline: u32) -> Era {
        Era { term: Term(term), timeline: Timeline(timeline), start: None }
    }

    fn ledger() -> Ledger {
        let identity =
            Identity { member: MemberId::new("a-bbbbb").unwrap(), claim: ClaimUid::new("c").unwrap() };
        Ledger::new(ClusterUid::new("u").unwrap(), identity)
    }

    #[test]
    fn an_era_that_was_set_out_for_and_never_reached_is_forgotten_by_the_next() {
        let ledger = ledger()
            .entering(era(1, 2), Timeline(1))
            .entering(era(2, 3), Timeline(2))
            .entering(era(3, 4), Timeline(2));
        assert_eq!(ledger.lineage, [era(1, 2), era(3, 4)]);
        assert_eq!(ledger.promise, Term(3));
    }

    #[test]
    fn entering_the_same_term_again_fills_in_what_was_not_known() {
        let known = Era { start: Some(LogPosition(7)), ..era(2, 3) };
        let ledger = ledger().entering(era(2, 3), Timeline(2)).entering(known, Timeline(3));
        assert_eq!(ledger.lineage, [known]);
    }

    fn begun(term: u64, timeline: u32, start: u64) -> Era {
        Era { start: Some(LogPosition(start)), ..era(term, timeline) }
    }

    #[test]
    fn an_era_whose_beginning_is_known_is_kept_though_the_timeline_says_too_little() {
        let ledger = ledger().entering(begun(2, 3, 100), Timeline(2)).entering(era(3, 4), Timeline(2));
        assert_eq!(ledger.lineage, [begun(2, 3, 100), era(3, 4)]);
    }

    #[test]
    fn an_era_that_the_new_one_does_not_descend_from_is_forgotten() {
        let ledger = ledger()
            .entering(begun(1, 2, 50), Timeline(2))
            .entering(begun(2, 3, 100), Timeline(2))
            .entering(begun(3, 4, 80), Timeline(4));
        assert_eq!(ledger.lineage, [begun(1, 2, 50), begun(3, 4, 80)]);
    }

    #[test]
    fn the_lineage_is_bounded_and_keeps_the_newest() {
        let mut ledger = ledger();
        for n in 1..=100_u32 {
            ledger = ledger.entering(era(u64::from(n), n), Timeline(n));
        }
        assert_eq!(ledger.lineage.len(), KEPT_ERAS);
        assert_eq!(ledger.newest(), Some(&era(100, 100)));
    }

    #[test]
    fn a_promise_never_shrinks() {
        assert_eq!(ledger().pledging(Term(5)).pledging(Term(3)).promise, Term(5));
    }
}
