//! One worker node: a machine made of namespaces, with its own init, containerd, kubelet and kube-proxy.
//!
//! Boot and power loss are what happens to a real machine: its cable goes dead first, then everything on it is
//! gone at once; its disk stays. One thing differs: the files of its disk pass through the page cache of the real
//! machine, so unsynced writes survive a power loss here.

mod config;
mod init;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

pub(crate) use init::Service;
pub use init::run as run_init;

use crate::addresses::{node_name, node_namespace};
use crate::control_plane::kubectl;
use crate::error::Error;
use crate::layout::Layout;
use crate::network::{self, namespace_path};
use crate::process::{line, only_child, run, tail};
use crate::setup::Setup;
use crate::{cgroups, loops, wait};

/// How long containerd may take from boot to its socket; a second on an idle machine.
const CONTAINERD: Duration = Duration::from_mins(1);
/// How long a node may take from boot to Ready; three seconds on an idle machine.
const READY: Duration = Duration::from_secs(90);
/// How long a dead node's processes may take to be gone.
const GONE: Duration = Duration::from_secs(20);
/// The socket of containerd inside the node.
pub(crate) const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";

/// A worker node.
#[derive(Debug)]
pub(crate) struct Node {
    number: u8,
    power: Mutex<Power>,
    /// Archives that its containerd has; they are on its disk, so they survive a power loss.
    images: Mutex<BTreeSet<PathBuf>>,
}

#[derive(Debug)]
enum Power {
    Off,
    On(Machine),
}

/// A booted node.
#[derive(Debug)]
struct Machine {
    /// The parent of init; it ends when init has ended.
    holder: Child,
    /// Process 1 of the node, numbered as the supervisor sees it.
    init: Pid,
}

impl Node {
    /// Writes the node's configuration. It is off.
    pub(crate) fn prepare(setup: &Setup, layout: &Layout, number: u8) -> Result<Self, Error> {
        config::write(setup, layout, number)?;
        Ok(Self { number, power: Mutex::new(Power::Off), images: Mutex::default() })
    }

    /// The node's number, from 1.
    pub(crate) fn number(&self) -> u8 {
        self.number
    }

    /// Whether it is on.
    pub(crate) fn is_on(&self) -> bool {
        matches!(*self.lock(), Power::On(_))
    }

    /// Boots it, unless it is on: returns as soon as its init runs.
    pub(crate) fn power_on(&self, setup: &Setup, layout: &Layout) -> Result<(), Error> {
        let mut power = self.lock();
        if matches!(*power, Power::On(_)) {
            return Ok(());
        }
        network::add_node(self.number, setup.workers)?;
        cgroups::add(&setup.name, self.number)?;
        *power = Power::On(boot(layout, self.number)?);
        Ok(())
    }

    /// Takes its power away, unless it is off; returns when nothing of it is left but its disk.
    pub(crate) fn power_off(&self, setup: &Setup, layout: &Layout) -> Result<(), Error> {
        let mut power = self.lock();
        let Power::On(machine) = &mut *power else { return Ok(()) };
        // The cable first: otherwise dying processes still send FIN and RST, and their peers learn at once what
        // a real power loss would leave them to find out.
        network::unplug_node(self.number)?;
        machine.kill(self.number)?;
        *power = Power::Off;
        loops::released(&layout.node_disk(self.number).join(crate::storage::VOLUMES))?;
        network::remove_node(self.number)?;
        cgroups::remove_node(&setup.name, self.number)
    }

    /// A command that runs inside the node, or nothing when it is off.
    pub(crate) fn enter(&self) -> Option<Command> {
        match &*self.lock() {
            Power::Off => None,
            Power::On(machine) => {
                let mut command = Command::new("nsenter");
                command.args([
                    "-t",
                    &machine.init.as_raw_nonzero().to_string(),
                    "-m",
                    "-n",
                    "-p",
                    "-u",
                    "-i",
                ]);
                Some(command)
            }
        }
    }

    /// Gives an archive's images to its containerd, unless it has them; waits for containerd after a boot.
    ///
    /// A node that is off gets them when it is powered on again.
    pub(crate) fn import(&self, setup: &Setup, layout: &Layout, archive: &Path) -> Result<(), Error> {
        if self.images.lock().unwrap_or_else(PoisonError::into_inner).contains(archive) {
            return Ok(());
        }
        let log = layout.log(&format!("{}-containerd", node_name(self.number)));
        wait::until(
            &format!("containerd of node {}", node_name(self.number)),
            CONTAINERD,
            || tail(&log),
            || {
                let Some(mut ctr) = self.ctr(setup) else { return Ok(Some(())) };
                let answered = ctr.arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
                Ok(answered.is_ok_and(|status| status.success()).then_some(()))
            },
        )?;
        let Some(mut import) = self.ctr(setup) else { return Ok(()) };
        // The archive comes in as an open file, because its folder may be hidden in the node.
        let file = fs::File::open(archive).map_err(Error::io("open", archive))?;
        import.args(["images", "import", "--no-unpack=false", "-"]);
        let output = import.stdin(file).stdout(Stdio::piped()).stderr(Stdio::piped()).output();
        let output = output.map_err(|source| Error::Start { command: line(&import), source })?;
        if !output.status.success() {
            return Err(Error::Command {
                command: format!("{} < {}", line(&import), archive.display()),
                status: output.status.to_string(),
                output: String::from_utf8_lossy(&output.stderr).trim_end().to_owned(),
            });
        }
        self.images.lock().unwrap_or_else(PoisonError::into_inner).insert(archive.to_path_buf());
        Ok(())
    }

    /// Forgets that it has an archive, because the file has new content.
    pub(crate) fn forget_image(&self, archive: &Path) {
        self.images.lock().unwrap_or_else(PoisonError::into_inner).remove(archive);
    }

    fn ctr(&self, setup: &Setup) -> Option<Command> {
        let mut command = self.enter()?;
        command.arg(&setup.programs.ctr).args(["--address", CONTAINERD_SOCKET, "--namespace", "k8s.io"]);
        Some(command)
    }

    fn lock(&self) -> MutexGuard<'_, Power> {
        self.power.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Machine {
    fn kill(&mut self, number: u8) -> Result<(), Error> {
        // It fails only when init is gone already. Its end takes every process of its PID namespace along.
        let _ = kill_process(self.init, Signal::KILL);
        let name = node_name(number);
        wait::until(&format!("node {name} to be gone"), GONE, String::new, || {
            self.holder.try_wait().map(|status| status.map(drop)).map_err(Error::io("wait for", &name))
        })
    }
}

/// Starts the node's init in namespaces of its own.
fn boot(layout: &Layout, number: u8) -> Result<Machine, Error> {
    let name = node_name(number);
    let log = layout.log(&format!("{name}-init"));
    let open =
        fs::OpenOptions::new().create(true).append(true).open(&log).map_err(Error::io("open", &log))?;
    let errors = open.try_clone().map_err(Error::io("open", &log))?;
    let mut command = Command::new("setsid");
    command
        .arg("nsenter")
        .arg(format!("--net={}", namespace_path(&node_namespace(number))))
        .args(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts", "--ipc"])
        .arg(layout.program())
        .arg("node-init")
        .arg(layout.node(number).join("init.json"))
        .stdin(Stdio::null())
        .stdout(open)
        .stderr(errors);
    let mut holder = command.spawn().map_err(|source| Error::Start { command: line(&command), source })?;
    let init = wait::until(
        &format!("init of node {name}"),
        GONE,
        || tail(&log),
        || {
            if let Some(status) = holder.try_wait().map_err(Error::io("wait for", &name))? {
                return Err(Error::Ended {
                    process: format!("init of node {name}"),
                    status: status.to_string(),
                    tail: tail(&log),
                    log: log.clone(),
                });
            }
            Ok(only_child(holder.id()))
        },
    )?;
    Ok(Machine { holder, init })
}

/// When the node's kubelet last told Kubernetes that it lives; nothing if it never did or nobody can be asked.
pub(crate) fn last_renewal(setup: &Setup, layout: &Layout, number: u8) -> Option<String> {
    let mut get = kubectl(setup, layout);
    get.args(["get", "lease", "--namespace=kube-node-lease", "--ignore-not-found", &node_name(number)]);
    get.args(["--output=jsonpath={.spec.renewTime}", "--request-timeout=10s"]);
    run(&mut get).ok().filter(|time| !time.is_empty())
}

/// Waits for another renewal than that one. Without it, a node that was off for a moment would count as Ready by what
/// its kubelet said before.
pub(crate) fn await_renewal(
    setup: &Setup,
    layout: &Layout,
    number: u8,
    before: Option<&str>,
) -> Result<(), Error> {
    let name = node_name(number);
    let log = layout.log(&format!("{name}-kubelet"));
    wait::until(
        &format!("the kubelet of {name} to speak"),
        READY,
        || tail(&log),
        || Ok(last_renewal(setup, layout, number).filter(|time| Some(time.as_str()) != before).map(drop)),
    )
}

/// Waits until Kubernetes says that these nodes are ready.
pub(crate) fn await_ready(setup: &Setup, layout: &Layout, numbers: &[u8]) -> Result<(), Error> {
    // `kubectl wait` fails at once on a node that has not registered yet, hence the loop.
    let names: Vec<String> = numbers.iter().map(|number| format!("node/{}", node_name(*number))).collect();
    let first = numbers.first().copied().unwrap_or(1);
    let log = layout.log(&format!("{}-kubelet", node_name(first)));
    wait::until(
        &format!("{} to be Ready", names.join(", ")),
        READY,
        || tail(&log),
        || {
            let mut wait = kubectl(setup, layout);
            wait.args(["wait", "--for=condition=Ready", "--timeout=5s"]).args(&names);
            Ok(run(&mut wait).is_ok().then_some(()))
        },
    )
}
