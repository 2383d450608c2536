//! The process outside of a cluster that outlives it and cleans up behind it.
//!
//! It starts the supervisor in its own namespaces and waits for two things: the supervisor's end, and the end of the
//! owner who asked for the cluster (a test, or `up` until the cluster is ready). An owner that ends without letting
//! go takes the cluster with it: Ctrl-C, a panic and SIGKILL all close the pipe. If the guard itself is killed, the
//! kernel kills the supervisor, and the next `up` or `down` removes the files and cgroups that are left.

use std::fs;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::layout::Layout;
use crate::process::{line, only_child, start_time};
use crate::protocol::DETACH;
use crate::setup::{self, Setup};
use crate::teardown;

/// Who guards a cluster: enough to find the process and to know that it is still the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Guardian {
    /// Its process number.
    pub pid: u32,
    /// When it started, in the kernel's ticks since boot.
    pub started: u64,
}

/// Guards the cluster that is described in that folder, from its bring-up to its complete removal.
///
/// # Assumptions
/// stdin is a pipe that the owner holds open, stdout the one from which it reads events.
pub fn run(root: &Path) -> Result<(), Error> {
    let layout = Layout::at(root.to_path_buf());
    let path = layout.lock();
    let lock = fs::File::create(&path).map_err(Error::io("create", &path))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(Error::sys("lock", &path))?;
    let setup: Setup = setup::read(&layout.setup(), "a cluster's setup")?;
    let pid = std::process::id();
    setup::write(&layout.guardian(), &Guardian { pid, started: start_time(pid).unwrap_or(0) })?;

    let mut supervisor = start(&layout)?;
    watch(&mut supervisor)?;
    supervisor.wait().map_err(Error::io("wait for", "the supervisor"))?;
    // The folder goes before the lock does, so that nobody brings a cluster up in a folder that is being removed.
    teardown::clear(&layout, &setup.name, setup.workers)
}

fn start(layout: &Layout) -> Result<Child, Error> {
    let log = layout.log("supervisor");
    let errors =
        fs::OpenOptions::new().create(true).append(true).open(&log).map_err(Error::io("open", &log))?;
    let mut command = Command::new("setpriv");
    command
        .args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ])
        .args(["--propagation", "slave"])
        .arg(layout.program())
        .arg("supervise")
        .arg(layout.root())
        .stdin(Stdio::null())
        .stderr(errors);
    command.spawn().map_err(|source| Error::Start { command: line(&command), source })
}

/// Blocks until the supervisor has ended, and ends it when the owner is gone.
fn watch(supervisor: &mut Child) -> Result<(), Error> {
    let number = i32::try_from(supervisor.id()).ok().and_then(Pid::from_raw);
    let number =
        number.ok_or_else(|| Error::Refused { reason: "the supervisor has no process number".to_owned() })?;
    let ended = pidfd_open(number, PidfdFlags::empty()).map_err(Error::sys("watch", "the supervisor"))?;
    let mut owner = Some(std::io::stdin());
    let mut said = Vec::new();
    loop {
        let mut fds = vec![PollFd::new(&ended, PollFlags::IN)];
        if let Some(owner) = &owner {
            fds.push(PollFd::from_borrowed_fd(owner.as_fd(), PollFlags::IN));
        }
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::sys("watch", "the supervisor")(error)),
        }
        if !fds[0].revents().is_empty() {
            return Ok(());
        }
        let spoke = fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
        if let (true, Some(stdin)) = (spoke, &mut owner) {
            let mut bytes = [0; 64];
            let count = stdin.read(&mut bytes).unwrap_or(0);
            said.extend_from_slice(&bytes[..count]);
            if said == DETACH.as_bytes() {
                owner = None;
            } else if count == 0 {
                owner = None;
                kill(supervisor);
            }
        }
    }
}

/// Kills the supervisor, and with it its PID namespace; its parent `unshare` ends when all of that is over.
fn kill(supervisor: &mut Child) {
    match only_child(supervisor.id()) {
        // Both fail only when the process is gone.
        Some(pid) => drop(kill_process(pid, Signal::KILL)),
        None => drop(supervisor.kill()),
    }
}
