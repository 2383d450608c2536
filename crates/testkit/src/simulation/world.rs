//! The simulated world: all its parts, and the loop that lets one thing after another happen to them.

use super::clients::Clients;
use super::clock::Time;
use super::counts::Counts;
use super::database::Databases;
use super::facts::Facts;
use super::faults::Faults;
use super::forgetting::Forgetting;
use super::happening::{Happening, Life, Queue};
use super::member::{Agent, Member, Process};
use super::names::Who;
use super::network::{Network, Place, Plane, Way};
use super::options::Options;
use super::pods::End;
use super::store::Store;
use super::streams::Connections;
use super::trace::Trace;
use crate::Random;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

/// The simulated world.
pub(super) struct World {
    pub now: Time,
    pub random: Random,
    pub options: Options,
    pub network: Network,
    pub store: Store,
    /// How many faults keep everybody from the store.
    pub store_away: u32,
    pub databases: Databases,
    pub members: BTreeMap<Who, Member>,
    pub connections: Connections,
    pub clients: Clients,
    pub faults: Faults,
    pub forgetting: Forgetting,
    pub facts: Facts,
    pub counts: Counts,
    pub trace: Trace,
    pub(super) queue: Queue,
    numbers: u64,
}

impl World {
    pub(super) fn new(options: Options, random: Random, trace: Trace) -> Self {
        Self {
            now: Time::default(),
            random,
            options,
            network: Network::default(),
            store: Store::default(),
            store_away: 0,
            databases: Databases::default(),
            members: BTreeMap::new(),
            connections: Connections::default(),
            clients: Clients::default(),
            faults: Faults::default(),
            forgetting: Forgetting::default(),
            facts: Facts::default(),
            counts: Counts::default(),
            trace,
            queue: Queue::default(),
            numbers: 0,
        }
    }

    /// A number that was never given before.
    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Plans something for later.
    pub(super) fn plan(&mut self, after: Duration, happening: Happening) {
        self.queue.plan(self.now.after(after), happening);
    }

    /// Between so many and so many microseconds, by lot.
    pub(super) fn between(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_micros(least + self.random.below(most.saturating_sub(least) + 1))
    }

    /// Between so many and so many milliseconds, by lot.
    pub(super) fn millis(&mut self, least: u64, most: u64) -> Duration {
        self.between(least * 1_000, most * 1_000)
    }

    /// How long something takes on the network that is not lost.
    pub(super) fn delay(&mut self) -> Duration {
        self.network.delay(&mut self.random)
    }

    /// Tells a line of the story.
    pub(super) fn say(&mut self, whom: &dyn Display, text: impl FnOnce() -> String) {
        self.trace.say(self.now, whom, text);
    }

    pub(super) fn member(&mut self, who: Who) -> Option<&mut Member> {
        self.members.get_mut(&who)
    }

    /// The agent, if it is still the one that is meant.
    pub(super) fn agent(&mut self, who: Who, life: Life) -> Option<&mut Agent> {
        self.members.get_mut(&who)?.agent_mut().filter(|agent| agent.life == life)
    }

    /// The server's process, if it is still the one that is meant.
    pub(super) fn process(&mut self, who: Who, life: Life) -> Option<&mut Process> {
        self.members.get_mut(&who)?.process_mut().filter(|process| process.life == life)
    }

    /// Whether a member and the store hear each other.
    pub(super) fn reaches_store(&self, who: Who) -> bool {
        let way = Way { from: Place::Member(who), to: Place::Store, plane: Plane::Words };
        self.store_away == 0 && self.network.connects(way)
    }

    /// Lets the next thing happen; false if there is nothing more, or it would be after `end`.
    pub(super) fn step(&mut self, end: Time) -> bool {
        let Some((at, happening)) = self.queue.next(end) else { return false };
        self.now = self.now.max(at);
        self.counts.happenings += 1;
        self.happen(happening);
        true
    }

    /// Lets something happen now.
    pub(super) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Agent { who, life, what } => {
                let Some(agent) = self.agent(who, life) else { return };
                if agent.frozen {
                    agent.inbox.push(Happening::Agent { who, life, what });
                } else {
                    self.agent_does(who, life, what);
                }
            }
            Happening::Server { who, life, what } => {
                let Some(process) = self.process(who, life) else { return };
                if process.frozen {
                    process.stalled.push(Happening::Server { who, life, what });
                } else {
                    self.server_does(who, life, what);
                }
            }
            Happening::Request { who, life, request } => self.request_arrives(who, life, request),
            Happening::Answer { who, life, event } => self.answer_arrives(who, life, *event),
            Happening::PodStarts { who } => self.pod_starts(who),
            Happening::PodEnds { who, pod } => self.pod_ends(who, pod),
            Happening::AgentStarts { who, pod } => self.agent_starts(who, pod),
            Happening::LeaseEnds { who, life, number } => self.lease_ends(who, life, number),
            Happening::LastSessionEnds { who, life } => {
                if self.process(who, life).is_some() {
                    self.server_ends(who, End::Killed, true);
                }
            }
            Happening::Closes { connection, source, standby } => self.closes(connection, source, standby),
            Happening::ProxySees { proxy, upto } => self.proxy_sees(proxy, upto),
            Happening::ProxySeesOld { proxy } => self.proxy_sees_old(proxy),
            Happening::Writes { writer } => self.writer_turns(writer),
            Happening::Reads { reader } => self.reader_turns(reader),
            Happening::Told { row, answer } => self.told(row, answer),
            Happening::GivesUp { row } => self.gives_up(row),
            Happening::Fault { index } => self.fault_begins(index),
            Happening::Heals { index } => self.fault_ends(index),
            Happening::Replaced { who } => self.replaced(who),
            Happening::Looks => self.looks(),
            Happening::Stalls { a, b } => self.stalls(a, b),
        }
    }
}
