//! Clients that write and read without pause, each through one session that it opens again whenever it ends.

mod bank;
mod lists;
mod register;
mod rows;
mod stage;

use super::scene::Scene;
use super::session::{Access, Session, Trouble};
use anyhow::{Context, Result};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use stage::{Kept, Stage};

/// What a client thinks between two operations: with it, all clients together leave room on two cores for three databases and a Kubernetes,
/// whose pauses would otherwise be those of the machine.
const THOUGHT: Duration = Duration::from_millis(25);
/// Between two attempts at a login.
const AGAIN: Duration = Duration::from_millis(200);

/// What a client does, again and again.
trait Worker: Send + 'static {
    /// The workload that it is part of.
    const WORKLOAD: &'static str;

    /// Prepares a new session.
    fn begin(&mut self, _session: &Session) -> impl Future<Output = Result<(), Trouble>> + Send {
        async { Ok(()) }
    }

    /// One operation, told to the stage and to the scene. An error that ends the session is returned.
    fn act(&mut self, session: &Session, told: &Told) -> impl Future<Output = Result<(), Trouble>> + Send;
}

/// To whom a client tells what it does.
#[derive(Debug, Clone)]
struct Told {
    /// Its own number.
    worker: usize,
    stage: Arc<Stage>,
    scene: Arc<Scene>,
}

/// All clients, running.
#[derive(Debug)]
pub struct Workloads {
    runtime: Runtime,
    tasks: TaskTracker,
    stop: CancellationToken,
    access: Access,
    stage: Arc<Stage>,
    scene: Arc<Scene>,
}

impl Workloads {
    /// How many clients there are.
    pub const CLIENTS: usize = rows::WRITERS + 2 * stage::REGISTERS + 3 + 3;

    /// Makes the tables anew and begins.
    pub fn start(access: Access, scene: Arc<Scene>) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("no runtime for the clients")?;
        let stage = Arc::new(Stage::default());
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let workloads = Self { runtime, tasks, stop, access, stage, scene };
        workloads.once(|session| async move { session.batch(stage::TABLES).await })?;
        let mut next = 0;
        for writer in 0..rows::WRITERS {
            workloads.spawn(&mut next, rows::Writer::new(writer));
        }
        workloads.spawn(&mut next, lists::Appender);
        workloads.spawn(&mut next, lists::Appender);
        workloads.spawn(&mut next, lists::Reader);
        workloads.spawn(&mut next, bank::Mover(0));
        workloads.spawn(&mut next, bank::Mover(1));
        workloads.spawn(&mut next, bank::Auditor);
        for key in 0..stage::REGISTERS {
            workloads.spawn(&mut next, register::Writer(key));
            workloads.spawn(&mut next, register::Reader(key));
        }
        Ok(workloads)
    }

    /// Rows that were acknowledged since the last call and are not there.
    pub fn lost_since_last(&self) -> Result<Vec<super::check::sequence::Row>> {
        let stage = self.stage.clone();
        self.once(move |session| async move { stage.lost_since_last(&session).await })
    }

    /// Ends all clients and holds everything that they were told against what is there now.
    pub fn finish(&self) -> Result<Kept> {
        self.stop.cancel();
        self.tasks.close();
        self.runtime.block_on(self.tasks.wait());
        let (stage, scene) = (self.stage.clone(), self.scene.clone());
        self.once(move |session| async move { stage.judge(&session, &scene).await })
    }

    /// One thing in a session of its own.
    fn once<T, F>(&self, act: impl FnOnce(Session) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let done = self.runtime.block_on(async {
            let tasks = TaskTracker::new();
            act(Session::open(&self.access, &tasks).await?).await
        });
        done.map_err(|trouble| anyhow::anyhow!("{trouble}"))
    }

    fn spawn<W: Worker>(&self, next: &mut usize, worker: W) {
        let told = Told { worker: *next, stage: self.stage.clone(), scene: self.scene.clone() };
        *next += 1;
        let (access, stop, tasks) = (self.access.clone(), self.stop.clone(), TaskTracker::new());
        self.tasks.spawn_on(live(worker, told, access, stop, tasks), self.runtime.handle());
    }
}

/// A client's life: an operation is never cut short, so that its fate is known as well as it can be.
async fn live<W: Worker>(
    mut worker: W,
    told: Told,
    access: Access,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    let mut session: Option<Session> = None;
    while !stop.is_cancelled() {
        if let Some(ended) = session.as_ref().and_then(Session::ended) {
            told.scene.trouble(W::WORKLOAD, "idle", &ended, |counts| counts.ended_idle += 1);
            session = None;
        }
        let pause = match session.take() {
            Some(open) => {
                if worker.act(&open, &told).await.is_ok() {
                    session = Some(open);
                }
                THOUGHT
            }
            None => match log_in(&mut worker, &access, &tasks).await {
                Ok(open) => {
                    session = Some(open);
                    Duration::ZERO
                }
                Err(trouble) => {
                    told.scene.trouble(W::WORKLOAD, "login", &trouble, |counts| counts.failed_logins += 1);
                    AGAIN
                }
            },
        };
        sleep(pause).await;
    }
}

async fn log_in<W: Worker>(worker: &mut W, access: &Access, tasks: &TaskTracker) -> Result<Session, Trouble> {
    let session = Session::open(access, tasks).await?;
    worker.begin(&session).await?;
    Ok(session)
}
