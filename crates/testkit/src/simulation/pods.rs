//! Pods, their wardens and what runs in them: started, killed, frozen, stopped in order, lost with their node.

use super::clock::{Clock, Time};
use super::database::Server;
use super::happening::{Happening, Life};
use super::member::{Lasting, Pod, Process};
use super::names::Who;
use super::world::World;
use berth_core::election::{Event, Moment, ProcessNews, Run};
use std::time::Duration;

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It was killed or crashed: its connections are closed with it.
    Killed,
    /// It stopped in order.
    Stopped,
    /// Its machine lost power: nobody is told.
    Lost,
}

/// How long a pod that was asked to end is given.
const GRACE: Duration = Duration::from_secs(55);

impl World {
    /// A pod starts, if its node has power and its volume is there.
    pub(super) fn pod_starts(&mut self, who: Who) {
        let Some(member) = self.members.get_mut(&who) else { return };
        if member.pod.is_some() || member.down > 0 || member.lost {
            return;
        }
        member.pods += 1;
        member.pod = Some(Pod { runs: 0, process: None, agent: None, stopping: false });
        let pod = member.pods;
        self.databases.disks.entry(who).or_default();
        self.say(&who, || "its pod starts".to_owned());
        let pause = self.millis(20, 400);
        self.plan(pause, Happening::AgentStarts { who, pod });
    }

    /// The server's process ends. Its agent hears of it, if it is asked for or not.
    pub(super) fn server_ends(&mut self, who: Who, how: End, asked: bool) {
        let Some(member) = self.members.get_mut(&who) else { return };
        let Some(process) = member.pod.as_mut().and_then(|pod| pod.process.take()) else { return };
        let agent = member.agent().map(|agent| agent.life);
        let lost = match how {
            End::Stopped => {
                self.databases.end_stop(who);
                Vec::new()
            }
            End::Killed | End::Lost => {
                let kept = usize::try_from(self.random.below(4)).unwrap_or(0);
                self.databases.kill(who, kept)
            }
        };
        drop(lost);
        self.say(&who, || {
            let how = match how {
                End::Killed => "is killed",
                End::Stopped => "has stopped",
                End::Lost => "is lost",
            };
            format!("its server (run {}) {how}", process.run.0)
        });
        self.connections_end(who, how == End::Lost);
        if let Some(life) = agent {
            let how = if how == End::Stopped { "exit code 0" } else { "signal 9" }.to_owned();
            let news = ProcessNews::Exited { run: process.run, how, asked };
            let delay = self.between(100, 5_000);
            self.plan(delay, Happening::hears(who, life, Event::Process(news)));
        }
    }

    /// Whatever runs is killed, and cannot write any more.
    pub(super) fn fenced(&mut self, who: Who) {
        if self.options.fences_softly() && self.databases.servers.get(&who).is_some_and(Server::writes) {
            self.server_lingers(who);
        } else {
            self.server_ends(who, End::Killed, true);
        }
    }

    /// The server seems to be gone, and what is left of it works on until its last session ends.
    fn server_lingers(&mut self, who: Who) {
        let Some(member) = self.members.get(&who) else { return };
        let Some((life, run)) = member.process().map(|process| (process.life, process.run)) else { return };
        let agent = member.agent().map(|agent| agent.life);
        self.say(&who, || "its server seems to be gone".to_owned());
        let lingers = self.millis(500, 8_000);
        self.plan(lingers, Happening::LastSessionEnds { who, life });
        if let Some(agent) = agent {
            let news = ProcessNews::Exited { run, how: "exit code 0".to_owned(), asked: true };
            self.plan(Duration::from_millis(1), Happening::hears(who, agent, Event::Process(news)));
        }
    }

    /// Until when the server that runs may run.
    pub(super) fn lease(&mut self, who: Who, until: Option<Moment>) {
        let number = self.number();
        let now = self.now;
        let Some(member) = self.members.get_mut(&who) else { return };
        let reached = until.map(|until| member.clock.reaches(until, now));
        let Some(process) = member.process_mut() else { return };
        process.lease = (until, number);
        let life = process.life;
        if let Some(at) = reached {
            self.queue.plan(at, Happening::LeaseEnds { who, life, number });
        }
    }

    /// The warden kills a server whose lease is over, whatever its agent does.
    pub(super) fn lease_ends(&mut self, who: Who, life: Life, number: u64) {
        if self.process(who, life).is_some_and(|process| process.lease.1 == number) {
            self.counts.leases += 1;
            self.say(&who, || "the lease of its server is over".to_owned());
            self.fenced(who);
        }
    }

    /// The agent has come to its end in order: the pod ends with it.
    pub(super) fn agent_exits(&mut self, who: Who) {
        self.say(&who, || "its agent has done its work and exits".to_owned());
        let Some(member) = self.members.get(&who) else { return };
        let pod = member.pods;
        self.pod_ends(who, pod);
    }

    /// The pod is asked to end.
    pub(super) fn pod_stops(&mut self, who: Who) {
        let Some(member) = self.members.get_mut(&who) else { return };
        let number = member.pods;
        let Some(pod) = member.pod.as_mut() else { return };
        pod.stopping = true;
        let agent = pod.agent.as_ref().map(|agent| agent.life);
        self.say(&who, || "its pod is asked to end".to_owned());
        self.plan(GRACE, Happening::PodEnds { who, pod: number });
        match agent {
            Some(life) => self.plan(Duration::from_millis(2), Happening::hears(who, life, Event::StopAsked)),
            None => self.pod_ends(who, number),
        }
    }

    /// A pod ends, with all that is in it, and another starts after a while.
    pub(super) fn pod_ends(&mut self, who: Who, pod: u32) {
        let Some(member) = self.members.get_mut(&who).filter(|member| member.pods == pod) else { return };
        let Some(ending) = member.pod.as_mut() else { return };
        ending.agent = None;
        self.server_ends(who, End::Killed, true);
        if let Some(member) = self.members.get_mut(&who) {
            member.pod = None;
        }
        self.say(&who, || "its pod has ended".to_owned());
        let pause = self.millis(500, 4_000);
        self.plan(pause, Happening::PodStarts { who });
    }

    /// A machine loses power: what was not flushed may be lost, and nobody is told of anything.
    pub(super) fn node_is_lost(&mut self, who: Who) {
        self.say(&who, || "its node loses power".to_owned());
        if let Some(pod) = self.members.get_mut(&who).and_then(|member| member.pod.as_mut()) {
            pod.agent = None;
        }
        self.server_ends(who, End::Lost, false);
        self.databases.crash(who, 0);
        let Some(member) = self.members.get_mut(&who) else { return };
        member.pod = None;
        let lasting = std::mem::take(&mut member.lasting);
        if let (Lasting::Older(lasting), Some(disk)) = (lasting, self.databases.disks.get_mut(&who)) {
            disk.ledger = lasting;
        }
    }

    /// The machine has power again: its clock starts anew.
    pub(super) fn node_returns(&mut self, who: Who) {
        let drift = self.drift();
        let now = self.now;
        if let Some(member) = self.members.get_mut(&who) {
            member.clock = Clock::new(now, Duration::from_secs(20), drift);
        }
        self.say(&who, || "its node has power again".to_owned());
        let pause = self.millis(200, 2_000);
        self.plan(pause, Happening::PodStarts { who });
    }

    /// How much a clock gains or loses, in parts per million: within the bound that production code counts on, and far above real ones.
    pub(super) fn drift(&mut self) -> i64 {
        i64::try_from(self.random.below(8_001)).unwrap_or(0) - 4_000
    }

    /// A server's process comes to be. It answers after its recovery, and has replayed all that it has a little later.
    pub(super) fn process_starts(&mut self, who: Who, run: Run) {
        let life = self.number();
        let recovery = if self.random.once_in(10) { self.millis(800, 4_000) } else { self.millis(40, 400) };
        let more = self.millis(0, 300);
        let (consistent, end) =
            self.databases.data(who).map_or((0, 0), |data| (data.consistent.0, data.log.end().0));
        let less = u32::try_from(self.random.below(6)).unwrap_or(0);
        let shown = super::database::End(end.saturating_sub(less).max(consistent));
        let ready = self.now.after(recovery);
        let process = Process {
            life,
            run,
            ready,
            replayed: ready.after(more),
            shown,
            lease: (None, 0),
            attempt: 0,
            frozen: false,
            stalled: Vec::new(),
        };
        let Some(pod) = self.members.get_mut(&who).and_then(|member| member.pod.as_mut()) else { return };
        pod.process = Some(process);
        let agent = pod.agent.as_ref().map(|agent| agent.life);
        self.connect_soon(who);
        if let Some(agent) = agent {
            let news = Event::Process(ProcessNews::Runs(run));
            self.plan(Duration::from_micros(40), Happening::hears(who, agent, news));
        }
    }

    /// When the server of a member answers and has replayed all that it has; none if none runs or it is frozen.
    pub(super) fn replayed_at(&self, who: Who) -> Option<Time> {
        let process = self.members.get(&who)?.process()?;
        (!process.frozen).then_some(process.replayed)
    }

    /// Stops or lets go on what runs in a pod; what waited is done at once then.
    pub(super) fn freeze_server(&mut self, who: Who, life: Life, frozen: bool) {
        let Some(process) = self.process(who, life) else { return };
        process.frozen = frozen;
        let stalled = if frozen { Vec::new() } else { std::mem::take(&mut process.stalled) };
        self.say(&who, || format!("its server is {}", if frozen { "frozen" } else { "thawed" }));
        for happening in stalled {
            self.happen(happening);
        }
    }

    /// The same for its agent.
    pub(super) fn freeze_agent(&mut self, who: Who, life: Life, frozen: bool) {
        let Some(agent) = self.agent(who, life) else { return };
        agent.frozen = frozen;
        let inbox = if frozen { Vec::new() } else { std::mem::take(&mut agent.inbox) };
        self.say(&who, || format!("its agent is {}", if frozen { "frozen" } else { "thawed" }));
        for happening in inbox {
            self.happen(happening);
        }
    }
}
