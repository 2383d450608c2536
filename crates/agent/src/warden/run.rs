//! The warden's loop: wait for a signal, a request or a deadline; reap; do what it means; again.
//!
//! One thread does all of it, so that nothing here can be half done. It never waits for the agent, for the log or for the
//! database, only for the kernel to finish those that it kills.

use super::children::{self, Agent, Server};
use super::fence::{self, Condemned, Reaped};
use super::output::{self, Output};
use super::protocol::{Ended, Exit, PROTOCOL, Report, Request, Run, Stop};
use super::socket::SocketError;
use berth_service::clock::since_boot;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The pause before an agent that failed at once is started again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest such pause: an agent that comes back should not be awaited longer than a failover takes.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// An agent that lived so long did not fail at once, and is started again without a pause.
const LIVED: Duration = Duration::from_secs(10);

/// What `berth-agent warden` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct WardenArguments {
    /// The namespace, for the lines of the log.
    #[arg(long, env = "BERTH_NAMESPACE")]
    pub namespace: Option<String>,
    /// The cluster, for the lines of the log.
    #[arg(long, env = "BERTH_CLUSTER")]
    pub cluster: Option<String>,
    /// The member, for the lines of the log.
    #[arg(long, env = "BERTH_MEMBER")]
    pub member: Option<String>,
    /// Seconds that the agent has, after SIGTERM, to stop the database in its own way; then the warden stops it fast.
    #[arg(long, env = "BERTH_WARDEN_PATIENCE", default_value_t = 40)]
    pub patience: u64,
    /// Seconds after SIGTERM at which everything is killed. Below the pod's terminationGracePeriodSeconds (60), so that the last lines of the log get out.
    #[arg(long, env = "BERTH_WARDEN_GRACE", default_value_t = 55)]
    pub grace: u64,
    /// The command that runs as the agent, in place of this program's own `agent`.
    #[arg(last = true)]
    pub agent: Vec<String>,
}

/// Why there is no warden.
#[derive(Debug, thiserror::Error)]
pub enum WardenFailure {
    /// Started somewhere else than as the first process of a container.
    #[error(
        "the warden must be PID 1 of its container, and is {0}: run it as the container's command, with shareProcessNamespace off"
    )]
    NotFirst(i32),
    /// Its own plumbing could not be set up.
    #[error("the warden cannot {action}")]
    Setup {
        /// What it tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl WardenFailure {
    fn setup(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Setup { action, source }
    }
}

/// Runs until the container is to end and everything in it is dead.
pub fn run(arguments: &WardenArguments) -> Result<(), WardenFailure> {
    let pid = rustix::process::getpid();
    if !pid.is_init() {
        return Err(WardenFailure::NotFirst(pid.as_raw_nonzero().get()));
    }
    let children =
        signals(&[signal_hook::consts::SIGCHLD]).map_err(WardenFailure::setup("watch its children"))?;
    let ends = signals(&[signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT])
        .map_err(WardenFailure::setup("watch for the container's end"))?;
    let whose =
        [("namespace", &arguments.namespace), ("cluster", &arguments.cluster), ("member", &arguments.member)];
    let whose = whose.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
    let (output, printed) = output::start(whose).map_err(WardenFailure::setup("start its printer"))?;
    Warden {
        arguments,
        output,
        agent: None,
        pause: Duration::ZERO,
        not_before: Duration::ZERO,
        agents: 0,
        server: None,
        runs: 0,
        ended: None,
        stopping: None,
    }
    .live(&children, &ends);
    printed.wait();
    Ok(())
}

/// A stream that becomes readable when one of the signals arrives.
fn signals(numbers: &[i32]) -> io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    read.set_nonblocking(true)?;
    for number in numbers {
        signal_hook::low_level::pipe::register(*number, write.try_clone()?)?;
    }
    Ok(read)
}

/// Whether anything had arrived; takes it.
fn drain(mut stream: &UnixStream) -> bool {
    let mut bytes = [0; 64];
    let mut any = false;
    while let Ok(1..) = stream.read(&mut bytes) {
        any = true;
    }
    any
}

/// The end of the container, once it was asked for.
#[derive(Clone, Copy)]
struct Stopping {
    since: Duration,
    /// Whether the warden has sent the fast stop itself.
    stopped: bool,
}

struct Warden<'a> {
    arguments: &'a WardenArguments,
    output: Output,
    agent: Option<Agent>,
    pause: Duration,
    not_before: Duration,
    agents: u64,
    server: Option<Server>,
    runs: u64,
    ended: Option<Ended>,
    stopping: Option<Stopping>,
}

impl Warden<'_> {
    fn live(mut self, children: &UnixStream, ends: &UnixStream) {
        while !self.finished() {
            self.keep_agent();
            self.wait(children, ends);
            drain(children);
            if drain(ends) {
                self.begin_to_stop();
            }
            self.bury(fence::reap());
            self.serve_agent();
            self.keep_lease();
            self.keep_deadlines();
        }
        self.output.say("info", "the container ends: everything left in it is killed");
        fence::everyone();
    }

    /// How long the loop may sleep: until the next deadline, or for ever.
    fn next_deadline(&self) -> Option<Duration> {
        let patience = Duration::from_secs(self.arguments.patience);
        let grace = Duration::from_secs(self.arguments.grace);
        let next = match self.stopping {
            Some(stopping) if stopping.stopped => Some(stopping.since + grace),
            Some(stopping) => Some(stopping.since + patience.min(grace)),
            None if self.agent.is_none() => Some(self.not_before),
            None => None,
        };
        let lease = self.server.as_ref().and_then(|server| server.lease);
        next.into_iter().chain(lease).min()
    }

    fn wait(&self, children: &UnixStream, ends: &UnixStream) {
        let timeout = self.next_deadline().map(|deadline| {
            // A millisecond more, so that the deadline has passed when the loop looks at the clock.
            let left = deadline.saturating_sub(since_boot()) + Duration::from_millis(1);
            Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            }
        });
        let mut watched = vec![PollFd::new(children, PollFlags::IN), PollFd::new(ends, PollFlags::IN)];
        let socket = self.agent.as_ref().and_then(|agent| agent.socket.as_ref());
        let socket = socket.map(|socket| PollFd::from_borrowed_fd(socket.fd(), PollFlags::IN));
        watched.extend(socket);
        // An interrupted poll is as good as one that returned: everything is looked at anyway.
        let _interrupted = poll(&mut watched, timeout.as_ref());
    }

    fn keep_agent(&mut self) {
        if self.agent.is_some() || self.stopping.is_some() || since_boot() < self.not_before {
            return;
        }
        match children::start_agent(&self.arguments.agent, &self.output) {
            Ok(agent) => {
                self.agents += 1;
                self.agent = Some(agent);
                self.tell(&Report::Hello {
                    protocol: PROTOCOL,
                    server: self.server.as_ref().map(Server::report),
                    ended: self.ended.clone(),
                    agents: self.agents,
                });
            }
            Err(error) => {
                self.output.say("error", &format!("the agent cannot be started: {error}"));
                self.put_off_agent();
            }
        }
    }

    fn put_off_agent(&mut self) {
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.not_before = since_boot() + self.pause;
    }

    /// Reports to the agent, or ends one that cannot be spoken with.
    fn tell(&mut self, report: &Report) {
        let Some(socket) = self.agent.as_mut().and_then(|agent| agent.socket.as_mut()) else { return };
        if let Err(error) = socket.send(report) {
            self.give_up_agent(&error);
        }
    }

    fn give_up_agent(&mut self, error: &SocketError) {
        let Some(agent) = &mut self.agent else { return };
        agent.socket = None;
        let _gone = kill_process(agent.pid, Signal::KILL);
        if self.stopping.is_none() {
            self.output.say("warn", &format!("{error}; it is ended and started again"));
        }
    }

    fn serve_agent(&mut self) {
        let Some(socket) = self.agent.as_mut().and_then(|agent| agent.socket.as_mut()) else { return };
        match socket.receive() {
            Ok(requests) => {
                for request in requests {
                    self.obey(request);
                }
            }
            Err(error) => self.give_up_agent(&error),
        }
    }

    fn obey(&mut self, request: Request) {
        match request {
            Request::Start(command) => {
                let refusal = match (&self.server, &self.stopping) {
                    (Some(server), _) => Some(format!("run {} is not over", server.run.0)),
                    (None, Some(_)) => Some("the container ends".to_owned()),
                    (None, None) => None,
                };
                let started = match refusal {
                    Some(reason) => Err(reason),
                    None => children::start_server(&command, Run(self.runs + 1), &self.output)
                        .map_err(|error| format!("cannot execute {}: {error}", command.program.display())),
                };
                match started {
                    Ok(server) => {
                        self.runs += 1;
                        let report = Report::Started(server.report());
                        self.server = Some(server);
                        self.tell(&report);
                    }
                    Err(reason) => self.tell(&Report::NotStarted { reason }),
                }
            }
            Request::Stop { run, how } => match &mut self.server {
                Some(server) if server.run == run => match how {
                    Stop::Fast => stop_fast(server),
                    Stop::Kill => {
                        server.killed = true;
                        let _gone = kill_process(server.pid, Signal::KILL);
                    }
                },
                Some(_) | None => {}
            },
            Request::Fence => self.fence(),
            Request::Lease { until_ms } => {
                if let Some(server) = &mut self.server {
                    server.lease = until_ms.map(Duration::from_millis);
                }
            }
        }
    }

    fn fence(&mut self) {
        if let Some(server) = &mut self.server {
            server.killed = true;
            // One that waits for a dead disk is reaped later, and must not be fenced again and again until then.
            server.lease = None;
        }
        let reaped = fence::fence(Condemned::AllBut(self.agent_pid()));
        self.bury(reaped);
        self.tell(&Report::Fenced);
    }

    /// Nothing may write past its lease, also if the agent is frozen, stuck or cut off from whoever would renew it. A renewal that has
    /// arrived counts, however late it is read.
    fn keep_lease(&mut self) {
        let Some(server) = &self.server else { return };
        if server.lease.is_some_and(|until| until <= since_boot()) {
            let run = server.run.0;
            self.output.say("warn", &format!("the lease of the database (run {run}) passed: it is killed"));
            self.fence();
        }
    }

    fn agent_pid(&self) -> Option<Pid> {
        self.agent.as_ref().map(|agent| agent.pid)
    }

    /// Draws the consequences of children's ends.
    fn bury(&mut self, reaped: Vec<Reaped>) {
        let mut reaped = VecDeque::from(reaped);
        while let Some((pid, status)) = reaped.pop_front() {
            let Some(exit) = children::exit(status) else { continue };
            if self.agent_pid() == Some(pid) {
                reaped.extend(self.bury_agent(exit));
            } else if self.server.as_ref().is_some_and(|server| server.pid == pid) {
                reaped.extend(self.bury_server(exit));
            }
        }
    }

    /// What the agent ran (a copy that was under way) must not go on beside that of its successor.
    fn bury_agent(&mut self, exit: Exit) -> Vec<Reaped> {
        let Some(agent) = self.agent.take() else { return Vec::new() };
        if self.stopping.is_none() {
            self.output.say("warn", &format!("the agent ended with {exit}; it is started again"));
        }
        if since_boot().saturating_sub(agent.since) >= LIVED {
            self.pause = Duration::ZERO;
            self.not_before = Duration::ZERO;
        } else {
            self.put_off_agent();
        }
        fence::fence_if_any(Condemned::OrphansBut(self.server.as_ref().map(|server| server.pid)))
    }

    /// A server's first process being dead is not its end: those that it leaves behind may still answer clients.
    fn bury_server(&mut self, exit: Exit) -> Vec<Reaped> {
        let Some(server) = self.server.take() else { return Vec::new() };
        let reaped = fence::fence(Condemned::OrphansBut(self.agent_pid()));
        let level = if exit == Exit::Code(0) || server.killed { "info" } else { "warn" };
        self.output.say(level, &format!("the database (run {}) ended with {exit}", server.run.0));
        let ended = Ended { run: server.run, exit, killed: server.killed };
        self.ended = Some(ended.clone());
        self.tell(&Report::Exited(ended));
        reaped
    }

    fn begin_to_stop(&mut self) {
        if self.stopping.is_none() {
            self.stopping = Some(Stopping { since: since_boot(), stopped: false });
            self.tell(&Report::Stopping { patience_ms: self.arguments.patience.saturating_mul(1000) });
        }
    }

    /// Stops the server itself when the agent has had its time or is gone.
    fn keep_deadlines(&mut self) {
        let late = self.late(self.arguments.patience) || self.agent.is_none();
        let Some(stopping) = &mut self.stopping else { return };
        if late && !stopping.stopped {
            stopping.stopped = true;
            if let Some(server) = &mut self.server {
                self.output.say("warn", "the agent did not stop the database: the warden does");
                stop_fast(server);
            }
        }
    }

    fn late(&self, seconds: u64) -> bool {
        let limit = Duration::from_secs(seconds);
        self.stopping.is_some_and(|stopping| since_boot().saturating_sub(stopping.since) >= limit)
    }

    /// Whether the container may end: asked to, and both children are gone or out of time.
    fn finished(&self) -> bool {
        self.stopping
            .is_some_and(|stopping| self.server.is_none() && (self.agent.is_none() || stopping.stopped))
            || self.late(self.arguments.grace)
    }
}

fn stop_fast(server: &Server) {
    if let Some(signal) = Signal::from_named_raw(server.fast_stop) {
        let _gone = kill_process(server.pid, signal);
    }
}
