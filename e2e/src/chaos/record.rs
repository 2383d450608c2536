//! What a campaign leaves for reading: its own timeline, what the members told of it, and the state of things when something was wrong.

use crate::database::Database;
use crate::kubectl::kubectl;
use anyhow::{Context, Result};
use berth_e2e_kubernetes::Progress;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Lines with the time of the day and the time since the beginning, on the terminal and in a file.
#[derive(Debug)]
pub struct Timeline {
    began: Instant,
    file: Mutex<File>,
    progress: Progress,
}

impl Timeline {
    /// Begins now, in this folder.
    pub fn begin(folder: &Path, progress: Progress) -> Result<Self> {
        let path = folder.join("timeline.txt");
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { began: Instant::now(), file: Mutex::new(file), progress })
    }

    /// Tells one thing.
    pub fn say(&self, what: &str) {
        let time = jiff::Timestamp::now().strftime("%H:%M:%S%.3fZ");
        let line = format!("{time} {:8.3} s  {what}", self.began.elapsed().as_secs_f64());
        self.progress.say(&line);
        // A full disk must not end a campaign whose report may still be told on the terminal.
        drop(writeln!(lock(&self.file), "{line}"));
    }
}

/// A program whose lines are written to a file for as long as this lives. It is started again whenever it ends.
#[derive(Debug)]
struct Follower {
    child: Arc<Mutex<Option<Child>>>,
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

/// Before a program that ended is started again.
const AGAIN: Duration = Duration::from_secs(1);

impl Follower {
    /// `command` is told the last line's first word, which is a time.
    fn start(mut file: File, command: impl Fn(Option<&str>) -> Command + Send + 'static) -> Self {
        let child = Arc::new(Mutex::new(None));
        let (stop, stopped) = mpsc::channel();
        let running = child.clone();
        let thread = std::thread::spawn(move || {
            let mut last: Option<String> = None;
            while matches!(stopped.recv_timeout(AGAIN), Err(RecvTimeoutError::Timeout)) {
                let mut command = command(last.as_deref());
                command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
                let Ok(mut started) = command.spawn() else { continue };
                let output = started.stdout.take();
                *lock(&running) = Some(started);
                for line in output.into_iter().flat_map(|o| BufReader::new(o).lines().map_while(Result::ok)) {
                    let time = line.split(' ').next().unwrap_or_default();
                    // What was told before is told again by a program that was started again.
                    if last.as_deref().is_some_and(|last| time <= last) {
                        continue;
                    }
                    drop(writeln!(file, "{line}"));
                    last = Some(time.to_owned());
                }
                end(&running);
            }
        });
        Self { child, stop, thread: Some(thread) }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // The thread has ended already if nobody listens.
        let _ = self.stop.send(());
        end(&self.child);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn end(child: &Mutex<Option<Child>>) {
    if let Some(mut child) = lock(child).take() {
        // Both fail only when it is gone.
        drop(child.kill());
        drop(child.wait());
    }
}

/// What the members tell while a campaign runs.
#[derive(Debug)]
pub struct Members(Vec<Follower>);

impl Members {
    /// Follows the logs of all members of a cluster, each into a file of its own.
    pub fn follow(database: &Database, folder: &Path) -> Result<Self> {
        let mut followers = Vec::new();
        for member in database.pods()?.into_keys() {
            let path = folder.join(format!("{member}.log"));
            let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
            let namespace = database.namespace().to_owned();
            followers.push(Follower::start(file, move |last| {
                let mut command = Command::new("kubectl");
                command.args(["logs", &member, "-n", &namespace, "-c", "database", "-f", "--timestamps"]);
                command.args(last.map(|last| format!("--since-time={last}")));
                command
            }));
        }
        Ok(Self(followers))
    }

    /// Asks anew: a connection to a node that lost its power says nothing any more.
    pub fn renew(&self) {
        for follower in &self.0 {
            end(&follower.child);
        }
    }
}

/// Writes what a person would look at first, because the cluster is about to change or to go.
pub fn keep_evidence(database: &Database, folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(format!("{name}.txt"));
    let mut text = String::new();
    let (cluster, namespace) = (database.name(), database.namespace());
    let tenant = database.tenant_name();
    for words in [&["status", tenant.as_str()][..], &["explain", &tenant], &["topology", &tenant]] {
        let said = Command::new("berth").args(words).output();
        let said = said.map_or_else(
            |error| error.to_string(),
            |o| [String::from_utf8_lossy(&o.stdout), String::from_utf8_lossy(&o.stderr)].concat(),
        );
        text.extend([&format!("$ berth {}\n", words.join(" ")), &said, "\n"]);
    }
    for words in [
        &["get", "databasecluster", cluster, "-n", namespace, "-o", "yaml"][..],
        &["get", "nodes,pods,persistentvolumeclaims", "-A", "-o", "wide"],
        &["describe", "pods", "-n", namespace],
        &["get", "events", "-A", "--sort-by=.lastTimestamp"],
        &[
            "logs",
            "-n",
            "berth-system",
            "-l",
            "app.kubernetes.io/name=berth-operator",
            "--tail=200",
            "--prefix",
        ],
        &["logs", "-n", "berth-system", "-l", "app.kubernetes.io/name=berth-proxy", "--tail=200", "--prefix"],
        &["logs", "-n", "berth-system", "-l", "app.kubernetes.io/name=berth-etcd", "--tail=50"],
    ] {
        let said = kubectl(words).unwrap_or_else(|error| format!("{error:#}"));
        text.extend([&format!("$ kubectl {}\n", words.join(" ")), &said, "\n"]);
    }
    // The timeline names the file; if it cannot be written, what it would tell is on the cluster still.
    drop(fs::write(&path, text));
    path
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
