//! The world of the warden's tests: a pid namespace with a warden in it, and the agent's end of its socket.

use berth_agent::warden::WardenArguments;
use berth_agent::warden::protocol::{Report, Request, Running};
use berth_engine::ServerCommand;
use berth_engine::logs::LogDialect;
use clap::Parser;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take that is not measured. Generous, because two cores may be busy with a build.
const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until the condition holds, or fails.
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

fn this_program() -> PathBuf {
    std::env::current_exe().unwrap()
}

#[derive(Parser)]
enum Part {
    Warden(WardenArguments),
}

/// The warden itself, in a process of its own.
pub(crate) fn warden() -> ExitCode {
    let Part::Warden(arguments) = Part::parse();
    match berth_agent::warden::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => panic!("{error}"),
    }
}

/// An agent that connects its stdin, the warden's socket, with the test's.
pub(crate) fn pass_on() -> ExitCode {
    let path = std::env::args().nth(2).unwrap();
    let warden = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
    let test = UnixStream::connect(path).unwrap();
    let (mut from_warden, mut to_test) = (warden.try_clone().unwrap(), test.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ended = io::copy(&mut from_warden, &mut to_test);
        let _gone = to_test.shutdown(Shutdown::Both);
    });
    let (mut from_test, mut to_warden) = (test, warden);
    let _ended = io::copy(&mut from_test, &mut to_warden);
    ExitCode::SUCCESS
}

/// A pid namespace with a warden as its first process. Everything in it dies with this value.
pub(crate) struct World {
    folder: tempfile::TempDir,
    listener: UnixListener,
    unshare: Mutex<Child>,
    warden: i32,
    namespace: PathBuf,
    lines: Arc<Mutex<Vec<serde_json::Value>>>,
}

impl World {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let listener = UnixListener::bind(&socket).unwrap();
        let mut unshare = Command::new("unshare")
            .args(["--pid", "--fork", "--kill-child", "--mount-proc", "--"])
            .arg(this_program())
            .arg("warden")
            .args(arguments)
            .arg("--")
            .arg(this_program())
            .arg("agent")
            .arg(&socket)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (stdout, sink) = (unshare.stdout.take().unwrap(), lines.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let line =
                    serde_json::from_str(&line).unwrap_or_else(|_| serde_json::json!({ "not json": line }));
                sink.lock().unwrap().push(line);
            }
        });
        let children = PathBuf::from(format!("/proc/{0}/task/{0}/children", unshare.id()));
        let child = || fs::read_to_string(&children).ok()?.trim().parse::<i32>().ok();
        eventually("the warden's process", || child().is_some());
        let warden = child().unwrap();
        let namespace = fs::read_link(format!("/proc/{warden}/ns/pid")).unwrap();
        Self { folder, listener, unshare: Mutex::new(unshare), warden, namespace, lines }
    }

    /// The warden started as any process.
    pub(crate) fn outside() -> Output {
        Command::new(this_program()).arg("warden").output().unwrap()
    }

    /// The next agent that connects.
    pub(crate) fn agent(&self) -> Agent {
        self.listener.set_nonblocking(true).unwrap();
        let start = Instant::now();
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).unwrap();
                    stream.set_read_timeout(Some(DEADLINE)).unwrap();
                    return Agent { reader: BufReader::new(stream.try_clone().unwrap()), writer: stream };
                }
                Err(error) => assert!(start.elapsed() < DEADLINE, "no agent was started: {error}"),
            }
            std::thread::yield_now();
        }
    }

    /// A server that is a shell.
    pub(crate) fn server(script: &str) -> ServerCommand {
        ServerCommand {
            program: "sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: BTreeMap::new(),
            fast_stop: 2,
            log: LogDialect::Postgres,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The pids of the namespace, as the machine counts them, without zombies.
    pub(crate) fn pids(&self) -> Vec<i32> {
        self.all().into_iter().filter(|(_, state)| *state != 'Z').map(|(pid, _)| pid).collect()
    }

    pub(crate) fn zombies(&self) -> usize {
        self.all().into_iter().filter(|(_, state)| *state == 'Z').count()
    }

    fn all(&self) -> Vec<(i32, char)> {
        let pids = fs::read_dir("/proc").unwrap().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        // A zombie has left its namespaces; it is known by its parent.
        pids.filter_map(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let mut fields = status.rsplit_once(')')?.1.split_whitespace();
            let state = fields.next()?.chars().next()?;
            let parent: i32 = fields.next()?.parse().ok()?;
            let inside =
                fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|link| link == self.namespace);
            (inside || (state == 'Z' && parent == self.warden)).then_some((pid, state))
        })
        .collect()
    }

    /// The command lines of the namespace.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.pids().into_iter().filter_map(command).collect()
    }

    /// How many of them contain a text.
    pub(crate) fn processes(&self, text: &str) -> usize {
        self.commands().iter().filter(|command| command.contains(text)).count()
    }

    fn agent_pid(&self, part: &str) -> i32 {
        let is_part =
            |pid: &i32| command(*pid).is_some_and(|command| command.split(' ').nth(1) == Some(part));
        self.pids().into_iter().find(is_part).unwrap()
    }

    /// Freezes the stand-in, and returns when it runs no more.
    pub(crate) fn freeze(&self, part: &str) {
        let pid = self.agent_pid(part);
        signal(pid, "STOP");
        let frozen = || self.all().into_iter().any(|(one, state)| one == pid && state == 'T');
        eventually("the agent to be frozen", frozen);
    }

    /// Kills a part of the stand-in.
    pub(crate) fn kill(&self, part: &str) {
        signal(self.agent_pid(part), "KILL");
    }

    /// Runs a shell command in the namespace and leaves its children to the warden, as a dead agent's children are.
    pub(crate) fn enter(&self, part: &str, script: &str) {
        let target = self.agent_pid(part).to_string();
        let status = Command::new("nsenter")
            .args(["--target", &target, "--pid", "--mount", "--", "sh", "-c", script])
            .status()
            .unwrap();
        assert!(status.success());
    }

    pub(crate) fn terminate(&self) {
        signal(self.warden, "TERM");
    }

    /// The warden's exit status.
    pub(crate) fn wait(&self, limit: Duration) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.unshare.lock().unwrap().try_wait().unwrap() {
                return status.code();
            }
            assert!(start.elapsed() < limit, "the container goes on: {:?}", self.commands());
            std::thread::yield_now();
        }
    }

    /// Whether any line of the container's output is such.
    pub(crate) fn logged(&self, such: impl Fn(&serde_json::Value) -> bool) -> bool {
        self.lines.lock().unwrap().iter().any(such)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let mut unshare = self.unshare.lock().unwrap();
        if let Ok(None) = unshare.try_wait() {
            signal(self.warden, "KILL");
            let _ended = unshare.wait();
        }
    }
}

fn command(pid: i32) -> Option<String> {
    let bytes = fs::read(Path::new("/proc").join(pid.to_string()).join("cmdline")).ok()?;
    Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
}

fn signal(pid: i32, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap().success());
}

/// The agent's end of the socket.
pub(crate) struct Agent {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Agent {
    pub(crate) fn next(&mut self) -> Report {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("a report in time");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    pub(crate) fn hello(&mut self) {
        assert!(matches!(self.next(), Report::Hello { .. }));
    }

    pub(crate) fn send(&mut self, request: &Request) {
        let line = serde_json::to_string(request).unwrap() + "\n";
        self.writer.write_all(line.as_bytes()).unwrap();
    }

    /// Starts a shell script as the server.
    pub(crate) fn start(&mut self, script: &str, environment: &[(&str, &str)]) -> Running {
        let mut command = World::server(script);
        command.environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.send(&Request::Start(command));
        let report = self.next();
        let Report::Started(running) = report else { panic!("not started: {report:?}") };
        running
    }

    /// Bounds how long the server may run, and returns when the warden has heard it.
    pub(crate) fn lease(&mut self, until: Option<Duration>) {
        let until_ms = until.map(|until| u64::try_from(until.as_millis()).unwrap());
        self.send(&Request::Lease { until_ms });
        // A lease is not answered; a start while a server runs is, by a refusal, and requests are heard in order.
        self.send(&Request::Start(World::server("true")));
        let report = self.next();
        assert!(matches!(report, Report::NotStarted { .. }), "{report:?}");
    }

    pub(crate) fn until_fenced(&mut self) {
        while self.next() != Report::Fenced {}
    }
}
