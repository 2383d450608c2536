//! Removing what a cluster leaves behind when all its processes are dead, and making sure that they are.
//!
//! Processes, mounts and network namespaces end with the supervisor's namespaces. Left are loop devices that the
//! kernel is still letting go of, cgroups, and files. The same steps serve the orderly end and the stale remains
//! of a crash, and each can be repeated.

mod tree;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

use crate::error::Error;
use crate::guard::Guardian;
use crate::layout::Layout;
use crate::process::start_time;
use crate::{cgroups, loops, setup, storage, wait};

/// How long an orderly end may take; two seconds on an idle machine.
const ORDERLY: Duration = Duration::from_mins(1);

/// Removes everything that is left of a dead cluster but its logs.
pub(crate) fn clear(layout: &Layout, name: &str, workers: u8) -> Result<(), Error> {
    for node in 1..=workers {
        loops::released(&layout.node_disk(node).join(storage::VOLUMES))?;
    }
    cgroups::remove_cluster(name)?;
    let root = layout.root();
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("list", root)(error)),
    };
    for entry in entries {
        let path = entry.map_err(Error::io("list", root))?.path();
        // The locks stay: removing one while somebody waits for it would give two processes a lock each.
        if path != layout.logs() && path != layout.lock() && path != layout.turn() {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Whether a cluster's guard is alive.
pub(crate) fn is_running(layout: &Layout) -> Result<bool, Error> {
    let path = layout.lock();
    let file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::io("open", &path)(error)),
    };
    // A lock taken here is let go of at once, with the file.
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(false),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(Error::sys("lock", &path)(error)),
    }
}

/// Waits for the end of a guard that has been asked for it; kills it if that takes too long.
pub(crate) fn await_end(layout: &Layout) -> Result<(), Error> {
    let ended = || Ok((!is_running(layout)?).then_some(()));
    let log = layout.log("supervisor");
    let orderly = wait::until("the cluster's end", ORDERLY, || crate::process::tail(&log), ended);
    if orderly.is_err() {
        kill_guardian(layout)?;
        wait::until("the end of the killed guard", ORDERLY, || crate::process::tail(&log), ended)?;
    }
    Ok(())
}

/// Kills the guard of a cluster, if the process recorded is still that guard.
pub(crate) fn kill_guardian(layout: &Layout) -> Result<(), Error> {
    let guardian: Guardian = setup::read(&layout.guardian(), "a guard's record")?;
    let same = start_time(guardian.pid) == Some(guardian.started);
    if let (true, Some(pid)) = (same, i32::try_from(guardian.pid).ok().and_then(Pid::from_raw)) {
        kill_process(pid, Signal::KILL).map_err(Error::sys("kill", "the guard"))?;
    }
    Ok(())
}

/// Removes a file or folder, again if a process that is just dying wrote into it meanwhile.
fn remove(path: &Path) -> Result<(), Error> {
    let removed = wait::until("a folder's removal", Duration::from_secs(10), String::new, || {
        Ok(tree::remove(path).is_ok().then_some(()))
    });
    match removed {
        Ok(()) => Ok(()),
        Err(_) => tree::remove(path).map_err(Error::io("remove", path)),
    }
}
