//! A member as its machine holds it: a pod with its warden, in it an agent and a server, and a clock.

use super::clock::{Clock, Time};
use super::database::End;
use super::happening::{Happening, Life};
use super::names::{Address, Who};
use berth_core::election::{Effect, Issued, Ledger, Moment, Run, State};

/// A member.
pub(super) struct Member {
    pub who: Who,
    pub clock: Clock,
    /// How many faults keep its node without power or its pod from coming back.
    pub down: u32,
    /// How many pods it has had.
    pub pods: u32,
    pub pod: Option<Pod>,
    /// Its volume is lost: it never comes back.
    pub lost: bool,
    /// How many faults make its disk slow, its stream slow, its effects fail, its watch late.
    pub slow: u32,
    pub behind: u32,
    pub flaky: u32,
    pub late: u32,
    /// The ledger as it would be after a loss of power.
    pub lasting: Lasting,
}

impl Member {
    pub(super) fn new(who: Who, clock: Clock) -> Self {
        Self {
            who,
            clock,
            down: 0,
            pods: 0,
            pod: None,
            lost: false,
            slow: 0,
            behind: 0,
            flaky: 0,
            late: 0,
            lasting: Lasting::AsWritten,
        }
    }

    /// Where it is reached now, or would be.
    pub(super) fn address(&self) -> Address {
        Address { who: self.who, pod: self.pods }
    }

    pub(super) fn agent(&self) -> Option<&Agent> {
        self.pod.as_ref()?.agent.as_ref()
    }

    pub(super) fn agent_mut(&mut self) -> Option<&mut Agent> {
        self.pod.as_mut()?.agent.as_mut()
    }

    pub(super) fn process(&self) -> Option<&Process> {
        self.pod.as_ref()?.process.as_ref()
    }

    pub(super) fn process_mut(&mut self) -> Option<&mut Process> {
        self.pod.as_mut()?.process.as_mut()
    }

    /// Whether nothing hinders its agent and its server.
    pub(super) fn works(&self) -> bool {
        let at_work = |pod: &Pod| {
            !pod.stopping
                && pod.agent.as_ref().is_some_and(|agent| !agent.frozen)
                && pod.process.as_ref().is_none_or(|process| !process.frozen)
        };
        let hindered = self.slow + self.behind + self.flaky + self.late > 0;
        !hindered && self.pod.as_ref().is_some_and(at_work)
    }
}

/// What a loss of power leaves of the ledger.
#[derive(Debug, Clone, Default)]
pub(super) enum Lasting {
    /// What was written.
    #[default]
    AsWritten,
    /// An older one, or none.
    Older(Option<Ledger>),
}

/// A pod. The warden in it is as good as the pod itself.
pub(super) struct Pod {
    /// The last run of the server.
    pub runs: u64,
    pub process: Option<Process>,
    pub agent: Option<Agent>,
    /// It was asked to end.
    pub stopping: bool,
}

/// A server's process.
pub(super) struct Process {
    pub life: Life,
    pub run: Run,
    /// When it answers for the first time.
    pub ready: Time,
    /// When it has replayed what was on its disk.
    pub replayed: Time,
    /// How far it had come when it first answered.
    pub shown: End,
    /// Until when it may run, and which telling of it that is.
    pub lease: (Option<Moment>, u64),
    /// Which attempt to connect is the latest.
    pub attempt: u64,
    pub frozen: bool,
    /// What waits for it to be thawed.
    pub stalled: Vec<Happening>,
}

/// An agent's process.
pub(super) struct Agent {
    pub life: Life,
    pub state: State,
    pub doing: Option<Doing>,
    /// Which alarm is the latest.
    pub alarm: u64,
    pub asking: Questions,
    pub watch: Watch,
    /// When the last ledger that was to be written is.
    pub ledger: Time,
    pub frozen: bool,
    /// What waits for it to be thawed.
    pub inbox: Vec<Happening>,
}

/// The effect that is being done.
pub(super) struct Doing {
    pub issued: Issued,
    pub effect: Effect,
    pub since: Time,
    /// Whether it is to be said that it failed, whatever came of it.
    pub fails: bool,
}

/// The questions that the agent puts to its server.
#[derive(Default)]
pub(super) struct Questions {
    pub last: Option<(Run, bool, u64)>,
    pub under_way: bool,
    pub number: u64,
}

/// The agent's watch of the store.
#[derive(Default)]
pub(super) struct Watch {
    pub listed: bool,
    pub cursor: i64,
    pub away: bool,
    /// No later word comes before this.
    pub due: Time,
}
