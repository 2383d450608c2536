//! Bringing a cluster up from outside: preparing what it needs, starting its guard, listening to what it tells.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};

use super::{Cluster, Options};
use crate::addresses::MOST_NODES;
use crate::error::Error;
use crate::layout::{Layout, visible_in_nodes};
use crate::process::{line, run, tail};
use crate::protocol::{DETACH, Event, State};
use crate::setup::{self, Programs, Setup};
use crate::{image, packages, parts, teardown};

/// The name of the program that guards and supervises.
const PROGRAM: &str = "berth-kubernetes";

/// The hold on a cluster that ends with this process.
#[derive(Debug)]
pub(super) struct Owned {
    guard: Child,
    /// Its closing tells the guard that the owner is gone.
    hold: ChildStdin,
}

impl Owned {
    /// Lets the cluster live on.
    pub(super) fn release(mut self) -> Result<(), Error> {
        self.hold.write_all(DETACH.as_bytes()).map_err(Error::io("write to", "the cluster's guard"))
    }

    /// Waits for the end of everything.
    pub(super) fn end(self, layout: &Layout) -> Result<(), Error> {
        let Self { mut guard, hold } = self;
        drop(hold);
        let status = guard.wait().map_err(Error::io("wait for", "the cluster's guard"))?;
        if status.success() {
            return Ok(());
        }
        let log = layout.log("guard");
        Err(Error::Ended {
            process: "the guard".to_owned(),
            status: status.to_string(),
            tail: tail(&log),
            log,
        })
    }
}

/// See [`Cluster::up`].
pub(super) fn launch(options: Options) -> Result<Cluster, Error> {
    let Options { name, workers, images, progress } = options;
    if !rustix::process::geteuid().is_root() {
        return refused("a local Kubernetes needs root: it makes namespaces, mounts and cgroups".to_owned());
    }
    if !(1..=MOST_NODES).contains(&workers) {
        return refused(format!("{workers} workers cannot be; choose 1 to {MOST_NODES}"));
    }
    let layout = Layout::of(&name)?;
    let _turn = turn(&layout, &name)?;
    if teardown::is_running(&layout)? {
        return Err(Error::AlreadyRunning { name });
    }

    packages::ensure(&progress).map_err(prepared)?;
    let parts = parts::ensure(&progress).map_err(prepared)?;
    visible_in_nodes(&parts.kubernetes_bin, "XDG_CACHE_HOME")?;
    let mut archives = vec![image::pause(&progress).map_err(prepared)?.archive];
    for archive in images {
        archives.push(archive.canonicalize().map_err(Error::io("find", archive))?);
    }
    let program = program()?;

    // Whatever a crash left behind, and the logs of the time before.
    teardown::clear(&layout, &name, MOST_NODES)?;
    let logs = layout.logs();
    if logs.exists() {
        fs::remove_dir_all(&logs).map_err(Error::io("remove", &logs))?;
    }
    fs::create_dir_all(&logs).map_err(Error::io("create", &logs))?;
    fs::copy(&program, layout.program()).map_err(Error::io("copy", &program))?;
    let setup = Setup {
        name,
        root: layout.root().to_path_buf(),
        workers,
        programs: programs(parts),
        images: archives,
    };
    setup::write(&layout.setup(), &setup)?;
    start(layout, &progress)
}

fn start(layout: Layout, progress: &crate::progress::Progress) -> Result<Cluster, Error> {
    let log = layout.log("guard");
    let errors = fs::File::create(&log).map_err(Error::io("create", &log))?;
    let mut command = Command::new("setsid");
    command.arg(layout.program()).arg("guard").arg(layout.root());
    command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
    let mut guard = command.spawn().map_err(|source| Error::Start { command: line(&command), source })?;
    let (Some(hold), Some(events)) = (guard.stdin.take(), guard.stdout.take()) else {
        return refused("the guard has no pipes".to_owned());
    };
    let owned = Owned { guard, hold };
    let mut failure = None;
    for line in BufReader::new(events).lines() {
        let line = line.map_err(Error::io("read from", "the cluster's guard"))?;
        match serde_json::from_str(&line) {
            Ok(Event::Step { what, millis }) => {
                progress.say(&format!("{:>5}.{} s  {what}", millis / 1000, millis % 1000 / 100));
            }
            Ok(Event::Ready(state)) => return Ok(ready(layout, state, owned)),
            Ok(Event::Failed(message)) => failure = Some(message),
            Err(source) => {
                return Err(Error::Malformed { what: "an event", path: layout.program(), source });
            }
        }
    }
    // The pipe has ended, so the supervisor is dead and the guard is clearing up behind it.
    let logs = [layout.log("supervisor"), log];
    let message = failure.unwrap_or_else(|| {
        let tails = logs.each_ref().map(|log| tail(log)).join("\n");
        format!("the cluster's supervisor ended during bring-up:\n{tails}")
    });
    owned.end(&layout)?;
    Err(Error::Supervisor { message })
}

fn ready(layout: Layout, state: State, owned: Owned) -> Cluster {
    Cluster { layout, state, owned: Some(owned) }
}

/// Held while a cluster is launched or its remains are removed, so that two such calls do not meet.
pub(super) fn turn(layout: &Layout, name: &str) -> Result<fs::File, Error> {
    let path = layout.turn();
    fs::create_dir_all(layout.root()).map_err(Error::io("create", layout.root()))?;
    let file = fs::File::create(&path).map_err(Error::io("create", &path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            refused(format!("another process is bringing `{name}` up or removing it; wait for it"))
        }
        Err(error) => Err(Error::sys("lock", &path)(error)),
    }
}

/// The folder where cargo puts the programs of the build that the caller belongs to.
///
/// A program lies there itself. A test lies in `deps` of the folder for intermediate results, which may be anywhere (`build.build-dir`); the
/// programs of its build are in the workspace's `target`, in a folder of the same name.
fn programs_beside(caller: &Path, target: &Path) -> PathBuf {
    let mut folders = caller.ancestors().skip(1);
    let folder = folders.find(|folder| !folder.ends_with("deps")).unwrap_or(Path::new("/"));
    let is_test = caller.parent().is_some_and(|parent| parent.ends_with("deps"));
    match folder.file_name() {
        Some(profile) if is_test => target.join(profile),
        Some(_) | None => folder.to_path_buf(),
    }
}

fn programs(parts: parts::Parts) -> Programs {
    Programs {
        kubernetes: parts.kubernetes_bin,
        etcd: parts.etcd,
        containerd: parts.containerd,
        ctr: parts.ctr,
        coredns: parts.coredns,
        csi_driver: parts.csi_driver,
        csi_provisioner: parts.csi_provisioner,
        csi_resizer: parts.csi_resizer,
        csi_snapshotter: parts.csi_snapshotter,
        snapshot_controller: parts.snapshot_controller,
        snapshot_crds: parts.snapshot_crds,
    }
}

/// The program of this crate, built anew if it is older than its sources and cargo is there.
///
/// A caller is started by cargo (`cargo xtask`, `cargo test`), which builds what the caller links but not a program
/// that it only starts. cargo is not asked without need, because it waits for every other build in the tree.
fn program() -> Result<PathBuf, Error> {
    let caller = std::env::current_exe().map_err(Error::io("find", "the running program"))?;
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = programs_beside(&caller, &crate_folder.join("../../target"));
    let path = folder.join(PROGRAM);
    let built = modified(&path);
    let sources = ["src", "manifests", "Cargo.toml", "../../Cargo.toml", "../../Cargo.lock"];
    let changed = sources.iter().filter_map(|source| newest(&crate_folder.join(source))).max();
    if let (true, Some(cargo)) = (built < changed, std::env::var_os("CARGO")) {
        let mut command = Command::new(cargo);
        command
            .args(["build", "--quiet", "--bin", PROGRAM, "--manifest-path"])
            .arg(crate_folder.join("Cargo.toml"));
        if folder.ends_with("release") {
            command.arg("--release");
        }
        run(&mut command)?;
    }
    if path.exists() {
        Ok(path)
    } else {
        refused(format!("{} is not there; build it with `cargo build --bin {PROGRAM}`", path.display()))
    }
}

/// When the newest file below a path was changed.
fn newest(path: &Path) -> Option<SystemTime> {
    let below = fs::read_dir(path).into_iter().flatten().flatten();
    below.filter_map(|entry| newest(&entry.path())).chain(modified(path)).max()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn prepared(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Parts(Box::new(error))
}

fn refused<T>(reason: String) -> Result<T, Error> {
    Err(Error::Refused { reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_of_a_build_are_found_from_a_program_and_from_a_test() {
        let target = Path::new("/tree/target");
        for (caller, folder) in [
            ("/tree/target/debug/xtask", "/tree/target/debug"),
            ("/elsewhere/release/xtask", "/elsewhere/release"),
            ("/cache/build/debug/deps/ends-12cd", "/tree/target/debug"),
            ("/tree/target/release/deps/ends-12cd", "/tree/target/release"),
        ] {
            assert_eq!(programs_beside(Path::new(caller), target), Path::new(folder), "{caller}");
        }
    }
}
