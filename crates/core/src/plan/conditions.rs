//! The conditions of a cluster, made from the facts of a report.

use super::desired::Wish;
use super::electing;
use super::observed::{Observed, Topology};
use super::report::{Condition, ConditionType, MemberReport, Stage, Truth};
use super::summary::{full, words};
use super::waiting::{Awaited, Needs, Waiting};
use crate::term::Term;
use crate::topology::{DurabilityMode, OnLoss, Phase, Rule};

/// What the conditions are made from.
pub(super) struct Facts<'a> {
    pub(super) observed: &'a Observed,
    pub(super) wish: &'a Wish,
    pub(super) members: &'a [MemberReport],
    pub(super) waiting: &'a [Waiting],
    pub(super) doing: &'a [String],
    pub(super) available: Truth,
}

impl Facts<'_> {
    /// Every condition, in the order of their types.
    pub(super) fn conditions(&self) -> Vec<Condition> {
        vec![self.ready(), self.available(), self.progressing(), self.durable(), self.blocked()]
    }

    /// The first wait that only a person can end.
    fn person(&self) -> Option<&Waiting> {
        self.waiting.first().filter(|waiting| waiting.on.needs() == Needs::Person)
    }

    fn ready(&self) -> Condition {
        let not = |reason, message: String| condition(ConditionType::Ready, false, reason, message);
        let desired = match self.wish {
            Wish::Invalid(_) => return not("Invalid", self.first_wait()),
            Wish::Valid(desired) => desired,
        };
        if self.observed.cluster.deleting {
            return not(
                "Deleting",
                "the cluster is being deleted; its claims and volumes are kept".to_owned(),
            );
        }
        if let Topology::Away { reason } = &self.observed.topology {
            return condition(ConditionType::Ready, Truth::Unknown, "TopologyAway", reason.clone());
        }
        let in_place = self.members.iter().filter(|m| m.in_place).count();
        let asked = usize::try_from(desired.members).unwrap_or(usize::MAX);
        if in_place >= asked && self.observed.rule().is_some_and(|rule| self.refuses_writes(rule)) {
            return not("DiskFull", self.first_wait());
        }
        if in_place < asked || self.available != Truth::True {
            let reason = if self.observed.cluster.bootstrapped && self.was_available() {
                "MemberDown"
            } else {
                "Creating"
            };
            return not(
                reason,
                format!("{in_place} of {asked} members are in their place; {}", self.first_wait()),
            );
        }
        if let Some(open) = self.waiting.iter().find(|w| {
            matches!(
                w.on,
                Awaited::OldRevision { .. }
                    | Awaited::Restart { .. }
                    | Awaited::Leaving { .. }
                    | Awaited::Rebuild { .. }
                    | Awaited::Admission { .. }
                    | Awaited::Switchover { .. }
                    | Awaited::OtherSwitchover { .. }
            )
        }) {
            let refused = matches!(open.on, Awaited::OtherSwitchover { .. });
            return not(if refused { "Invalid" } else { "Updating" }, open.on.on());
        }
        if !self.doing.is_empty() {
            return not("Updating", self.doing.join("; "));
        }
        condition(
            ConditionType::Ready,
            true,
            "Ready",
            format!("{asked} of {asked} members are in their place"),
        )
    }

    /// Whether the cluster ever let tenants in, as far as the term tells: the first one ends at the earliest with the first restart.
    fn was_available(&self) -> bool {
        self.available == Truth::True
            || self.observed.rule().is_some_and(|rule| rule.term > Term(1) || rule.acks > 0)
    }

    fn available(&self) -> Condition {
        let (reason, message) = match (self.available, self.observed.rule()) {
            (Truth::True, Some(rule)) => {
                ("Serving", format!("{} takes writes in term {}", rule.primary.member, rule.term))
            }
            (Truth::Unknown, _) => (
                "TopologyAway",
                "who serves cannot be read; clients are not affected by that alone".to_owned(),
            ),
            (_, Some(rule)) => match rule.phase {
                Phase::Bootstrapping => ("NoPrimary", format!("{} makes the database", rule.primary.member)),
                Phase::Electing => {
                    let lack = electing::lacks(self.observed, rule).filter(|_| rule.proposal.is_none());
                    (lack.map_or("Electing", |lack| lack.reason), electing::doing(self.observed, rule))
                }
                Phase::Switching => {
                    ("Switching", format!("{} hands over in term {}", rule.primary.member, rule.term))
                }
                Phase::Serving if self.refuses_writes(rule) => {
                    let who = &rule.primary.member;
                    (
                        "DiskFull",
                        format!(
                            "{who}: the data volume of the primary is full; it refuses writes and answers reads"
                        ),
                    )
                }
                Phase::Serving => {
                    let what = self.members.iter().find(|m| m.identity == rule.primary);
                    let doing = what
                        .and_then(|m| m.trouble.clone())
                        .unwrap_or_else(|| what.map_or("it has no claim", |m| words(m.state)).to_owned());
                    let doing = format!("{}: {doing}", rule.primary.member);
                    match electing::lacks(self.observed, rule) {
                        _ if electing::runs(self.observed, &rule.primary) => ("NoQuorum", doing),
                        Some(lack) => (lack.reason, format!("{doing}; {}", lack.words)),
                        None => ("NoPrimary", format!("{doing}; the others elect another")),
                    }
                }
            },
            (_, None) => ("NoPrimary", self.first_wait()),
        };
        condition(ConditionType::Available, self.available, reason, message)
    }

    /// Whether there is a primary in its place, and all that is amiss with it is that its volume is full.
    fn refuses_writes(&self, rule: &Rule) -> bool {
        full(self.observed, &rule.primary)
            && self.members.iter().any(|member| member.identity == rule.primary && member.in_place)
    }

    fn progressing(&self) -> Condition {
        let new = |holds: bool, reason, message: String| {
            condition(ConditionType::Progressing, holds, reason, message)
        };
        if !self.doing.is_empty() {
            return new(true, "Working", self.doing.join("; "));
        }
        if let Wish::Valid(desired) = self.wish
            && desired.paused
        {
            return new(false, "Paused", "spec.state is Paused".to_owned());
        }
        let goes_on = self.waiting.iter().find(|waiting| {
            waiting.on.needs() == Needs::Time
                && !matches!(
                    waiting.on,
                    Awaited::OldRevision { .. } | Awaited::Restart { .. } | Awaited::Resume
                )
        });
        match (goes_on, self.waiting.first()) {
            (Some(waiting), _) => new(true, waiting.on.reason(), waiting.on.on()),
            (None, Some(waiting)) if waiting.on.needs() != Needs::Time => {
                new(false, waiting.on.reason(), waiting.on.on())
            }
            (None, _) => new(false, "Done", "everything is as it was asked for".to_owned()),
        }
    }

    fn durable(&self) -> Condition {
        let new =
            |holds: Truth, reason, message: String| condition(ConditionType::Durable, holds, reason, message);
        let (Wish::Valid(desired), Some(rule)) = (self.wish, self.observed.rule()) else {
            return match self.observed.topology {
                Topology::Away { .. } => {
                    new(Truth::Unknown, "TopologyAway", "what commits wait for cannot be read".to_owned())
                }
                Topology::Known(_) => new(Truth::False, "Creating", "there is no database yet".to_owned()),
            };
        };
        let members = usize::try_from(desired.members).unwrap_or(usize::MAX);
        let asked = desired.durability.asked(members);
        match desired.durability.mode {
            DurabilityMode::Async => new(
                Truth::False,
                "Async",
                "commits wait for the primary alone, as mode Async asks".to_owned(),
            ),
            DurabilityMode::Quorum | DurabilityMode::All if members == 1 => new(
                Truth::False,
                "SingleMember",
                "every commit is on the one member that was asked for".to_owned(),
            ),
            DurabilityMode::Quorum | DurabilityMode::All if rule.acks >= asked => new(
                Truth::True,
                "Durable",
                format!("every commit is on the primary and {} of {} replicas", rule.acks, rule.voters.len()),
            ),
            DurabilityMode::Quorum | DurabilityMode::All => {
                let so_far = format!("commits wait for {} replicas, and {asked} are asked for", rule.acks);
                match (self.was_available(), desired.durability.on_loss) {
                    (false, _) => new(Truth::False, "Creating", so_far),
                    (true, OnLoss::Block) => new(Truth::False, "Degraded", so_far),
                    (true, OnLoss::Degrade) => {
                        let why = "replicas are away, and spec.durability.onLoss is Degrade";
                        new(Truth::False, "Degraded", format!("{so_far}: {why}"))
                    }
                }
            }
        }
    }

    fn blocked(&self) -> Condition {
        match self.person() {
            Some(waiting) => condition(
                ConditionType::Blocked,
                true,
                waiting.on.reason(),
                format!("{}; {}", waiting.on.on(), waiting.on.unblock()),
            ),
            None => condition(ConditionType::Blocked, false, "NotBlocked", "nothing waits for a person"),
        }
    }

    /// What the cluster is doing, in a word.
    pub(super) fn stage(&self) -> Stage {
        if self.observed.cluster.deleting {
            return Stage::Deleting;
        }
        match self.wish {
            Wish::Invalid(_) => return Stage::Invalid,
            Wish::Valid(desired) if desired.paused => return Stage::Paused,
            Wish::Valid(_) => {}
        }
        if self.available == Truth::True {
            return Stage::Serving;
        }
        if self.person().is_some() {
            return Stage::Blocked;
        }
        match (&self.observed.topology, self.observed.rule().map(|rule| rule.phase)) {
            (Topology::Away { .. }, _) => Stage::Unknown,
            (Topology::Known(_), None | Some(Phase::Bootstrapping)) => Stage::Creating,
            (Topology::Known(_), Some(Phase::Serving)) if !self.was_available() => Stage::Creating,
            (Topology::Known(_), Some(Phase::Serving | Phase::Electing)) => Stage::Electing,
            (Topology::Known(_), Some(Phase::Switching)) => Stage::Switching,
        }
    }

    fn first_wait(&self) -> String {
        self.waiting.first().map_or_else(|| "it goes on by itself".to_owned(), |waiting| waiting.on.on())
    }
}

fn condition(
    kind: ConditionType,
    holds: impl Into<Truth>,
    reason: &'static str,
    message: impl Into<String>,
) -> Condition {
    Condition { kind, holds: holds.into(), reason, message: message.into() }
}
