//! Killing what is left of a container: all of it, all but the agent, or what the server left behind.
//!
//! A kill that walks a list races with forks. So the walk happens on a frozen container: `kill(-1, SIGSTOP)` stops every process
//! at once and no fork survives it, then the condemned are killed one by one, then the rest goes on. SIGKILL works on the
//! stopped. This must run as PID 1 of a pid namespace: from anywhere else `kill(-1)` reaches the whole machine.
//!
//! A process that only waits for its disk with the kill pending counts as dead: it will never run another instruction of its
//! program, and a dead disk must not delay a fence.

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, kill_process_group, wait};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// Between two looks at whether the killed are gone. Short against the milliseconds that the kernel needs to tear a process down.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// SIGKILL's bit in the masks of /proc/PID/status.
const KILL_BIT: u64 = 1 << (9 - 1);

/// A child that ended, as `waitpid` told of it.
pub(super) type Reaped = (Pid, WaitStatus);

/// Who is to die.
#[derive(Debug, Clone, Copy)]
pub(super) enum Condemned {
    /// Every process except this one and the agent.
    AllBut(Option<Pid>),
    /// Every process that has lost its parent to the warden, with all below it, except the one named (agent or server) and what
    /// is below that. A shell that a person opened in the container has no parent in it and lives on.
    OrphansBut(Option<Pid>),
}

/// As [`fence`], but leaves everybody running if there is nobody to kill. For what was left behind by a process that starts no
/// others in passing, so that a look without freezing is enough.
pub(super) fn fence_if_any(condemned: Condemned) -> Vec<Reaped> {
    if select(condemned, &processes()).is_empty() { Vec::new() } else { fence(condemned) }
}

/// Kills them and returns when none of them is alive; also gives back whom it had to reap meanwhile.
pub(super) fn fence(condemned: Condemned) -> Vec<Reaped> {
    let mut reaped = Vec::new();
    to_all(Signal::STOP);
    let mut left = select(condemned, &processes());
    for pid in &left {
        // Gone already is as good.
        let _gone = kill_process(*pid, Signal::KILL);
    }
    while !left.is_empty() {
        reaped.extend(reap());
        left.retain(|pid| alive(*pid));
        if !left.is_empty() {
            std::thread::sleep(LOOK_AGAIN);
        }
    }
    to_all(Signal::CONT);
    reaped
}

/// Kills every process but this one, again and again until nobody is left.
pub(super) fn everyone() -> Vec<Reaped> {
    let mut reaped = Vec::new();
    loop {
        to_all(Signal::KILL);
        reaped.extend(reap());
        let own = rustix::process::getpid();
        if !processes().keys().any(|pid| *pid != own && alive(*pid)) {
            return reaped;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Reaps every child that has ended.
pub(super) fn reap() -> Vec<Reaped> {
    std::iter::from_fn(|| wait(WaitOptions::NOHANG).ok().flatten()).collect()
}

/// `kill(-1, signal)`: everybody in the pid namespace but PID 1 itself.
fn to_all(signal: Signal) {
    // "No such process" means that nobody is there.
    let _nobody = kill_process_group(Pid::INIT, signal);
}

/// Every process of the namespace with its parent; a parent outside of it is none.
fn processes() -> HashMap<Pid, Option<Pid>> {
    let Ok(folder) = std::fs::read_dir("/proc") else { return HashMap::new() };
    folder
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw))
        .map(|pid| (pid, Status::read(pid).and_then(|status| status.parent)))
        .collect()
}

fn select(condemned: Condemned, processes: &HashMap<Pid, Option<Pid>>) -> HashSet<Pid> {
    let own = rustix::process::getpid();
    let chosen = |pid: Pid| match condemned {
        Condemned::AllBut(agent) => Some(pid) != agent,
        Condemned::OrphansBut(spared) => orphan(pid, own, spared, processes),
    };
    processes.keys().copied().filter(|pid| *pid != own && chosen(*pid)).collect()
}

/// Whether the line of parents leads to the warden, and not by way of the spared one or out of the container.
fn orphan(pid: Pid, own: Pid, spared: Option<Pid>, processes: &HashMap<Pid, Option<Pid>>) -> bool {
    let mut at = pid;
    // No line of parents is longer than there are processes; the bound guards against a list that was read while it changed.
    for _ in 0..=processes.len() {
        if Some(at) == spared {
            return false;
        }
        match processes.get(&at).copied().flatten() {
            Some(parent) if parent == own => return true,
            Some(parent) => at = parent,
            None => return false,
        }
    }
    false
}

/// Whether a process may still run an instruction of its program.
fn alive(pid: Pid) -> bool {
    let Some(status) = Status::read(pid) else { return false };
    match status.state {
        // A zombie's other threads may outlive its first one for a moment.
        'Z' | 'X' => status.threads > 1,
        'D' => !status.killed,
        _ => true,
    }
}

/// What /proc/PID/status tells.
struct Status {
    state: char,
    parent: Option<Pid>,
    threads: u32,
    killed: bool,
}

impl Status {
    fn read(pid: Pid) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
        };
        let pending = |name| field(name).and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0);
        Some(Self {
            state: field("State")?.chars().next()?,
            parent: field("PPid").and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw),
            threads: field("Threads").and_then(|count| count.parse().ok()).unwrap_or(1),
            killed: (pending("SigPnd") | pending("ShdPnd")) & KILL_BIT != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(number: i32) -> Pid {
        Pid::from_raw(number).unwrap()
    }

    #[test]
    fn orphans_are_what_hangs_on_the_warden_but_neither_the_agents_nor_a_persons_shell() {
        let tree: HashMap<Pid, Option<Pid>> = [
            (1, None),
            (2, Some(1)),
            (3, Some(2)),
            (10, Some(1)),
            (11, Some(10)),
            (20, None),
            (21, Some(20)),
        ]
        .map(|(child, parent)| (pid(child), parent.map(pid)))
        .into();
        let mut found: Vec<i32> = tree
            .keys()
            .filter(|p| **p != pid(1) && orphan(**p, pid(1), Some(pid(2)), &tree))
            .map(|p| p.as_raw_nonzero().get())
            .collect();
        found.sort_unstable();
        assert_eq!(found, [10, 11]);
    }

    #[test]
    fn a_status_file_is_read_as_the_kernel_writes_it() {
        let text = "Name:\tpostgres\nState:\tD (disk sleep)\nPPid:\t1\nThreads:\t1\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000100\n";
        let status = Status::parse(text).unwrap();
        assert!(status.killed && status.state == 'D' && status.parent == Some(pid(1)));
        let own = Status::read(rustix::process::getpid()).unwrap();
        assert!(!own.killed && own.threads >= 1);
    }

    #[test]
    fn a_process_that_is_not_there_is_not_alive() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(!alive(Pid::from_child(&child)));
        assert!(alive(rustix::process::getpid()));
    }
}
