//! A state of the whole cluster, and how each step changes it.

use crate::bounds::Bounds;
use crate::member::{Letter, Member};
use crate::step::Step;
use crate::store::{Key, Store};
use berth_core::election::{Defects, Effect, Event, Moment};
use berth_core::topology::{
    Access, BootstrapGrant, Durability, DurabilityMode, EngineKind, Intent, OnLoss, Phase,
};
use berth_core::{Generation, Term};
use berth_testkit::simulation::Facts;
use berth_testkit::simulation::database::{Commit, Committed, Databases, Role, Server, Source, Wait};
use berth_testkit::simulation::names::{Who, cluster, nonce};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A state of the whole cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub(crate) now: Moment,
    pub(crate) members: BTreeMap<Who, Member>,
    pub(crate) databases: Databases,
    pub(crate) store: Store,
    pub(crate) letters: BTreeSet<Letter>,
    pub(crate) facts: Facts,
    /// What was delayed.
    pub(crate) late: Vec<Step>,
    pub(crate) left: Bounds,
    written: u32,
    asked: u32,
    pub(crate) lacks: Lacks,
    pub(crate) ends: Moment,
}

/// What is taken out of a world on purpose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Lacks {
    /// Rules of the members.
    pub defects: Defects,
    /// The term in the standbys' names.
    pub terms_in_names: bool,
}

impl World {
    /// A cluster of so many members that is asked for and that nothing has happened to.
    pub fn asked_for(members: u8, acks: u32, lacks: Lacks) -> Self {
        let all = (0..members).map(Who);
        let intent = Intent {
            cluster: cluster(),
            generation: Generation(1),
            members: all.clone().map(|who| (who.identity().member, who.identity().claim)).collect(),
            durability: Durability { mode: DurabilityMode::Quorum, acks, on_loss: OnLoss::Block },
            engine: EngineKind::Postgres,
            parameters: BTreeMap::new(),
            access: Access { database: "app".to_owned(), owner: "app".to_owned() },
            grant: Some(BootstrapGrant { to: Who(0).identity(), nonce: nonce(0) }),
            paused: false,
            switchover: None,
            accept_loss: None,
            rebuild: None,
        };
        let mut store = Store::default();
        store.view.intent = Some(intent);
        let mut world = Self {
            // So far from the beginning that nothing is before it.
            now: Moment::at(Duration::from_secs(100)),
            members: all.clone().map(|who| (who, Member::default())).collect(),
            databases: Databases::default(),
            store,
            letters: BTreeSet::new(),
            facts: Facts::default(),
            late: Vec::new(),
            left: Bounds::NONE,
            written: 0,
            asked: 0,
            lacks,
            ends: Moment::at(Duration::MAX),
        };
        all.for_each(|who| world.returns(who));
        world
    }

    /// The same world at a beginning, with all that the bounds allow before it.
    #[must_use]
    pub fn within(mut self, bounds: Bounds) -> Self {
        self.ends = self.now.after(bounds.lasts);
        self.left = bounds;
        self
    }

    /// Whether a term serves, with all members that are asked for, and all of them know.
    pub fn serves(&self) -> bool {
        let Some(rule) = self.store.rule().filter(|rule| rule.phase == Phase::Serving) else { return false };
        let led = Who::of(&rule.primary.member).and_then(|who| self.databases.servers.get(&who));
        led.is_some_and(|server| server.open && server.led() == Some(rule.term))
            && rule.voters.len() + 1 == self.members.len()
    }

    /// The term that serves.
    pub fn serving_term(&self) -> Option<u64> {
        self.store.rule().filter(|_| self.serves_anybody()).map(|rule| rule.term.0)
    }

    fn serves_anybody(&self) -> bool {
        self.databases.servers.values().any(|server| server.open && server.writes())
    }

    /// Whether a row was acknowledged in a term after the first.
    pub fn went_on(&self) -> bool {
        self.facts.acknowledged.values().any(|term| term.0 > 1)
    }

    /// The promise that was broken.
    pub fn broken(&self) -> Option<&berth_testkit::simulation::Violation> {
        self.facts.violation.as_ref()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.now > self.ends || self.facts.violation.is_some()
    }

    pub(crate) fn member(&mut self, who: Who) -> Option<&mut Member> {
        self.members.get_mut(&who)
    }

    /// Whether two members reach each other, both of them with power.
    pub(crate) fn reaches(&self, a: Who, b: Who) -> bool {
        let there = |who| self.members.get(&who).is_some_and(|it| it.agent.is_some() && !it.cut);
        a == b || (there(a) && there(b))
    }

    /// Lets a step happen.
    pub(crate) fn step(&mut self, step: &Step) {
        self.late.retain(|late| late != step);
        match step {
            Step::Arrives(letter) => self.arrives(letter),
            Step::Done(who) => self.done(*who),
            Step::Announced(who) => self.announced(*who),
            Step::Confirmed(who) => self.confirmed(*who),
            Step::Watches(who) => self.watches(*who),
            Step::Minds(who) => self.minds(*who),
            Step::Asks(who) => self.asks(*who),
            Step::Streams(who) => self.receives(*who),
            Step::Wakes(who) => self.tell(*who, Event::Tick),
            Step::Time => self.time(),
            Step::Delays(step) => {
                self.left.delays -= 1;
                self.late.push((**step).clone());
                return;
            }
            Step::Hurries => {
                self.left.hurries -= 1;
                self.time();
            }
            Step::Writes(who) => self.writes(*who),
            Step::Loses(letter) => {
                self.left.losses -= 1;
                self.letters.remove(letter);
            }
            Step::Kills(who) => {
                self.left.kills -= 1;
                self.killed(*who, false);
            }
            Step::Darkens(who) => {
                self.left.outages -= 1;
                self.darkens(*who);
            }
            Step::Returns(who) => self.returns(*who),
            Step::Restarts(who, done) => {
                self.left.restarts -= 1;
                self.restarts(*who, *done);
            }
            Step::Cuts(who) => {
                self.left.cuts -= 1;
                self.cuts(*who);
            }
            Step::Joins(who) => self.joins(*who),
            Step::Freezes(who) => {
                self.left.freezes -= 1;
                self.freezes(*who, true);
            }
            Step::Thaws(who) => self.freezes(*who, false),
            Step::Resizes(acks) => {
                self.left.resizes -= 1;
                self.store.ask_for_acks(*acks);
                self.spread(&Key::Intent);
            }
            Step::Switches => {
                self.left.switchovers -= 1;
                self.asked += 1;
                self.store.ask_for_switchover(nonce(self.asked));
                self.spread(&Key::Intent);
            }
        }
        self.reads();
    }

    /// Whoever lets tenants in serves them reads.
    fn reads(&mut self) {
        for (who, server) in &self.databases.servers {
            if let (true, Role::Primary { led }) = (server.open && !server.stopping, server.role) {
                self.facts.read(*who, led);
            }
        }
    }

    /// All have something to hear of.
    pub(crate) fn spread(&mut self, key: &Key) {
        for member in self.members.values_mut().filter(|member| member.agent.is_some()) {
            if !member.news.contains(&Key::All) {
                member.news.insert(key.clone());
            }
        }
    }

    /// The clock goes on. Wardens end what has outlived its lease.
    fn time(&mut self) {
        let Some(next) = self.next() else { return };
        self.now = next;
        let over: Vec<Who> = self
            .members
            .iter()
            .filter(|(who, member)| {
                member.lease.is_some_and(|until| until <= next)
                    && self.databases.servers.get(who).is_some_and(Server::writes)
            })
            .map(|(who, _)| *who)
            .collect();
        for who in over {
            self.killed(who, true);
        }
    }

    fn writes(&mut self, who: Who) {
        self.left.rows -= 1;
        self.written += 1;
        let Some(Commit { row, end }) = self.databases.write(who, self.written) else { return };
        self.databases.flush(who);
        let commit = Commit { row, end };
        match self.databases.commit(who, commit) {
            Committed::Waits => {}
            Committed::Released => self.acknowledge(who, commit, None),
            Committed::Unwaited => self.acknowledge(who, commit, Some(&Wait::None)),
        }
    }

    pub(crate) fn acknowledge(&mut self, who: Who, commit: Commit, by: Option<&Wait>) {
        let Some(led) = self.databases.servers.get(&who).and_then(Server::led) else { return };
        self.facts.acknowledged(who, led, commit.row, by, &self.databases, self.store.rule());
    }

    /// Whom a standby is to follow, under the name that it has in this world.
    pub(crate) fn named(&self, source: Source) -> Source {
        if self.lacks.terms_in_names { Source { term: Term(0), ..source } } else { source }
    }

    /// Whom commits are to wait for, by the names that standbys have in this world.
    pub(crate) fn names(&self, wait: Wait) -> Wait {
        match wait {
            Wait::Any { acks, members, .. } if self.lacks.terms_in_names => {
                Wait::Any { acks, members, term: Term(0) }
            }
            Wait::Any { .. } | Wait::Nobody | Wait::None => wait,
        }
    }
}

/// What an effect touches that takes the store is out of reach of a member that is cut off.
pub(crate) fn needs_store(effect: &Effect) -> bool {
    matches!(effect, Effect::SwapRule { .. } | Effect::PutRoute { .. })
}
