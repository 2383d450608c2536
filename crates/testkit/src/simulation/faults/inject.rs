//! How a fault begins and is undone.

use super::{Kind, Target, Undo};
use crate::simulation::clock::Time;
use crate::simulation::counts::Stage;
use crate::simulation::happening::Happening;
use crate::simulation::names::Who;
use crate::simulation::network::{Place, Plane, Way};
use crate::simulation::pods::End;
use crate::simulation::run::TROUBLED;
use crate::simulation::world::World;
use berth_core::topology::Phase;
use std::time::Duration;

impl World {
    /// What the cluster is doing.
    pub(in crate::simulation) fn stage(&self) -> Stage {
        match self.store.rule() {
            None => Stage::Nothing,
            Some(rule) => match rule.phase {
                Phase::Bootstrapping => Stage::Bootstrapping,
                Phase::Serving => Stage::Serving,
                Phase::Electing if rule.proposal.is_some() => Stage::Chosen,
                Phase::Electing => Stage::Electing,
                Phase::Switching => Stage::Switching,
            },
        }
    }

    /// A fault begins, unless it has begun already at a step or nothing more may.
    pub(in crate::simulation) fn fault_begins(&mut self, index: usize) {
        let stage = self.stage();
        let Some(fault) = self.faults.all.get_mut(index).filter(|fault| !fault.begun) else { return };
        if self.faults.over {
            return;
        }
        fault.begun = true;
        let (kind, target, lasts) = (fault.kind, fault.target, fault.lasts);
        let done = self.victim(target).and_then(|who| Some((who, self.inject(kind, who, lasts)?)));
        let Some((who, undo)) = done else { return self.something_else(index) };
        *self.counts.faults.entry((stage, kind)).or_default() += 1;
        self.say(&"fault", || format!("{kind:?} of {who} for {} ms, while {stage:?}", lasts.as_millis()));
        if let Some(fault) = self.faults.all.get_mut(index) {
            fault.undo = undo;
        }
        self.faults.under_way += 1;
        self.faults.last = self.now;
        self.plan(lasts, Happening::Heals { index });
    }

    /// What cannot be done now gives way to something else a little later, so that no run has fewer faults than were drawn.
    fn something_else(&mut self, index: usize) {
        let kind = self.random.pick(&Kind::DRAWN).copied().unwrap_or(Kind::KillAgent);
        if let Some(fault) = self.faults.all.get_mut(index) {
            (fault.kind, fault.target, fault.begun, fault.cue) = (kind, Target::Anybody, false, None);
        }
        // Sooner where little time is left.
        let left = Time::default().after(TROUBLED).since(self.now) / 4;
        let pause = left.clamp(Duration::from_millis(1), Duration::from_millis(400));
        self.plan(pause, Happening::Fault { index });
    }

    /// A fault is over.
    pub(in crate::simulation) fn fault_ends(&mut self, index: usize) {
        let Some(fault) = self.faults.all.get_mut(index) else { return };
        let kind = fault.kind;
        let undo = std::mem::take(&mut fault.undo);
        if undo.is_empty() {
            return;
        }
        self.faults.under_way = self.faults.under_way.saturating_sub(1);
        self.say(&"fault", || format!("{kind:?} is over"));
        self.mend(undo);
    }

    /// All faults end, and no more begin.
    pub(in crate::simulation) fn heal_all(&mut self) {
        self.faults.over = true;
        for index in 0..self.faults.all.len() {
            self.fault_ends(index);
        }
        self.faults.last = self.now;
    }

    fn victim(&mut self, target: Target) -> Option<Who> {
        let present: Vec<Who> =
            self.members.values().filter(|member| !member.lost).map(|member| member.who).collect();
        let leader = self.store.rule().and_then(|rule| Who::of(&rule.leader().member));
        let others: Vec<Who> = present.iter().copied().filter(|who| Some(*who) != leader).collect();
        match target {
            Target::This(who) => present.contains(&who).then_some(who),
            Target::Leader => {
                leader.filter(|leader| present.contains(leader)).or_else(|| present.first().copied())
            }
            Target::Other => self.random.pick(&others).copied(),
            Target::Standby(number) => others.get(number).copied(),
            Target::Anybody => self.random.pick(&present).copied(),
        }
    }

    fn another(&mut self, who: Who) -> Option<Who> {
        let others: Vec<Who> = self
            .members
            .values()
            .filter(|member| !member.lost && member.who != who)
            .map(|member| member.who)
            .collect();
        self.random.pick(&others).copied()
    }

    /// Does it; none if it cannot be done now. Something to undo is always left, so that its end is seen.
    fn inject(&mut self, kind: Kind, who: Who, lasts: Duration) -> Option<Vec<Undo>> {
        let member = self.members.get_mut(&who)?;
        match kind {
            Kind::KillServer => {
                member.process()?;
                self.server_ends(who, End::Killed, false);
                Some(vec![Undo::Nothing])
            }
            Kind::KillAgent => {
                member.agent()?;
                self.agent_dies(who);
                Some(vec![Undo::Nothing])
            }
            Kind::LosePod => {
                let pod = member.pods;
                member.pod.as_ref()?;
                if lasts > Duration::from_secs(2) {
                    member.down += 1;
                    self.pod_ends(who, pod);
                    return Some(vec![Undo::Power(who)]);
                }
                self.pod_ends(who, pod);
                Some(vec![Undo::Nothing])
            }
            Kind::StopPod => {
                member.pod.as_ref().filter(|pod| !pod.stopping)?;
                self.pod_stops(who);
                Some(vec![Undo::Nothing])
            }
            Kind::LoseNode => {
                member.down += 1;
                self.node_is_lost(who);
                Some(vec![Undo::Power(who)])
            }
            Kind::LoseVolume => self.lose_volume(who),
            Kind::FreezeServer => {
                let life = member.process().filter(|process| !process.frozen)?.life;
                self.freeze_server(who, life, true);
                self.stall_later(who);
                Some(vec![Undo::Thaw { who, life, server: true }])
            }
            Kind::FreezeAgent => {
                let life = member.agent().filter(|agent| !agent.frozen)?.life;
                self.freeze_agent(who, life, true);
                Some(vec![Undo::Thaw { who, life, server: false }])
            }
            Kind::SlowDisk => {
                member.slow += 1;
                Some(vec![Undo::Disk(who)])
            }
            Kind::SlowStream => {
                let leads = self.store.rule().and_then(|rule| Who::of(&rule.leader().member)) == Some(who);
                let standby = if leads { self.another(who)? } else { who };
                self.members.get_mut(&standby)?.behind += 1;
                Some(vec![Undo::Stream(standby)])
            }
            Kind::LateWatch => {
                member.late += 1;
                Some(vec![Undo::Watch(who)])
            }
            Kind::Flaky => {
                member.flaky += 1;
                Some(vec![Undo::Effects(who)])
            }
            Kind::Storm => {
                self.network.storm(true);
                Some(vec![Undo::Storm])
            }
            Kind::StoreAway => {
                self.store_away += 1;
                self.mind_watches();
                Some(vec![Undo::Store])
            }
            Kind::StoreLost => self.store_forgets(true).then(|| vec![Undo::Nothing]),
            Kind::StoreRestored => self.store_forgets(false).then(|| vec![Undo::Nothing]),
            Kind::CutEdge
            | Kind::CutOneWay
            | Kind::CutPort
            | Kind::CutStore
            | Kind::CutTenants
            | Kind::Isolate => {
                let ways = self.ways(kind, who)?;
                Some(self.cut(who, ways))
            }
            Kind::Flood => self.flood(who).then(|| vec![Undo::Nothing]),
            Kind::OldRoutes => {
                self.old_routes(lasts);
                Some(vec![Undo::Nothing])
            }
            Kind::Switchover => self.ask_for_switchover().then(|| vec![Undo::Nothing]),
            Kind::Resize => self.ask_for_another_size().then(|| vec![Undo::Nothing]),
        }
    }

    fn ways(&mut self, kind: Kind, who: Who) -> Option<Vec<Way>> {
        let me = Place::Member(who);
        let store = Way { from: me, to: Place::Store, plane: Plane::Words };
        let peers: Vec<Who> = self.members.keys().copied().filter(|other| *other != who).collect();
        let edge = |other: Who, plane: Plane| Way::between(who, other, plane);
        let both = |way: Way| [way, way.back()];
        match kind {
            Kind::CutEdge => {
                let other = self.another(who)?;
                Some(
                    [Plane::Words, Plane::Data]
                        .into_iter()
                        .flat_map(|plane| both(edge(other, plane)))
                        .collect(),
                )
            }
            Kind::CutOneWay => {
                let other = self.another(who)?;
                let turned = self.random.once_in(2);
                let ways = [Plane::Words, Plane::Data].map(|plane| edge(other, plane));
                Some(ways.map(|way| if turned { way.back() } else { way }).to_vec())
            }
            Kind::CutPort => {
                let other = self.another(who)?;
                let plane = if self.random.once_in(2) { Plane::Words } else { Plane::Data };
                Some(both(edge(other, plane)).to_vec())
            }
            Kind::CutStore => match self.random.below(3) {
                0 => Some(vec![store]),
                1 => Some(vec![store.back()]),
                _ => Some(both(store).to_vec()),
            },
            Kind::CutTenants => {
                let proxies = u8::try_from(self.clients.proxies.len()).unwrap_or(0);
                let way = |proxy| Way { from: Place::Proxy(proxy), to: me, plane: Plane::Data };
                Some((0..proxies).flat_map(|proxy| both(way(proxy))).collect())
            }
            Kind::Isolate => {
                let planes = [Plane::Words, Plane::Data];
                let edges = peers.iter().flat_map(|other| planes.map(|plane| edge(*other, plane)));
                Some(edges.chain([store]).flat_map(both).collect())
            }
            Kind::KillServer
            | Kind::KillAgent
            | Kind::LosePod
            | Kind::LoseNode
            | Kind::LoseVolume
            | Kind::StopPod
            | Kind::FreezeServer
            | Kind::FreezeAgent
            | Kind::StoreAway
            | Kind::StoreLost
            | Kind::StoreRestored
            | Kind::SlowDisk
            | Kind::SlowStream
            | Kind::LateWatch
            | Kind::Storm
            | Kind::Flaky
            | Kind::Flood
            | Kind::OldRoutes
            | Kind::Switchover
            | Kind::Resize => None,
        }
    }

    /// Cuts these ways; those who spoke over them find out.
    pub(in crate::simulation) fn cut(&mut self, who: Who, ways: Vec<Way>) -> Vec<Undo> {
        for way in &ways {
            self.network.cut(*way);
        }
        self.stall_later(who);
        self.mind_watches();
        ways.into_iter().map(Undo::Mend).collect()
    }

    fn stall_later(&mut self, who: Who) {
        let peers: Vec<Who> = self.members.keys().copied().filter(|other| *other != who).collect();
        for other in peers {
            let pause = self.millis(2_000, 6_000);
            self.plan(pause, Happening::Stalls { a: Place::Member(who), b: Place::Member(other) });
        }
    }

    fn old_routes(&mut self, lasts: Duration) {
        for step in 0..4_u32 {
            let proxies = u64::try_from(self.clients.proxies.len()).unwrap_or(0);
            let proxy = u8::try_from(self.random.below(proxies)).unwrap_or(0);
            self.plan(lasts * step / 4, Happening::ProxySeesOld { proxy });
        }
    }

    /// Undoes all of it.
    pub(in crate::simulation) fn mend(&mut self, undo: Vec<Undo>) {
        self.faults.last = self.now;
        for undo in undo {
            self.undo(undo);
        }
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Mend(way) => {
                self.network.mend(way);
                self.mind_watches();
            }
            Undo::Thaw { who, life, server: true } => self.freeze_server(who, life, false),
            Undo::Thaw { who, life, server: false } => self.freeze_agent(who, life, false),
            Undo::Power(who) => {
                let Some(member) = self.members.get_mut(&who) else { return };
                member.down = member.down.saturating_sub(1);
                if member.down == 0 && !member.lost {
                    self.node_returns(who);
                }
            }
            Undo::Nothing => {}
            Undo::Disk(who) => self.relieve(who, |member| &mut member.slow),
            Undo::Stream(who) => self.relieve(who, |member| &mut member.behind),
            Undo::Watch(who) => self.relieve(who, |member| &mut member.late),
            Undo::Effects(who) => self.relieve(who, |member| &mut member.flaky),
            Undo::Storm => self.network.storm(false),
            Undo::Store => {
                self.store_away = self.store_away.saturating_sub(1);
                self.mind_watches();
            }
        }
    }

    fn relieve(&mut self, who: Who, of: impl FnOnce(&mut crate::simulation::member::Member) -> &mut u32) {
        if let Some(member) = self.members.get_mut(&who) {
            let count = of(member);
            *count = count.saturating_sub(1);
        }
    }
}
