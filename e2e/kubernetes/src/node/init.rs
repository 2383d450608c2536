//! Process 1 of a node: mounts its filesystems, keeps its services running, reaps what dies.
//!
//! It runs inside the node's fresh mount, PID, UTS and IPC namespaces and inside its network namespace. It never
//! ends on its own; when it is killed, the kernel ends everything else on the node.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind, mount_bind_recursive, mount_change, mount_move,
};
use rustix::process::{WaitOptions, wait};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::setup as files;

/// How long a service that ended stays down.
const RESTART: Duration = Duration::from_secs(1);
/// How often to look for the files that a service waits for.
const LOOK: Duration = Duration::from_millis(20);
/// Settings of the whole machine that the kubelet would write: it gets copies.
const SHIELDED: [&str; 6] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

/// What a node's init does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The node's name.
    pub hostname: String,
    /// Its folder; `lib` and `log` below it become `/var/lib` and `/var/log`.
    pub folder: PathBuf,
    /// What it runs.
    pub services: Vec<Service>,
}

/// One process that is kept running.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Service {
    /// Its name, for messages.
    pub name: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables added to its environment.
    pub environment: Vec<(String, String)>,
    /// Files and sockets that must exist before it starts.
    pub after: Vec<PathBuf>,
    /// Its log file.
    pub log: PathBuf,
}

/// The services that run, by process number; each is told when it ended.
type Running = Arc<Mutex<HashMap<i32, Sender<()>>>>;

/// Runs as init with the plan in that file. Returns only if the node cannot be set up.
pub fn run(plan: &Path) -> Result<(), Error> {
    let plan: Plan = files::read(plan, "a node's plan")?;
    mount_all(&plan)?;
    rustix::system::sethostname(plan.hostname.as_bytes()).map_err(Error::sys("name", &plan.hostname))?;
    let running = Running::default();
    for service in plan.services {
        let running = Arc::clone(&running);
        std::thread::spawn(move || keep(&service, &running));
    }
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, _))) => {
                let ended = running.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(service) = ended.get(&pid.as_raw_nonzero().get()) {
                    // It fails only when the service's thread is gone, which then wants no news.
                    let _ = service.send(());
                }
            }
            // No child yet, or none any more for the moment.
            Ok(None) | Err(_) => std::thread::sleep(LOOK),
        }
    }
}

/// Starts a service, waits for its end, and starts it again, for ever.
fn keep(service: &Service, running: &Running) {
    while !service.after.iter().all(|path| path.exists()) {
        std::thread::sleep(LOOK);
    }
    loop {
        let (ended, wait) = channel();
        match start(service, running, ended) {
            Ok(pid) => {
                // An error cannot be: the sender stays in the table until the line below.
                let _ = wait.recv();
                running.lock().unwrap_or_else(PoisonError::into_inner).remove(&pid);
                say(&format!("{} ended; it starts again in a second", service.name));
            }
            Err(error) => say(&error.chain()),
        }
        std::thread::sleep(RESTART);
    }
}

fn start(service: &Service, running: &Running, ended: Sender<()>) -> Result<i32, Error> {
    let log = fs::OpenOptions::new().create(true).append(true).open(&service.log);
    let log = log.map_err(Error::io("open", &service.log))?;
    let errors = log.try_clone().map_err(Error::io("open", &service.log))?;
    let Some((program, arguments)) = service.argv.split_first() else {
        return Err(Error::Refused { reason: format!("{} has no command line", service.name) });
    };
    let mut command = Command::new(program);
    command.args(arguments).envs(service.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
    // The table stays locked over the start, so that an end cannot be reaped before it is entered.
    let mut table = running.lock().unwrap_or_else(PoisonError::into_inner);
    let child = command.spawn().map_err(|source| Error::Start { command: service.argv.join(" "), source })?;
    let pid = i32::try_from(child.id()).unwrap_or(0);
    table.insert(pid, ended);
    Ok(pid)
}

/// The node's own view of the filesystem. The order matters: a mount cannot be moved once its parent is shared.
fn mount_all(plan: &Plan) -> Result<(), Error> {
    let recursive = MountPropagationFlags::REC;
    mount_change("/", recursive | MountPropagationFlags::PRIVATE).map_err(Error::sys("make private", "/"))?;

    // A sysfs of its own network, with the machine's cgroups below it.
    let sys = plan.folder.join("sys");
    filesystem("sysfs", &sys)?;
    let groups = sys.join("fs/cgroup");
    mount_bind_recursive("/sys/fs/cgroup", &groups).map_err(Error::sys("mount", &groups))?;
    mount_move(&sys, "/sys").map_err(Error::sys("move to /sys", &sys))?;

    // Kubelet and containerd hand mounts to each other and to containers.
    mount_change("/", recursive | MountPropagationFlags::SHARED).map_err(Error::sys("make shared", "/"))?;
    filesystem("tmpfs", Path::new("/run"))?;
    filesystem("tmpfs", Path::new("/tmp"))?;
    for (own, path) in [("lib", "/var/lib"), ("log", "/var/log")] {
        mount_bind(plan.folder.join(own), path).map_err(Error::sys("mount", path))?;
    }
    let copies = Path::new("/run/shielded");
    fs::create_dir_all(copies).map_err(Error::io("create", copies))?;
    for setting in SHIELDED {
        let original = Path::new("/proc/sys").join(setting);
        let copy = copies.join(setting.replace('/', "-"));
        let value = fs::read(&original).map_err(Error::io("read", &original))?;
        fs::write(&copy, value).map_err(Error::io("write", &copy))?;
        mount_bind(&copy, &original).map_err(Error::sys("mount over", &original))?;
    }
    Ok(())
}

fn filesystem(kind: &str, path: &Path) -> Result<(), Error> {
    mount(kind, path, kind, MountFlags::empty(), None).map_err(Error::sys("mount", path))
}

/// init's stderr is the node's own log; a line that cannot be written there has nowhere else to go.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
