//! An agent's life in simulated time: it starts from what is on the volume, hears, lets production code decide, and begins what was decided.

use super::happening::{Happening, Life, Request, ToAgent};
use super::member::{Agent, Questions, Watch};
use super::names::{Address, Who, cluster, cluster_uid};
use super::network::{Plane, Way};
use super::words;
use super::world::World;
use berth_core::database::LocalStatus;
use berth_core::election::{
    Action, Event, Me, Message, Moment, Notes, ProcessNews, Run, Silence, State, decide,
};
use berth_core::topology::Identity;
use std::time::Duration;

/// How often a server at rest is asked, and one that is about to change.
const AT_REST: Duration = Duration::from_secs(1);
const EAGER: Duration = Duration::from_millis(50);
/// How long an answer may take before it counts as none.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a request to the store may take.
const REQUEST: Duration = Duration::from_secs(4);

impl World {
    /// What a member's clock shows.
    pub(super) fn local(&self, who: Who) -> Moment {
        self.members.get(&who).map_or_else(Moment::default, |member| member.clock.shows(self.now))
    }

    /// The agent of a pod starts.
    pub(super) fn agent_starts(&mut self, who: Who, pod: u32) {
        let life = self.number();
        let ledger = self.databases.disks.get(&who).and_then(|disk| disk.ledger.clone());
        let Some(member) = self.members.get_mut(&who).filter(|member| member.pods == pod) else { return };
        let (address, found) = (member.address(), ledger.clone());
        let Some(pod) = member.pod.as_mut().filter(|pod| pod.agent.is_none() && !pod.stopping) else {
            return;
        };
        let me = Me {
            identity: who.identity(),
            cluster: cluster(),
            uid: cluster_uid(),
            incarnation: format!("pod-{address}"),
            address: address.database(),
            peer: address.peer(),
            version: "simulated".to_owned(),
        };
        let process = match &pod.process {
            Some(process) => ProcessNews::Runs(process.run),
            None => ProcessNews::Absent { latest: Run(pod.runs) },
        };
        pod.agent = Some(Agent {
            life,
            state: State::new(me, ledger.map_or(Notes::Absent, Notes::Present)).with(self.options.defects),
            doing: None,
            alarm: 0,
            asking: Questions::default(),
            watch: Watch::default(),
            ledger: super::clock::Time::default(),
            frozen: false,
            inbox: Vec::new(),
        });
        self.facts.remembers(who, found.as_ref());
        self.say(&who, || "its agent starts".to_owned());
        let hello = self.millis(1, 20);
        self.plan(hello, Happening::hears(who, life, Event::Process(process)));
        let verifier = self.millis(1, 20);
        self.plan(verifier, Happening::hears(who, life, Event::Verifier(Some("v1".to_owned()))));
        let lists = self.millis(5, 60);
        self.plan(lists, Happening::Agent { who, life, what: ToAgent::Lists });
    }

    /// Something happens to an agent that is at work.
    pub(super) fn agent_does(&mut self, who: Who, life: Life, what: ToAgent) {
        match what {
            ToAgent::Hears(event) => self.tell(who, *event),
            ToAgent::Message { from, message } => {
                if words::worth_telling(&message) {
                    self.say(&who, || {
                        format!("hears from {}: {}", words::member(&from.member), words::message(&message))
                    });
                }
                self.tell(who, Event::Heard { from, message });
            }
            ToAgent::Alarm { number } => {
                if self.agent(who, life).is_some_and(|agent| agent.alarm == number) {
                    self.tell(who, Event::Tick);
                }
            }
            ToAgent::Asks { number } => {
                let due = |agent: &mut Agent| agent.asking.number == number && !agent.asking.under_way;
                if self.agent(who, life).is_some_and(due) {
                    self.ask(who);
                }
            }
            ToAgent::Status { run, asked, patience } => self.status_taken(who, life, run, asked, patience),
            ToAgent::Step { number, stage } => self.effect_goes_on(who, life, number, stage),
            ToAgent::LedgerLands { issued, ledger } => self.ledger_lands(who, life, issued, *ledger),
            ToAgent::Watches { upto } => self.watch_delivers(who, life, upto),
            ToAgent::Lists => self.lists(who, life),
            ToAgent::Minds => self.minds_watch(who, life),
        }
    }

    /// The agent hears of an event, decides, and begins what it decided.
    pub(super) fn tell(&mut self, who: Who, event: Event) {
        let now = self.local(who);
        let Some(agent) = self.member(who).and_then(|member| member.agent_mut()) else { return };
        let (state, actions) = decide(&agent.state, event, now);
        let waits = state.waiting().map(|(wait, _)| wait) != agent.state.waiting().map(|(wait, _)| wait);
        let life = agent.life;
        agent.state = state;
        agent.alarm += 1;
        let (alarm, at) = (agent.alarm, agent.state.alarm());
        if waits {
            self.note_wait(who);
        }
        self.counts.decisions += 1;
        if let Some(at) = at {
            let reached =
                self.members.get(&who).map_or(self.now, |member| member.clock.reaches(at, self.now));
            self.queue.plan(reached, Happening::Agent { who, life, what: ToAgent::Alarm { number: alarm } });
        }
        for action in actions {
            self.act(who, life, action);
        }
        self.pose(who);
    }

    fn note_wait(&mut self, who: Who) {
        let Some(agent) = self.members.get(&who).and_then(|member| member.agent()) else { return };
        let Some((wait, _)) = agent.state.waiting() else { return };
        let (wait, kind) = (wait.clone(), words::kind_of_wait(wait));
        *self.counts.waits.entry(kind).or_default() += 1;
        self.say(&who, || format!("waits: {wait}"));
    }

    fn act(&mut self, who: Who, life: Life, action: Action) {
        match action {
            Action::Run { issued, effect } => self.begin(who, life, issued, *effect),
            Action::Announce { number, record } => {
                self.request(who, life, Request::Announce { number, record });
                let overdue = Event::Announced { number, result: Err("no answer".to_owned()) };
                self.plan(REQUEST, Happening::hears(who, life, overdue));
            }
            Action::Send { to, address, message } => self.send(who, &to, &address, &message),
            Action::Confirm { number } => {
                let asked = self.local(who);
                self.request(who, life, Request::Confirm { number, asked });
                let overdue = Event::Confirmed { number, asked, result: Err("no answer".to_owned()) };
                self.plan(REQUEST, Happening::hears(who, life, overdue));
            }
            Action::Lease(until) => self.lease(who, until),
            Action::Exit => self.agent_exits(who),
        }
    }

    /// A request sets out for the store.
    pub(super) fn request(&mut self, who: Who, life: Life, request: Request) {
        let delay = self.delay();
        self.plan(delay, Happening::Request { who, life, request });
    }

    fn send(&mut self, who: Who, to: &berth_core::MemberId, address: &str, message: &Message) {
        let (Some(to), Some(address)) = (Who::of(to), Address::parse(address)) else { return };
        let way = Way::between(who, to, Plane::Words);
        if address.who != to || !self.network.passes(way) {
            return;
        }
        for delay in self.network.arrivals(&mut self.random) {
            let from: Identity = who.identity();
            let reached = self.members.get(&to).filter(|member| member.address() == address);
            let Some(life) = reached.and_then(|member| member.agent()).map(|agent| agent.life) else {
                continue;
            };
            let what = ToAgent::Message { from, message: message.clone() };
            self.plan(delay, Happening::Agent { who: to, life, what });
        }
    }

    /// Puts the question that the agent has, if it has another one than it last put.
    fn pose(&mut self, who: Who) {
        let Some(agent) = self.member(who).and_then(|member| member.agent_mut()) else { return };
        let question = agent.state.run().map(|run| (run, agent.state.in_transition(), agent.state.changes()));
        if agent.asking.under_way || agent.asking.last == question {
            return;
        }
        if question.is_none() {
            agent.asking.last = None;
        } else {
            self.ask(who);
        }
    }

    fn ask(&mut self, who: Who) {
        let asked = self.local(who);
        let patience = self.now.after(PATIENCE);
        let Some(agent) = self.member(who).and_then(|member| member.agent_mut()) else { return };
        let Some(run) = agent.state.run() else {
            agent.asking.last = None;
            return;
        };
        agent.asking.last = Some((run, agent.state.in_transition(), agent.state.changes()));
        agent.asking.under_way = true;
        agent.asking.number += 1;
        let life = agent.life;
        let delay = self.between(300, 4_000);
        self.plan(delay, Happening::Agent { who, life, what: ToAgent::Status { run, asked, patience } });
    }

    fn status_taken(&mut self, who: Who, life: Life, run: Run, asked: Moment, patience: super::clock::Time) {
        let process = self.members.get(&who).and_then(|member| member.process());
        let answer = match process.filter(|process| process.run == run) {
            None => Err("no server runs".to_owned()),
            Some(process) if process.frozen => {
                if self.now < patience {
                    let again =
                        Happening::Agent { who, life, what: ToAgent::Status { run, asked, patience } };
                    self.plan(Duration::from_millis(250), again);
                    return;
                }
                Err("no answer in time".to_owned())
            }
            Some(process) if self.now < process.ready => Err("the database system is starting up".to_owned()),
            Some(_) if !self.databases.is_whole(who) => Err("it is not consistent yet".to_owned()),
            Some(process) => {
                let replayed =
                    if self.now < process.replayed { process.shown } else { super::database::End(u32::MAX) };
                self.status(who, replayed).ok_or_else(|| "no server runs".to_owned())
            }
        };
        if let Some(agent) = self.agent(who, life) {
            agent.asking.under_way = false;
        }
        self.tell(who, Event::Status { run, asked, answer: answer.map_err(Silence::NoAnswer) });
        let Some(agent) = self.agent(who, life).filter(|agent| !agent.asking.under_way) else { return };
        agent.asking.number += 1;
        let (number, eager) = (agent.asking.number, agent.state.in_transition());
        let pause = if eager { EAGER } else { AT_REST };
        self.plan(pause, Happening::Agent { who, life, what: ToAgent::Asks { number } });
    }

    /// What the engine reads of the server. If standbys' names carry no term, all are taken for those of the server's own.
    fn status(&self, who: Who, replayed: super::database::End) -> Option<LocalStatus> {
        let mut status = self.databases.status(who, replayed)?;
        if self.options.forgets_terms_in_names() {
            let term = self.databases.servers.get(&who)?.term;
            status.standbys.iter_mut().for_each(|standby| standby.term = term);
        }
        Some(status)
    }

    /// An agent dies, and what it ran with it. The warden starts another.
    pub(super) fn agent_dies(&mut self, who: Who) {
        let Some(member) = self.member(who) else { return };
        let pod = member.pods;
        let Some(pod_of) = member.pod.as_mut() else { return };
        let (Some(agent), stopping) = (pod_of.agent.take(), pod_of.stopping) else { return };
        self.say(&who, || "its agent dies".to_owned());
        if let Some(doing) = agent.doing.filter(|_| self.random.once_in(2)) {
            self.happens_all_the_same(who, doing);
        }
        let pause = self.millis(100, 1_500);
        // Without its agent a pod that is to end is ended by the warden.
        let next =
            if stopping { Happening::PodEnds { who, pod } } else { Happening::AgentStarts { who, pod } };
        self.plan(pause, next);
    }

    /// What every agent waits for, for whoever reads of a run that came to no end.
    pub(super) fn waits(&self) -> String {
        let waits = self.members.values().filter_map(|member| {
            let state = &member.agent()?.state;
            let doing = state.doing().map_or_else(String::new, |kind| format!(", busy with {kind}"));
            let wait = state.waiting().map_or_else(|| "nothing".to_owned(), |(wait, _)| wait.to_string());
            Some(format!("{} waits for: {wait}{doing}", member.who))
        });
        waits.collect::<Vec<_>>().join("; ")
    }
}
