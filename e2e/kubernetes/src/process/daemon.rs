//! One long-running process of the control plane: started, watched, started again, stopped.
//!
//! A thread waits for the process without reaping it, and reaps under the lock that `stop` takes. A signal is
//! therefore only ever sent to a process that still exists, never to another one that got its number.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::tail;
use crate::error::Error;

/// How long a process that ended on its own stays down: long enough that a broken one does not spin.
const RESTART: Duration = Duration::from_secs(1);

/// A process that is kept running until it is stopped.
#[derive(Debug, Clone)]
pub(crate) struct Daemon {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    log: PathBuf,
    argv: Vec<String>,
    environment: Vec<(String, String)>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
enum State {
    /// Nobody asked for it.
    Stopped,
    Running(Child),
    /// It ended on its own and will be started again.
    Ended(String),
}

impl Daemon {
    /// Describes a process without starting it. `argv[0]` is the program's path.
    pub(crate) fn new(name: &str, log: PathBuf, argv: Vec<String>) -> Self {
        Self::with_environment(name, log, argv, Vec::new())
    }

    /// The same with variables added to the environment.
    pub(crate) fn with_environment(
        name: &str,
        log: PathBuf,
        argv: Vec<String>,
        environment: Vec<(String, String)>,
    ) -> Self {
        let state = Mutex::new(State::Stopped);
        let shared = Shared { name: name.to_owned(), log, argv, environment, state, changed: Condvar::new() };
        Self { shared: Arc::new(shared) }
    }

    /// The name under which people and error messages know it.
    pub(crate) fn name(&self) -> &str {
        &self.shared.name
    }

    /// The last lines that it wrote.
    pub(crate) fn tail(&self) -> String {
        tail(&self.shared.log)
    }

    /// Starts it, unless it runs already.
    pub(crate) fn start(&self) -> Result<(), Error> {
        let mut state = self.shared.lock();
        match &*state {
            State::Running(_) | State::Ended(_) => Ok(()),
            State::Stopped => {
                *state = State::Running(self.shared.spawn()?);
                drop(state);
                let shared = Arc::clone(&self.shared);
                std::thread::spawn(move || shared.watch());
                Ok(())
            }
        }
    }

    /// Kills it and waits until it is gone. It gets no chance to end cleanly, as at a power loss.
    pub(crate) fn stop(&self) {
        let mut state = self.shared.lock();
        if let State::Running(child) = &mut *state {
            // Both fail only when the process is gone, which is what is wanted.
            let _ = child.kill();
            let _ = child.wait();
        }
        *state = State::Stopped;
        self.shared.changed.notify_all();
    }

    /// An error if it ended on its own: during bring-up nothing may.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match &*self.shared.lock() {
            State::Stopped | State::Running(_) => Ok(()),
            State::Ended(status) => Err(Error::Ended {
                process: self.shared.name.clone(),
                status: status.clone(),
                log: self.shared.log.clone(),
                tail: tail(&self.shared.log),
            }),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self) -> Result<Child, Error> {
        let open = |path: &PathBuf| OpenOptions::new().create(true).append(true).open(path);
        let log = open(&self.log).map_err(Error::io("open", &self.log))?;
        let errors = log.try_clone().map_err(Error::io("open", &self.log))?;
        let (program, arguments) = self
            .argv
            .split_first()
            .ok_or_else(|| Error::Refused { reason: format!("{} has no command line", self.name) })?;
        Command::new(program)
            .args(arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|source| Error::Start { command: self.argv.join(" "), source })
    }

    /// Runs on a thread of its own from the first start to the stop.
    fn watch(&self) {
        loop {
            let pid = match &*self.lock() {
                State::Running(child) => pid_of(child),
                State::Stopped | State::Ended(_) => None,
            };
            let Some(pid) = pid else { return };
            // The process stays a zombie, and its number taken, until it is reaped below under the lock. An
            // error means that `stop` reaped it meanwhile.
            let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            let mut state = self.lock();
            match &mut *state {
                State::Running(child) if pid_of(child) == Some(pid) => {
                    let status =
                        child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
                    *state = State::Ended(status);
                }
                // It was stopped, or stopped and started again with a watcher of its own.
                State::Running(_) | State::Stopped | State::Ended(_) => return,
            }
            let (mut state, _) = self
                .changed
                .wait_timeout_while(state, RESTART, |state| matches!(state, State::Ended(_)))
                .unwrap_or_else(PoisonError::into_inner);
            match &*state {
                State::Ended(_) => match self.spawn() {
                    Ok(child) => *state = State::Running(child),
                    Err(error) => {
                        *state = State::Ended(error.to_string());
                        return;
                    }
                },
                State::Stopped | State::Running(_) => return,
            }
        }
    }
}

fn pid_of(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}
