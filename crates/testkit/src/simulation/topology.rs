//! The store in simulated time: requests that arrive late or never, answers that are lost, watches that lag and break.

use super::happening::{Happening, Life, Request, ToAgent, confirmed};
use super::names::Who;
use super::store::Conflict;
use super::words;
use super::world::World;
use berth_core::election::{Event, Issued, News, Outcome};
use berth_core::topology::Rule;
use std::time::Duration;

/// How often a watch that broke tries to come back.
const AGAIN: Duration = Duration::from_millis(400);

impl World {
    /// A request arrives at the store, if anything does.
    pub(super) fn request_arrives(&mut self, who: Who, life: Life, request: Request) {
        if !self.reaches_store(who) {
            return;
        }
        let event = match request {
            Request::Swap { issued, rule, route, expected } => {
                let before = self.store.rule().cloned();
                let done = |outcome| Event::Done { issued, outcome };
                match self.store.swap(*rule, (*route).clone(), expected) {
                    Ok(known) => {
                        self.swapped(before.as_ref(), &known.rule);
                        done(Outcome::RuleSwapped { known, route: *route })
                    }
                    Err(Conflict) => done(Outcome::Conflict(Box::new(self.store.view().clone()))),
                }
            }
            Request::PutRoute { issued, route, rule } => {
                let outcome = match self.store.put_route((*route).clone(), rule) {
                    Ok(()) => Outcome::RoutePut(*route),
                    Err(Conflict) => Outcome::Conflict(Box::new(self.store.view().clone())),
                };
                Event::Done { issued, outcome }
            }
            Request::Announce { number, record } => {
                self.store.announce(*record);
                Event::Announced { number, result: Ok(()) }
            }
            Request::Confirm { number, asked } => confirmed(number, asked, self.store.view().rule.clone()),
        };
        let delay = self.delay();
        self.plan(delay, Happening::Answer { who, life, event: Box::new(event) });
        self.store_changed();
    }

    fn swapped(&mut self, before: Option<&Rule>, rule: &Rule) {
        self.say(&"etcd", || words::rule(rule));
        self.facts.rule(before, rule, &self.databases);
    }

    /// The store's answer arrives, if the way back is open.
    pub(super) fn answer_arrives(&mut self, who: Who, life: Life, event: Event) {
        if !self.reaches_store(who) {
            return;
        }
        match event {
            Event::Done { issued, outcome } => self.answered(who, life, issued, outcome),
            Event::Topology(_)
            | Event::Process(_)
            | Event::Status { .. }
            | Event::Verifier(_)
            | Event::Space(_)
            | Event::Announced { .. }
            | Event::Heard { .. }
            | Event::Confirmed { .. }
            | Event::StopAsked
            | Event::Tick => self.happen(Happening::hears(who, life, event)),
        }
    }

    fn answered(&mut self, who: Who, life: Life, issued: Issued, outcome: Outcome) {
        // An agent that is frozen has it in its mailbox, and one that has begun something else hears it all the same.
        let doing = self.agent(who, life).and_then(|agent| agent.doing.as_ref());
        if doing.is_some_and(|doing| doing.issued == issued) {
            self.finish(who, life, issued, outcome);
        } else {
            self.happen(Happening::done(who, life, issued, outcome));
        }
    }

    /// Whoever watches hears of what is new, each after its own while.
    pub(super) fn store_changed(&mut self) {
        let upto = self.store.revision();
        let watching: Vec<Who> = self.members.keys().copied().collect();
        for who in watching {
            let late = self.members.get(&who).is_some_and(|member| member.late > 0);
            let delay = if late { self.millis(300, 4_000) } else { self.delay() };
            let now = self.now;
            let Some(agent) = self.member(who).and_then(|member| member.agent_mut()) else { continue };
            if !agent.watch.listed || agent.watch.cursor >= upto {
                continue;
            }
            let (at, life) = (now.after(delay).max(agent.watch.due), agent.life);
            agent.watch.due = at;
            self.queue.plan(at, Happening::Agent { who, life, what: ToAgent::Watches { upto } });
        }
        self.proxies_hear(upto);
    }

    /// Records come in by the watch.
    pub(super) fn watch_delivers(&mut self, who: Who, life: Life, upto: i64) {
        // What it was to hear of a history that is gone, it never will.
        if upto > self.store.revision() || !self.reaches_store(who) {
            return;
        }
        let Some(agent) = self.agent(who, life) else { return };
        let after = agent.watch.cursor;
        agent.watch.cursor = after.max(upto);
        let news: Vec<News> =
            self.store.changes(after, upto).filter_map(|(_, change)| change.news()).collect();
        for news in news {
            if self.agent(who, life).is_some() {
                self.tell(who, Event::Topology(news));
            }
        }
    }

    /// An agent that started reads everything.
    pub(super) fn lists(&mut self, who: Who, life: Life) {
        if !self.reaches_store(who) {
            self.away(who, life);
            self.plan(AGAIN, Happening::Agent { who, life, what: ToAgent::Lists });
            return;
        }
        let (revision, view) = (self.store.revision(), self.store.view().clone());
        let Some(agent) = self.agent(who, life) else { return };
        agent.watch.listed = true;
        agent.watch.cursor = revision;
        agent.watch.away = false;
        self.tell(who, Event::Topology(News::Listed(Box::new(view))));
    }

    fn away(&mut self, who: Who, life: Life) {
        let Some(agent) = self.agent(who, life).filter(|agent| !agent.watch.away) else { return };
        agent.watch.away = true;
        self.say(&who, || "finds etcd away".to_owned());
        self.tell(who, Event::Topology(News::Away("no answer".to_owned())));
    }

    /// Something may be wrong with a member's watch, or with all.
    pub(super) fn mind_watches(&mut self) {
        let watching: Vec<Who> = self.members.keys().copied().collect();
        for who in watching {
            let pause = self.millis(200, 2_500);
            let Some(agent) = self.members.get(&who).and_then(|member| member.agent()) else { continue };
            let life = agent.life;
            self.plan(pause, Happening::Agent { who, life, what: ToAgent::Minds });
        }
        self.proxies_mind();
    }

    /// The agent looks whether its watch still stands, and catches up if it stands again.
    pub(super) fn minds_watch(&mut self, who: Who, life: Life) {
        if !self.agent(who, life).is_some_and(|agent| agent.watch.listed) {
            return;
        }
        if !self.reaches_store(who) {
            self.away(who, life);
            self.plan(AGAIN, Happening::Agent { who, life, what: ToAgent::Minds });
            return;
        }
        let was_away = self.agent(who, life).is_some_and(|agent| agent.watch.away);
        if was_away && self.random.once_in(3) {
            self.lists(who, life);
            return;
        }
        self.watch_delivers(who, life, self.store.revision());
        let Some(agent) = self.agent(who, life).filter(|agent| agent.watch.away) else { return };
        agent.watch.away = false;
        self.say(&who, || "finds etcd back".to_owned());
        self.tell(who, Event::Topology(News::Back));
    }
}
