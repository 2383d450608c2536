//! Whose acknowledgement counts, and how that changes without a moment in which an acknowledged commit could be lost.
//!
//! *Invariant*: the names in the engine's setting are voters of the rule, and it waits for at least the rule's acknowledgements.
//! So a voter is added, and the acknowledgements lowered, in the rule first; a voter is removed, and the acknowledgements raised, in the
//! setting first, and in the rule only when enough of the voters that stay have flushed all that was acknowledged before. One change at a time.
//!
//! Nobody is removed because it looks absent: a voter leaves when the operator took it out of the members.

use super::defect::{Defect, Defects};
use super::state::Force;
use crate::database::Quorum;
use crate::ids::MemberId;
use crate::position::LogPosition;
use crate::term::Term;
use crate::topology::Identity;
use std::collections::{BTreeMap, BTreeSet};

/// All that the next change depends on.
#[derive(Debug, Clone, Copy)]
pub struct Ballot<'a> {
    /// The term, which the names in the setting carry.
    pub term: Term,
    /// The rule's voters.
    pub voters: &'a BTreeSet<Identity>,
    /// The rule's acknowledgements.
    pub acks: u32,
    /// What the engine waits for.
    pub force: &'a Force,
    /// The acknowledgements that the cluster asks for.
    pub asked: u32,
    /// The replicas that belong to the cluster.
    pub members: &'a BTreeSet<Identity>,
    /// Those of them that stream in bounds under their names of the term.
    pub ready: &'a BTreeSet<Identity>,
    /// How far each standby has flushed under its name of the term.
    pub flushed: &'a BTreeMap<MemberId, LogPosition>,
    /// What the engine waits for while the rule asks for no acknowledgement: nobody, or somebody who never comes.
    pub idle: &'a Quorum,
    /// The rules that are taken out.
    pub defects: Defects,
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Next {
    /// All is as asked.
    Settled,
    /// Put this in force.
    Set(Quorum),
    /// Swap the rule to these voters and acknowledgements.
    Swap {
        /// The voters.
        voters: BTreeSet<Identity>,
        /// The acknowledgements.
        acks: u32,
    },
    /// Enough voters must first have flushed what was acknowledged before the setting changed.
    CatchUp,
    /// This voter can only leave when another has come.
    NeedsReplacement(MemberId),
}

/// The setting that goes with these voters and acknowledgements.
pub fn setting(term: Term, voters: &BTreeSet<Identity>, acks: u32, idle: &Quorum) -> Quorum {
    if acks == 0 {
        return idle.clone();
    }
    Quorum::Any { acks, members: voters.iter().map(|voter| voter.member.clone()).collect(), term }
}

/// How many of `voters` have flushed `position`.
pub fn flushed_by(
    voters: &BTreeSet<Identity>,
    flushed: &BTreeMap<MemberId, LogPosition>,
    position: LogPosition,
) -> u32 {
    let count =
        voters.iter().filter(|voter| flushed.get(&voter.member).is_some_and(|at| *at >= position)).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn count(set: &BTreeSet<Identity>) -> u32 {
    u32::try_from(set.len()).unwrap_or(u32::MAX)
}

impl Ballot<'_> {
    /// The next step. Pure; whoever calls it does one step and asks again.
    pub fn next(&self) -> Next {
        let at_rest = setting(self.term, self.voters, self.acks, self.idle);
        if let Force::Unknown = self.force {
            // Whatever the run was left with: the rule's own voters and acknowledgements are always a lawful setting.
            return Next::Set(at_rest);
        }
        if self.asked < self.acks {
            return Next::Swap { voters: self.voters.clone(), acks: self.asked };
        }
        let able: BTreeSet<Identity> = self.voters.intersection(self.ready).cloned().collect();
        let reach = self.asked.min(count(&able));
        if reach > self.acks {
            return self.setting_first(self.voters.clone(), reach);
        }
        if let Some(joining) = self.joining() {
            if !self.is_in_force(&at_rest) {
                return Next::Set(at_rest);
            }
            let mut voters = self.voters.clone();
            voters.insert(joining.clone());
            return Next::Swap { voters, acks: self.acks };
        }
        let Some(leaving) = self.voters.difference(self.members).next() else {
            return if self.is_in_force(&at_rest) { Next::Settled } else { Next::Set(at_rest) };
        };
        let mut staying = self.voters.clone();
        staying.remove(leaving);
        if self.acks > count(&staying) {
            // The setting may still miss a voter that was added; that one is who will take the leaving one's place.
            return if self.is_in_force(&at_rest) {
                Next::NeedsReplacement(leaving.member.clone())
            } else {
                Next::Set(at_rest)
            };
        }
        self.setting_first(staying, self.acks)
    }

    /// A replica that may become a voter. Never beside a voter of the same name: the engine could not tell the two apart.
    fn joining(&self) -> Option<&Identity> {
        self.ready
            .intersection(self.members)
            .find(|ready| self.voters.iter().all(|voter| voter.member != ready.member))
    }

    fn is_in_force(&self, quorum: &Quorum) -> bool {
        match self.force {
            Force::Unknown => false,
            Force::Known { quorum: in_force, .. } => in_force == quorum,
        }
    }

    /// The setting, then the flush of what was acknowledged before it, then the rule.
    fn setting_first(&self, voters: BTreeSet<Identity>, acks: u32) -> Next {
        let wanted = setting(self.term, &voters, acks, self.idle);
        match self.force {
            Force::Known { quorum, since: Some(since) } if *quorum == wanted => {
                let barrier = !self.defects.has(Defect::NoBarrier);
                if !barrier || flushed_by(&voters, self.flushed, *since) >= acks {
                    Next::Swap { voters, acks }
                } else {
                    Next::CatchUp
                }
            }
            Force::Known { .. } | Force::Unknown => Next::Set(wanted),
        }
    }
}

#[cfg(test)]
mod tests;
