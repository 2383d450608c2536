//! What people and the operator ask of a cluster: who belongs to it, how many acknowledge, who is to lead, and who takes a lost member's place.

use super::clock::Clock;
use super::faults::Undo;
use super::happening::Happening;
use super::member::Member;
use super::names::{Who, cluster, nonce};
use super::world::World;
use berth_core::Generation;
use berth_core::topology::{
    AcceptLoss, Access, BootstrapGrant, Durability, DurabilityMode, EngineKind, Identity, Intent, OnLoss,
    Phase, Switchover,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often a leading member that was taken out is asked to hand over.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// Members that there may ever be.
const MOST: u8 = 7;

impl World {
    /// The first wish: so many members, this durability, and the grant to the first.
    pub(super) fn cluster_is_asked_for(&mut self, members: u8, durability: Durability) {
        let all = (0..members).map(Who);
        let intent = Intent {
            cluster: cluster(),
            generation: Generation(1),
            members: all.clone().map(|who| (who.identity().member, who.identity().claim)).collect(),
            durability,
            engine: EngineKind::Postgres,
            parameters: BTreeMap::new(),
            access: Access { database: "app".to_owned(), owner: "app".to_owned() },
            grant: Some(BootstrapGrant { to: Who(0).identity(), nonce: nonce(0) }),
            paused: false,
            switchover: None,
            accept_loss: None,
            rebuild: None,
        };
        self.store.intend(intent.clone());
        self.faults.wish = Some(intent);
        for who in all {
            self.member_is_made(who);
        }
    }

    fn member_is_made(&mut self, who: Who) {
        let (drift, showed) = (self.drift(), Duration::from_secs(self.random.below(1_000_000)));
        self.members.insert(who, Member::new(who, Clock::new(self.now, showed, drift)));
        let pause = self.millis(5, 300);
        self.plan(pause, Happening::PodStarts { who });
    }

    fn intends(&mut self, change: impl FnOnce(&mut Intent)) {
        self.wishes(change);
        if !self.has_forgotten() {
            self.wish_is_told();
        }
    }

    /// Something else is wished for; the members hear of it when they are told.
    pub(super) fn wishes(&mut self, change: impl FnOnce(&mut Intent)) {
        let Some(intent) = &mut self.faults.wish else { return };
        change(intent);
        intent.generation.0 += 1;
    }

    /// The wish is written, if the store does not have it.
    pub(super) fn wish_is_told(&mut self) {
        let Some(wish) = self.faults.wish.clone() else { return };
        if self.store.view().intent.as_ref() != Some(&wish) {
            self.store.intend(wish);
            self.store_changed();
        }
    }

    /// The members that are wished for.
    pub(super) fn wished(&self) -> Vec<Who> {
        let intent = self.faults.wish.as_ref();
        intent.map(|intent| intent.members.keys().filter_map(Who::of).collect()).unwrap_or_default()
    }

    pub(super) fn ask_for_switchover(&mut self) -> bool {
        let wished = self.wished();
        let to = self.random.pick(&wished).copied().filter(|_| self.random.once_in(2));
        self.faults.nonces += 1;
        let nonce = nonce(self.faults.nonces);
        self.say(&"operator", || format!("asks for a switchover to {to:?}"));
        self.intends(|intent| intent.switchover = Some(Switchover { nonce, to: to.map(Who::member) }));
        true
    }

    pub(super) fn ask_for_another_size(&mut self) -> bool {
        let wished = self.wished();
        let Some(intent) = self.faults.wish.as_ref() else { return false };
        let acks = intent.durability.acks;
        let members = u32::try_from(wished.len()).unwrap_or(0);
        let primary = self.store.rule().and_then(|rule| Who::of(&rule.primary.member));
        match self.random.below(3) {
            0 if members > acks + 1 && members > 2 => {
                let others: Vec<Who> = wished.into_iter().filter(|who| Some(*who) != primary).collect();
                let Some(leaving) = self.random.pick(&others).copied() else { return false };
                self.say(&"operator", || format!("takes {leaving} out"));
                self.intends(|intent| {
                    intent.members.remove(&leaving.member());
                });
                true
            }
            1 if members > 2 => {
                let other = 1 + u32::try_from(self.random.below(u64::from(members) - 1)).unwrap_or(0);
                self.say(&"operator", || format!("asks for {other} acknowledgements"));
                self.intends(|intent| intent.durability.acks = other);
                other != acks
            }
            _ => self.add_member(),
        }
    }

    fn add_member(&mut self) -> bool {
        let Some(next) = self.members.keys().next_back().map(|who| Who(who.0 + 1)).filter(|who| who.0 < MOST)
        else {
            return false;
        };
        self.say(&"operator", || format!("adds {next}"));
        let identity = next.identity();
        self.intends(|intent| {
            intent.members.insert(identity.member, identity.claim);
        });
        self.member_is_made(next);
        true
    }

    /// A machine is lost with its volume, if the promise covers it: somebody else holds all, and the loss before was made good.
    pub(super) fn lose_volume(&mut self, who: Who) -> Option<Vec<Undo>> {
        let rule = self.store.rule()?;
        let room = self.members.keys().next_back().is_some_and(|last| last.0 + 1 < MOST);
        let asked = rule.acks > 0 && rule.phase == Phase::Serving && self.faults.volumes > 0 && room;
        if !asked || !self.wished().contains(&who) || !self.covered(who) {
            return None;
        }
        self.faults.volumes -= 1;
        self.volume_is_lost(who);
        let pause = self.millis(1_000, 15_000);
        self.plan(pause, Happening::Replaced { who });
        Some(vec![Undo::Nothing])
    }

    /// A machine and its volume are gone for ever.
    pub(super) fn volume_is_lost(&mut self, who: Who) {
        self.say(&"fault", || format!("{who} and its volume are lost"));
        self.node_is_lost(who);
        if let Some(data) = self.databases.disks.remove(&who).and_then(|disk| disk.data) {
            self.facts.buried.insert(who, data.log);
        }
        if let Some(member) = self.members.get_mut(&who) {
            member.lost = true;
        }
    }

    /// A person accepts what may be lost.
    pub(super) fn accept_loss(&mut self, word: AcceptLoss) {
        self.say(&"operator", || {
            format!("{} is to go on from term {}, whatever is lost", word.member.member, word.term)
        });
        self.intends(|intent| intent.accept_loss = Some(word));
    }

    /// Whether those who are left, without this one, hold all by the rule.
    fn covered(&self, who: Who) -> bool {
        let Some(rule) = self.store.rule() else { return false };
        let holds = |identity: &Identity| {
            Who::of(&identity.member).is_some_and(|other| other != who && self.holds_data(other))
        };
        let voters = rule.voters.iter().filter(|voter| holds(voter)).count();
        let holders = usize::try_from(rule.holders()).unwrap_or(usize::MAX);
        holds(&rule.primary) || voters + holders > rule.voters.len()
    }

    /// A lost member is taken out, and another comes.
    pub(super) fn replaced(&mut self, who: Who) {
        self.say(&"operator", || format!("takes the lost {who} out"));
        self.intends(|intent| {
            intent.members.remove(&who.member());
        });
        self.add_member();
    }

    /// Members that were taken out and that no rule counts on any more are removed. One that leads is to hand over first.
    pub(super) fn operator_looks(&mut self) {
        if self.has_forgotten() {
            return;
        }
        let Some(rule) = self.store.rule() else { return };
        let wished = self.wished();
        let leads = Who::of(&rule.primary.member).is_some_and(|primary| !wished.contains(&primary));
        if leads && rule.phase == Phase::Serving && self.now.since(self.faults.asked) > ASK_AGAIN {
            self.faults.asked = self.now;
            self.faults.nonces += 1;
            let nonce = nonce(self.faults.nonces);
            self.intends(|intent| intent.switchover = Some(Switchover { nonce, to: None }));
            return;
        }
        let named = |who: Who| {
            let identity = who.identity();
            rule.voters.contains(&identity)
                || rule.primary == identity
                || rule.coordinator.as_ref() == Some(&identity)
                || rule.proposal.as_ref().is_some_and(|proposal| {
                    proposal.candidate == identity || proposal.voters.contains(&identity)
                })
        };
        let leaving: Vec<Who> = self
            .members
            .values()
            .filter(|member| !member.lost && !wished.contains(&member.who) && !named(member.who))
            .map(|member| member.who)
            .collect();
        for who in leaving {
            self.say(&"operator", || format!("removes {who}"));
            let Some(member) = self.members.get_mut(&who) else { continue };
            member.lost = true;
            let pod = member.pods;
            self.pod_ends(who, pod);
        }
    }

    /// Whether rows may be lost by the cluster's own choice.
    pub(super) fn may_lose(durability: &Durability) -> bool {
        durability.mode == DurabilityMode::Async
    }

    /// Whether the cluster goes on alone when its voters are gone.
    pub(super) fn degrades(&self) -> bool {
        self.faults.wish.as_ref().is_some_and(|intent| intent.durability.on_loss == OnLoss::Degrade)
    }
}
