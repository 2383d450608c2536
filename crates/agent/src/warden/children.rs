//! The warden's two children as processes: how they are started and what is known of them while they run.

use super::output::Output;
use super::protocol::{Exit, Run, Running};
use super::socket::Socket;
use berth_engine::ServerCommand;
use berth_service::clock::since_boot;
use rustix::process::{Pid, WaitStatus};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A running agent.
pub(super) struct Agent {
    pub(super) pid: Pid,
    pub(super) since: Duration,
    /// Absent once it could no longer be spoken with; its end is then awaited.
    pub(super) socket: Option<Socket>,
}

/// A running server.
pub(super) struct Server {
    pub(super) run: Run,
    pub(super) pid: Pid,
    pub(super) since: Duration,
    pub(super) fast_stop: i32,
    /// Until when it may run, by the clock since boot, if that is bounded.
    pub(super) lease: Option<Duration>,
    /// Whether the warden killed it.
    pub(super) killed: bool,
}

impl Server {
    pub(super) fn report(&self) -> Running {
        let age = since_boot().saturating_sub(self.since);
        Running {
            run: self.run,
            pid: self.pid.as_raw_nonzero().get().unsigned_abs(),
            age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Starts the agent with its end of a new socket as stdin.
pub(super) fn start_agent(command: &[String], output: &Output) -> io::Result<Agent> {
    let (socket, theirs) = Socket::pair()?;
    let (log, writer) = io::pipe()?;
    let mut agent = if let Some((program, arguments)) = command.split_first() {
        let mut agent = Command::new(program);
        agent.args(arguments);
        agent
    } else {
        // This very binary, also after another was put in its place.
        let mut agent = Command::new("/proc/self/exe");
        agent.arg0("berth-agent").arg("agent");
        agent
    };
    agent.stdin(OwnedFd::from(theirs)).stdout(writer.try_clone()?).stderr(writer);
    let child = agent.spawn()?;
    output.follow_agent(log)?;
    Ok(Agent { pid: Pid::from_child(&child), since: since_boot(), socket: Some(socket) })
}

/// Starts the server.
pub(super) fn start_server(command: &ServerCommand, run: Run, output: &Output) -> io::Result<Server> {
    let (log, writer) = io::pipe()?;
    let child = Command::new(&command.program)
        .args(&command.arguments)
        .envs(&command.environment)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        // Signals to the warden's own group are not meant for the server.
        .process_group(0)
        .spawn()?;
    output.follow_server(log, command.log)?;
    Ok(Server {
        run,
        pid: Pid::from_child(&child),
        since: since_boot(),
        fast_stop: command.fast_stop,
        lease: None,
        killed: false,
    })
}

/// What became of a process; absent while it is only stopped or goes on.
pub(super) fn exit(status: WaitStatus) -> Option<Exit> {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Some(Exit::Code(code)),
        (None, Some(signal)) => Some(Exit::Signal(signal)),
        (None, None) => None,
    }
}
