//! The warden of a simulated pod: it outlives the agent, and keeps the server's lease.

use async_trait::async_trait;
use berth_agent::runtime::Clock;
use berth_agent::supervise::{SuperviseError, Supervisor};
use berth_core::MemberId;
use berth_core::election::{Moment, ProcessNews, Run};
use berth_engine::ServerCommand;
use berth_testkit::engine::Fleet;
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// The warden of a simulated pod.
pub(crate) struct Warden {
    fleet: Fleet,
    member: MemberId,
    state: Mutex<State>,
    /// Which run may run until when.
    lease: watch::Sender<Option<(Run, Moment)>>,
}

#[derive(Default)]
struct State {
    runs: u64,
    current: Option<Run>,
    agent: Option<mpsc::UnboundedSender<ProcessNews>>,
}

impl Warden {
    /// A warden without an agent or a server.
    pub(crate) fn new(fleet: Fleet, member: MemberId, tasks: &TaskTracker) -> Arc<Self> {
        let (lease, leases) = watch::channel(None);
        let warden = Arc::new(Self { fleet, member, state: Mutex::default(), lease });
        tasks.spawn(keep_leases(Arc::downgrade(&warden), leases));
        warden
    }

    fn tell(state: &State, news: ProcessNews) {
        if let Some(agent) = &state.agent {
            let _nobody_listens = agent.send(news);
        }
    }

    /// A new agent is told what runs.
    pub(crate) fn greet(&self, agent: mpsc::UnboundedSender<ProcessNews>) {
        let mut state = self.state.lock().unwrap();
        state.agent = Some(agent);
        let latest = Run(state.runs);
        Self::tell(&state, state.current.map_or(ProcessNews::Absent { latest }, ProcessNews::Runs));
    }

    /// The server ends. `killed` is what the warden itself did.
    pub(crate) fn end(&self, killed: bool, how: &str, asked: bool) {
        self.end_if(|_| true, killed, how, asked);
    }

    fn end_if(&self, is_meant: impl Fn(Run) -> bool, killed: bool, how: &str, asked: bool) {
        let mut state = self.state.lock().unwrap();
        if !state.current.is_none_or(is_meant) {
            return;
        }
        self.fleet.end(&self.member, killed);
        if let Some(run) = state.current.take() {
            Self::tell(&state, ProcessNews::Exited { run, how: how.to_owned(), asked });
        }
    }
}

/// Kills what runs past its lease.
async fn keep_leases(warden: Weak<Warden>, mut leases: watch::Receiver<Option<(Run, Moment)>>) {
    loop {
        let lease = *leases.borrow_and_update();
        let changed = match lease {
            Some((_, until)) => timeout(until.since(Clock.now()), leases.changed()).await,
            None => Ok(leases.changed().await),
        };
        match (changed, lease, warden.upgrade()) {
            (Ok(Ok(())), ..) => {}
            (Err(_), Some((run, _)), Some(warden)) => {
                warden.end_if(|current| current == run, true, "signal 9", true);
                warden.lease.send_if_modified(|kept| kept.take_if(|kept| Some(*kept) == lease).is_some());
            }
            (Ok(Err(_)) | Err(_), ..) => return,
        }
    }
}

#[async_trait]
impl Supervisor for Warden {
    async fn start(&self, _command: ServerCommand) -> Result<Run, SuperviseError> {
        let mut state = self.state.lock().unwrap();
        if !self.fleet.launch(&self.member) {
            return Err(SuperviseError::NotStarted("one runs, or remains are in the way".to_owned()));
        }
        state.runs += 1;
        let run = Run(state.runs);
        state.current = Some(run);
        Self::tell(&state, ProcessNews::Runs(run));
        Ok(run)
    }

    async fn stop(&self, _run: Run) -> Result<(), SuperviseError> {
        self.end(false, "exit status 0", false);
        Ok(())
    }

    async fn fence(&self) -> Result<(), SuperviseError> {
        self.end(true, "signal 9", true);
        Ok(())
    }

    fn lease(&self, until: Option<Moment>) {
        let state = self.state.lock().unwrap();
        if let Some(run) = state.current {
            self.lease.send_replace(until.map(|until| (run, until)));
        }
    }
}
