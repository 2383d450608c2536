//! What a run is judged by beside its single steps: that writes resume when nothing is in their way, and that in the end all is as it should be.

use super::clock::Time;
use super::database::Torn;
use super::facts::Promise;
use super::happening::Happening;
use super::names::Who;
use super::network::{Place, Plane, Way};
use super::words;
use super::world::World;
use berth_core::MemberId;
use berth_core::topology::{Admission, Phase, Rule};
use std::collections::BTreeSet;
use std::time::Duration;

/// How often all is looked at.
const EVERY: Duration = Duration::from_millis(500);
/// How long writes may take to resume when nothing is in their way: a lease, an election, a recovery, and the longest pause after failures.
pub(super) const RESUMES: Duration = Duration::from_secs(40);

/// What the judge has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    /// Since when nothing is in the way of writes.
    clear: Option<Time>,
}

impl World {
    /// Looks at everything, again and again.
    pub(super) fn looks(&mut self) {
        self.plan(EVERY, Happening::Looks);
        self.recalls();
        self.operator_looks();
        let clear = self.way_is_clear();
        let now = self.now;
        let since = match (clear, self.facts.seen.clear) {
            (false, _) => None,
            (true, None) => Some(now),
            (true, since) => since,
        };
        self.facts.seen.clear = since;
        let Some(since) = since.filter(|_| !self.clients.silent) else { return };
        let since = since.max(self.clients.last).max(self.faults.last);
        if now.since(since) > RESUMES {
            let rule = self.store.rule().map_or_else(|| "none".to_owned(), words::rule);
            self.facts.broken(Promise::Live, || {
                format!(
                    "nothing is in the way, and nothing was acknowledged for {RESUMES:?}; the rule: {rule}"
                )
            });
        }
    }

    /// Whether a set of members that is enough for the rule works, is connected, and reaches the store and the tenants.
    fn way_is_clear(&self) -> bool {
        let Some(rule) = self.store.rule() else { return false };
        if self.network.storms() || self.store_away > 0 || self.has_forgotten() {
            return false;
        }
        let able: Vec<Who> = self.wished().into_iter().filter(|who| self.able(*who)).collect();
        (1_u32..1 << able.len()).any(|mask| {
            let set: Vec<Who> = able
                .iter()
                .enumerate()
                .filter(|(at, _)| mask & (1 << at) != 0)
                .map(|(_, who)| *who)
                .collect();
            self.enough(rule, &set) && self.connected(&set) && self.leader_does_not_hinder(rule, &set)
        })
    }

    fn able(&self, who: Who) -> bool {
        let Some(member) = self.members.get(&who) else { return false };
        let proxies = u8::try_from(self.clients.proxies.len()).unwrap_or(0);
        let tenants = (0..proxies).all(|proxy| {
            let way = Way { from: Place::Proxy(proxy), to: Place::Member(who), plane: Plane::Data };
            self.network.connects(way)
        });
        member.works() && tenants && self.reaches_store(who) && self.holds_data(who)
    }

    pub(super) fn holds_data(&self, who: Who) -> bool {
        self.databases.disks.get(&who).is_some_and(|disk| {
            disk.ledger.is_some() && disk.data.as_ref().is_some_and(|data| data.torn == Torn::No)
        })
    }

    fn connected(&self, set: &[Who]) -> bool {
        let edge = |a: Who, b: Who, plane| self.network.connects(Way::between(a, b, plane));
        set.iter().enumerate().all(|(at, a)| {
            set.iter().skip(at + 1).all(|b| edge(*a, *b, Plane::Words) && edge(*a, *b, Plane::Data))
        })
    }

    /// Whether the set may elect by the rule, and acknowledge as is asked.
    fn enough(&self, rule: &Rule, set: &[Who]) -> bool {
        let Some(intent) = self.faults.wish.as_ref() else { return false };
        let count = |members: usize| u32::try_from(members).unwrap_or(u32::MAX);
        let holds = |identity: &berth_core::topology::Identity| {
            Who::of(&identity.member).is_some_and(|who| set.contains(&who))
        };
        let voters = count(rule.voters.iter().filter(|voter| holds(voter)).count());
        let all = count(rule.voters.len());
        let holders = rule.holders();
        let elects = holds(&rule.primary) || (holders > 0 && voters > all.saturating_sub(holders));
        let asked = intent.durability.asked(intent.members.len()).max(rule.acks);
        let degrades = self.degrades() && holds(&rule.primary);
        elects && (count(set.len()) > asked || degrades)
    }

    /// A leader outside the set that still speaks to it is not deposed, and need not be.
    fn leader_does_not_hinder(&self, rule: &Rule, set: &[Who]) -> bool {
        let Some(leader) = Who::of(&rule.leader().member) else { return false };
        let Some(member) = self.members.get(&leader) else { return true };
        let stands = member.agent().is_none_or(|agent| agent.frozen)
            || member.process().is_some_and(|process| process.frozen);
        let heard = |who: &Who| self.network.passes(Way::between(leader, *who, Plane::Words));
        set.contains(&leader) || stands || !set.iter().any(heard)
    }

    /// What is not yet as it should be after all was healed; nothing if all is.
    pub(super) fn amiss(&self) -> Option<String> {
        let Some(rule) = self.store.rule() else { return Some("there is no rule".to_owned()) };
        if rule.phase != Phase::Serving {
            return Some(format!("the rule: {}", words::rule(rule)));
        }
        let primary = Who::of(&rule.primary.member)?;
        let opens = self.databases.servers.get(&primary).is_some_and(|server| server.open && server.writes());
        if !opens {
            return Some(format!("the gate of {primary} is shut"));
        }
        let route = self.store.route();
        if !route.is_some_and(|route| route.term == rule.term && route.admission == Admission::ReadWrite) {
            return Some(format!("the route does not lead to {primary}"));
        }
        let asked = self.faults.wish.as_ref().and_then(|intent| intent.switchover.as_ref());
        let other = |nonce| rule.switched.as_ref() != Some(nonce);
        let possible = |to: &Option<MemberId>| {
            to.as_ref().and_then(Who::of).is_none_or(|to| self.wished().contains(&to))
        };
        if let Some(asked) = asked.filter(|asked| other(&asked.nonce) && possible(&asked.to)) {
            return Some(format!("a switchover to {:?} is still to come", asked.to));
        }
        let wished: BTreeSet<Who> = self.wished().into_iter().collect();
        let voters: BTreeSet<Who> =
            rule.voters.iter().filter_map(|voter| Who::of(&voter.member)).chain([primary]).collect();
        if voters != wished {
            return Some(format!("{voters:?} vote or lead, and {wished:?} are asked for"));
        }
        let absent = wished
            .iter()
            .find(|who| !self.members.get(who).is_some_and(|member| !member.lost && member.works()));
        if let Some(absent) = absent {
            return Some(format!("{absent} is not there"));
        }
        let asked = self.faults.wish.as_ref().map(|intent| intent.durability.asked(intent.members.len()));
        if asked != Some(rule.acks) {
            return Some(format!("{} acknowledge, and {asked:?} are asked for", rule.acks));
        }
        if self.clients.last < self.faults.last {
            return Some("nothing was acknowledged since".to_owned());
        }
        wished.iter().filter(|who| **who != primary).find_map(|who| self.follows_amiss(*who, primary))
    }

    fn follows_amiss(&self, who: Who, primary: Who) -> Option<String> {
        let server = self.databases.servers.get(&primary)?;
        let streams = server.senders.get(&who).is_some_and(|sender| sender.streaming && !sender.glimpse);
        (!streams).then(|| format!("{who} does not stream from {primary}"))
    }

    /// In the end, when nobody writes any more: all members hold the same, and every acknowledged row.
    pub(super) fn last_judgement(&mut self) {
        let Some(primary) = self.store.rule().and_then(|rule| Who::of(&rule.primary.member)) else { return };
        let Some(first) = self.databases.data(primary).map(|data| data.log.clone()) else { return };
        let acknowledged: BTreeSet<u32> = self.facts.acknowledged.keys().copied().collect();
        for who in self.wished() {
            let Some(log) = self.databases.data(who).map(|data| &data.log) else {
                self.facts.broken(Promise::Heals, || format!("{who} has no data"));
                return;
            };
            if let Some(at) = log.differs(&first) {
                let text = format!("{who} and {primary} hold different records at {}", at.position());
                self.facts.broken(Promise::NothingLost, || text);
                return;
            }
            if log.end() != first.end() {
                let text = format!("{who} ends at {:?}, {primary} at {:?}", log.end(), first.end());
                self.facts.broken(Promise::Heals, || text);
                return;
            }
            let missing: Vec<u32> = acknowledged.difference(&log.rows()).copied().collect();
            if !missing.is_empty() && !self.facts.lossy {
                self.facts.broken(Promise::NothingLost, || {
                    format!("{who} lacks the acknowledged rows {missing:?}")
                });
                return;
            }
        }
    }
}
