//! What members do, as far as the planner can see it: they make the database, follow, elect another when the primary is gone, hand over when asked,
//! and write down what they are. Much simpler than the real ones, and never wrong about who may be chosen.

use super::World;
use crate::ids::MemberId;
use crate::plan::{ContainerState, Revision, Stored};
use crate::term::{Term, Timeline};
use crate::topology::{
    Activity, Identity, Intent, MemberRecord, Phase, Proposal, Replication, Rule, Switchover,
};
use std::collections::BTreeSet;

impl World {
    pub(super) fn members(&mut self) {
        let Some(intent) = self.known.intent.clone().map(|stored| stored.value) else { return };
        let next = match self.known.rule.clone().map(|stored| stored.value) {
            None => intent.grant.as_ref().filter(|grant| self.runs(&grant.to.member)).map(|grant| Rule {
                term: Term(1),
                phase: Phase::Bootstrapping,
                primary: grant.to.clone(),
                coordinator: None,
                timeline: Timeline(1),
                branched: None,
                voters: BTreeSet::new(),
                acks: 0,
                grants: 0,
                proposal: None,
                cause: None,
                loss: None,
                rebuild: None,
                switched: None,
                system: None,
                grant: grant.nonce.clone(),
            }),
            Some(rule) => Some(self.follow_up(&intent, rule)),
        };
        if let Some(next) = next
            && self.known.rule.as_ref().map(|stored| &stored.value) != Some(&next)
        {
            let revision = Revision(self.next());
            self.known.rule = Some(Stored { value: next, revision });
        }
        self.readiness(&intent);
    }

    fn runs(&self, member: &MemberId) -> bool {
        self.pods
            .get(member.as_str())
            .is_some_and(|p| p.containers[0].state == ContainerState::Running && !p.deleting)
            && !self.spoilt.contains(member)
    }

    /// The rule after one more turn.
    fn follow_up(&self, intent: &Intent, mut rule: Rule) -> Rule {
        let up = self.runs(&rule.primary.member);
        match rule.phase {
            Phase::Bootstrapping if up => rule.phase = Phase::Serving,
            Phase::Bootstrapping => {}
            Phase::Serving if up => self.serve(intent, &mut rule),
            Phase::Switching if up => self.hand_over(intent, &mut rule),
            Phase::Serving | Phase::Switching => self.begin_election(&mut rule),
            Phase::Electing => self.elect(intent, &mut rule),
        }
        rule
    }

    fn serve(&self, intent: &Intent, rule: &mut Rule) {
        let named: BTreeSet<Identity> = intent.members.keys().filter_map(|m| intent.identity(m)).collect();
        let asked = intent.durability.asked(intent.members.len());
        if let Some(switchover) = new(intent, rule) {
            let to = switchover.to.as_ref();
            if to == Some(&rule.primary.member) {
                rule.switched = Some(switchover.nonce.clone());
            } else if self.target(rule, to).is_some() {
                rule.phase = Phase::Switching;
                return;
            }
        }
        if rule.voters.is_subset(&named) {
            let follow = named.into_iter().filter(|i| *i != rule.primary && self.runs(&i.member));
            rule.voters.extend(follow);
            rule.acks = asked.min(count(rule.voters.len()));
        } else {
            rule.voters = rule.voters.intersection(&named).cloned().collect();
            rule.acks = rule.acks.min(asked).min(count(rule.voters.len()));
        }
        rule.grants = rule.acks;
    }

    /// Whom a hand-over would be to: a voter that runs.
    fn target<'a>(&self, rule: &'a Rule, to: Option<&MemberId>) -> Option<&'a Identity> {
        rule.voters.iter().find(|v| to.is_none_or(|to| v.member == *to) && self.runs(&v.member))
    }

    fn hand_over(&self, intent: &Intent, rule: &mut Rule) {
        let to = intent.switchover.as_ref().and_then(|switchover| switchover.to.as_ref());
        let candidate = self.target(rule, to).unwrap_or(&rule.primary).clone();
        rule.switched = intent.switchover.as_ref().map(|switchover| switchover.nonce.clone());
        rule.phase = Phase::Electing;
        rule.term = rule.term.next();
        rule.coordinator = Some(rule.primary.clone());
        rule.proposal = Some(self.proposal(intent, rule, candidate));
    }

    fn begin_election(&self, rule: &mut Rule) {
        rule.phase = Phase::Electing;
        rule.term = rule.term.next();
        rule.proposal = None;
        let by = if self.suffices(rule) { self.target(rule, None).cloned() } else { None };
        rule.coordinator = Some(by.unwrap_or_else(|| rule.primary.clone()));
    }

    /// Whether the voters that run are enough without the primary.
    fn suffices(&self, rule: &Rule) -> bool {
        let each = usize::try_from(rule.acks.max(rule.grants)).unwrap();
        let there = rule.voters.iter().filter(|v| self.runs(&v.member)).count();
        each > 0 && there + each > rule.voters.len()
    }

    fn elect(&self, intent: &Intent, rule: &mut Rule) {
        match rule.proposal.take() {
            Some(next) if self.runs(&next.candidate.member) => {
                rule.phase = Phase::Serving;
                rule.primary = next.candidate;
                (rule.voters, rule.acks, rule.grants) = (next.voters, next.acks, next.grants);
                rule.coordinator = None;
                rule.timeline = rule.timeline.next();
            }
            Some(_) => self.begin_election(rule),
            None => {
                let voter = if self.suffices(rule) { self.target(rule, None) } else { None };
                let last = Some(&rule.primary).filter(|primary| self.runs(&primary.member));
                if let Some(candidate) = voter.or(last).cloned() {
                    rule.proposal = Some(self.proposal(intent, rule, candidate));
                }
            }
        }
    }

    fn proposal(&self, intent: &Intent, rule: &Rule, candidate: Identity) -> Proposal {
        let known = rule.voters.iter().chain([&rule.primary]);
        let voters: BTreeSet<Identity> =
            known.filter(|i| **i != candidate && self.runs(&i.member)).cloned().collect();
        let acks = intent.durability.asked(intent.members.len()).min(count(voters.len()));
        Proposal { candidate, voters, acks, grants: acks, end: None }
    }

    fn readiness(&mut self, intent: &Intent) {
        let Some(rule) = self.known.rule.clone().map(|stored| stored.value) else { return };
        let asked = intent.durability.asked(intent.members.len());
        let version = self.next().to_string();
        for pod in
            self.pods.values_mut().filter(|p| !p.deleting && p.containers[0].state == ContainerState::Running)
        {
            let Some(identity) = pod.member.as_ref().and_then(|m| intent.identity(m)) else { continue };
            let primary = identity == rule.primary;
            let spoilt = self.spoilt.contains(&identity.member);
            let ready = rule.phase == Phase::Serving
                && !spoilt
                && if primary { rule.acks >= asked } else { rule.voters.contains(&identity) };
            if pod.ready != ready {
                pod.ready = ready;
                pod.resource_version.clone_from(&version);
            }
            let activity = if primary { Activity::Primary } else { Activity::Following };
            self.known.members.insert(
                identity.member.clone(),
                MemberRecord {
                    identity: identity.clone(),
                    incarnation: pod.uid.clone(),
                    address: "10.0.0.1:5432".to_owned(),
                    peer: "10.0.0.1:5433".to_owned(),
                    version: "0.1.0".to_owned(),
                    starts: 1,
                    term: rule.term,
                    activity,
                    replication: if primary { Replication::Detached } else { Replication::InBound },
                    trouble: None,
                    beyond_repair: spoilt.then(|| "the ledger cannot be read".to_owned()),
                    space: self.spaces.get(&identity.member).copied().unwrap_or_default(),
                    pending_restart: Vec::new(),
                },
            );
        }
    }
}

/// A switchover that was not done yet.
fn new<'a>(intent: &'a Intent, rule: &Rule) -> Option<&'a Switchover> {
    let paused = intent.paused;
    intent.switchover.as_ref().filter(|asked| !paused && rule.switched.as_ref() != Some(&asked.nonce))
}

fn count(members: usize) -> u32 {
    u32::try_from(members).unwrap()
}
