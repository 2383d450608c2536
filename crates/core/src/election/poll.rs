//! Who is to lead a term, from what its recruits hold. Pure, and the heart of the promise that nothing acknowledged is lost.
//!
//! *Invariant*: every acknowledged commit is on the primary and on `acks` of the voters under which it was acknowledged. So a set of recruits
//! that leaves out fewer voters than that, or that contains the primary, holds all of them; and whoever holds most of the newest log holds all.
//! A killed primary's own end is unknown and may be acknowledged: if the set is sufficient by the primary alone, only the primary may lead.

use super::defect::{Defect, Defects};
use super::message::{Holding, Log};
use super::rebuild;
use crate::database::LogEnd;
use crate::disk::Space;
use crate::ids::MemberId;
use crate::position::LogPosition;
use crate::topology::{Identity, Intent, Proposal, Rule};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a sufficient set waits for the others: whoever has not pledged is no voter of the term at first.
const FOR_OTHERS: Duration = Duration::from_millis(200);
/// How long a set that is sufficient by the crashed primary alone waits for voters, because a standby is ready sooner than a recovery.
const FOR_VOTERS: Duration = Duration::from_secs(1);
/// How long a primary that stopped in order waits for a standby that holds all, or for the one that was asked for.
const FOR_SUCCESSOR: Duration = Duration::from_secs(3);

/// How long a term that a person accepted a loss for waits for whoever may still come: longer than a frozen server takes to be ended, and
/// little beside what a person took.
const FOR_THE_LOST: Duration = Duration::from_secs(5);

/// The times after which a choice may change by itself.
pub(super) const GRACES: [Duration; 4] = [FOR_OTHERS, FOR_VOTERS, FOR_SUCCESSOR, FOR_THE_LOST];

/// What a coordinator knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Poll<'a> {
    pub rule: &'a Rule,
    pub intent: &'a Intent,
    /// Who has pledged, the coordinator with them.
    pub pledged: &'a BTreeMap<Identity, &'a Holding>,
    /// For how long the term has been there.
    pub waited: Duration,
    pub defects: Defects,
}

/// What comes of a poll.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Verdict {
    /// More must pledge.
    More {
        /// How many voters have.
        have: u32,
        /// How many must, if the primary does not.
        needed: u32,
    },
    /// This one must pledge, with everybody else.
    Lacks(MemberId),
    /// Enough have, and a little more time may bring a better choice.
    Soon,
    /// This.
    Chosen(Proposal),
    /// This one, by a person's word alone: what only the others held is lost.
    ChosenAtLoss(Proposal),
}

/// Whether these members, by themselves, hold all that was acknowledged under the rule.
pub(super) fn sufficient(rule: &Rule, members: &BTreeSet<&Identity>, defects: Defects) -> bool {
    match rule.everybody() {
        Some(everybody) => everybody.iter().all(|id| members.contains(id)),
        None => members.contains(&rule.primary) || sufficient_voters(rule, members, defects),
    }
}

fn sufficient_voters(rule: &Rule, members: &BTreeSet<&Identity>, defects: Defects) -> bool {
    let have = rule.voters.iter().filter(|voter| members.contains(voter)).count();
    needed(rule, defects).is_some_and(|needed| have >= needed)
}

/// How many voters must pledge without the primary; none if no number suffices.
fn needed(rule: &Rule, defects: Defects) -> Option<usize> {
    let holders = usize::try_from(rule.holders()).unwrap_or(usize::MAX);
    if holders > 0 && defects.has(Defect::OneRecruitSuffices) {
        return Some(1);
    }
    (holders > 0).then(|| (rule.voters.len() + 1).saturating_sub(holders).max(1))
}

impl Poll<'_> {
    pub(super) fn verdict(&self) -> Verdict {
        if let Some(everybody) = self.rule.everybody().filter(|_| !self.rule.may_lose()) {
            return self.of_everybody(everybody);
        }
        let with_log: BTreeSet<&Identity> = self
            .pledged
            .iter()
            .filter(|(_, holding)| holding.log != Log::Nothing)
            .map(|(id, _)| id)
            .collect();
        let by_voters = sufficient_voters(self.rule, &with_log, self.defects);
        let primary = self.pledged.get(&self.rule.primary).map(|holding| holding.log);
        let all = self.rule.voters.iter().chain([&self.rule.primary]).all(|id| self.pledged.contains_key(id));
        match primary {
            Some(Log::Closed { at, .. }) => self.after_closed(at, all),
            Some(Log::Open { .. }) if !by_voters => {
                self.when(all || self.waited >= FOR_VOTERS, self.rule.primary.clone())
            }
            Some(Log::Open { .. } | Log::Ends { .. }) if by_voters || primary_ends(primary) => {
                self.best_of_all(all || self.waited >= FOR_OTHERS)
            }
            Some(Log::Nothing) | None if by_voters => self.best_of_all(all || self.waited >= FOR_OTHERS),
            Some(Log::Nothing | Log::Open { .. } | Log::Ends { .. }) | None if self.rule.may_lose() => {
                self.best_of_few(&with_log)
            }
            Some(Log::Nothing | Log::Open { .. } | Log::Ends { .. }) | None => self.more(&with_log),
        }
    }

    /// Too few are there, and a person said to go on with them. Nobody who is not there becomes a voter: the term would wait for the lost.
    fn best_of_few(&self, with_log: &BTreeSet<&Identity>) -> Verdict {
        match self.best() {
            Some(_) if self.waited < FOR_THE_LOST => Verdict::Soon,
            Some(best) => Verdict::ChosenAtLoss(self.proposal_of(best.clone(), self.followers(best))),
            None => self.more(with_log),
        }
    }

    /// Nobody knows who voted: everybody must be there, and whoever holds most holds all.
    fn of_everybody(&self, everybody: &BTreeSet<Identity>) -> Verdict {
        if let Some(absent) = everybody.iter().find(|id| !self.pledged.contains_key(id)) {
            return Verdict::Lacks(absent.member.clone());
        }
        let Some(best) = self.best() else { return Verdict::More { have: 0, needed: 1 } };
        let voters = self.followers(best);
        let (acks, grants) = rebuild::numbers(self.intent, u32::try_from(voters.len()).unwrap_or(u32::MAX));
        Verdict::Chosen(Proposal { candidate: best.clone(), voters, acks, grants, end: self.end(best) })
    }

    fn more(&self, with_log: &BTreeSet<&Identity>) -> Verdict {
        let have = self.rule.voters.iter().filter(|voter| with_log.contains(voter)).count();
        Verdict::More {
            have: u32::try_from(have).unwrap_or(u32::MAX),
            needed: needed(self.rule, self.defects)
                .map_or(0, |needed| u32::try_from(needed).unwrap_or(u32::MAX)),
        }
    }

    /// The primary was stopped in order: whoever holds its last record holds all.
    fn after_closed(&self, at: LogEnd, all: bool) -> Verdict {
        let to = self.intent.switchover.as_ref().and_then(|switchover| switchover.to.as_ref());
        let whole: Vec<&Identity> = self
            .ranked()
            .filter(|(id, _)| **id != self.rule.primary && self.belongs(id))
            .filter(|(_, end)| end.timeline == at.timeline && end.position > at.position)
            .map(|(id, _)| id)
            .collect();
        // Among those who hold all, one with room: also rather than the one that was asked for, whose volume has filled since.
        let roomy: Vec<&Identity> = whole.iter().copied().filter(|id| self.space(id).is_ample()).collect();
        let whole = if roomy.is_empty() { whole } else { roomy };
        let wanted = whole.iter().find(|id| Some(&id.member) == to);
        let in_time = all || self.waited >= FOR_OTHERS;
        match (wanted, whole.first()) {
            (Some(wanted), _) => self.when(in_time, (*wanted).clone()),
            (None, Some(any)) => self.when(
                if to.is_some() { all || self.waited >= FOR_SUCCESSOR } else { in_time },
                (*any).clone(),
            ),
            (None, None) => self.when(all || self.waited >= FOR_SUCCESSOR, self.rule.primary.clone()),
        }
    }

    fn best_of_all(&self, in_time: bool) -> Verdict {
        match self.best() {
            Some(best) => self.when(in_time, best.clone()),
            None => Verdict::More { have: 0, needed: 1 },
        }
    }

    /// Who holds most of the newest log.
    fn best(&self) -> Option<&Identity> {
        // Whoever is leaving leads only if nobody else holds as much: what it alone holds may have been acknowledged.
        let terms = !self.defects.has(Defect::PositionOnly);
        let order = |end: &LogEnd| (terms.then_some(end.timeline), end.position);
        let best = self.ranked().max_by(|(a, left), (b, right)| {
            order(left)
                .cmp(&order(right))
                .then_with(|| self.belongs(a).cmp(&self.belongs(b)))
                .then_with(|| self.space(a).cmp(&self.space(b)))
                .then_with(|| b.cmp(a))
        });
        best.map(|(best, _)| best)
    }

    /// Those who may lead, each with what it is compared by: the term of the last of its log, then where that ends. The timeline stands for the
    /// term, because a member need not know the term: its server may have gone on to follow while its agent stood still.
    fn ranked(&self) -> impl Iterator<Item = (&Identity, LogEnd)> {
        self.pledged.iter().filter_map(|(id, holding)| {
            let same = self.rule.system.is_none() || holding.system == self.rule.system;
            match holding.log {
                Log::Ends { end, .. } if same => Some((id, end)),
                Log::Ends { .. } | Log::Nothing | Log::Closed { .. } | Log::Open { .. } => None,
            }
        })
    }

    /// Whether its volume has room, by its own word.
    fn space(&self, id: &Identity) -> Space {
        self.pledged.get(id).map_or(Space::Ample, |holding| holding.space)
    }

    /// Whether the operator counts it among the members.
    fn belongs(&self, id: &Identity) -> bool {
        self.intent.members.get(&id.member) == Some(&id.claim)
    }

    fn when(&self, in_time: bool, candidate: Identity) -> Verdict {
        if in_time { Verdict::Chosen(self.proposal(candidate)) } else { Verdict::Soon }
    }

    /// The voters of the term: the recruits that can follow at once; the others are added when they do. Only if there are fewer than a commit
    /// waits for, those are named too who must come back first.
    fn proposal(&self, candidate: Identity) -> Proposal {
        let rule = self.rule;
        if candidate == rule.primary {
            let end = self.end(&candidate);
            return Proposal {
                candidate,
                voters: rule.voters.clone(),
                acks: rule.acks,
                grants: rule.grants,
                end,
            };
        }
        let mut voters = self.followers(&candidate);
        let wanted = usize::try_from(rule.holders()).unwrap_or(usize::MAX);
        for absent in [&rule.primary].into_iter().chain(&rule.voters) {
            if voters.len() < wanted && *absent != candidate {
                voters.insert(absent.clone());
            }
        }
        self.proposal_of(candidate, voters)
    }

    fn proposal_of(&self, candidate: Identity, voters: BTreeSet<Identity>) -> Proposal {
        let most = u32::try_from(voters.len()).unwrap_or(u32::MAX);
        let (acks, grants) = (self.rule.acks.min(most), self.rule.grants.min(most));
        let end = self.end(&candidate);
        Proposal { candidate, voters, acks, grants, end }
    }

    /// The recruits that can follow it at once.
    fn followers(&self, candidate: &Identity) -> BTreeSet<Identity> {
        let others = self.ranked().map(|(id, _)| id).filter(|id| *id != candidate && self.belongs(id));
        others.cloned().collect()
    }

    /// Where its log ends. Also of the primary itself: whoever holds another history, however long, must not follow it and acknowledge.
    fn end(&self, candidate: &Identity) -> Option<LogPosition> {
        match self.pledged.get(candidate)?.log {
            Log::Ends { end, .. } => Some(end.position),
            Log::Nothing | Log::Closed { .. } | Log::Open { .. } => None,
        }
    }
}

fn primary_ends(primary: Option<Log>) -> bool {
    matches!(primary, Some(Log::Ends { .. }))
}
