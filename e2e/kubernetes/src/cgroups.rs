//! The cgroups of the nodes: made before a node boots, removed after it is gone.
//!
//! Works on cgroup v1 and on the hybrid layout, where each controller is a hierarchy of its own; every
//! hierarchy gets the same path. On a machine with cgroup v2 alone there is one hierarchy, treated alike.
//! Processes move into these groups by the kubelet's doing, never by ours.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Error;
use crate::wait;

const ROOT: &str = "/sys/fs/cgroup";
/// Above all clusters of this harness.
const OURS: &str = "berth-kubernetes";

/// The cgroup path of a node, as the kubelet's `cgroupRoot` wants it.
pub(crate) fn node_group(cluster: &str, node: u8) -> String {
    format!("/{OURS}/{cluster}/n{node}")
}

/// Makes the node's group in every hierarchy.
pub(crate) fn add(cluster: &str, node: u8) -> Result<(), Error> {
    for hierarchy in hierarchies()? {
        let mut path = hierarchy.clone();
        for part in node_group(cluster, node).split('/').filter(|part| !part.is_empty()) {
            let parent = path.clone();
            path.push(part);
            match fs::create_dir(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("create", &path)(error)),
            }
            // A group of the cpuset hierarchy takes no process until it has been told its CPUs and memory nodes.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                let (from, to) = (parent.join(file), path.join(file));
                if hierarchy.ends_with("cpuset") && to.exists() {
                    let value = fs::read(&from).map_err(Error::io("read", &from))?;
                    fs::write(&to, value).map_err(Error::io("write", &to))?;
                }
            }
            let clone = path.join("cgroup.clone_children");
            if hierarchy.ends_with("cpuset") && clone.exists() {
                fs::write(&clone, "1").map_err(Error::io("write", &clone))?;
            }
        }
    }
    Ok(())
}

/// Removes a node's groups and everything below. The kernel lets go of a dead process's group a little later
/// than of the process, so this waits.
pub(crate) fn remove_node(cluster: &str, node: u8) -> Result<(), Error> {
    remove(&node_group(cluster, node))
}

/// Removes the groups of a whole cluster, and the one above all clusters if this was the last.
pub(crate) fn remove_cluster(cluster: &str) -> Result<(), Error> {
    remove(&format!("/{OURS}/{cluster}"))?;
    for hierarchy in hierarchies()? {
        // Another cluster's groups below it keep it, as they should.
        let _ = fs::remove_dir(hierarchy.join(OURS));
    }
    Ok(())
}

fn remove(group: &str) -> Result<(), Error> {
    for hierarchy in hierarchies()? {
        let path = hierarchy.join(group.trim_start_matches('/'));
        wait::until(
            &format!("the removal of cgroup {}", path.display()),
            Duration::from_secs(10),
            || format!("processes in it: {}", members(&path).join(" ")),
            || {
                remove_below(&path);
                Ok((!path.exists()).then_some(()))
            },
        )?;
    }
    Ok(())
}

/// Children first. Failures are seen by the caller, who looks whether the top is gone.
fn remove_below(path: &Path) {
    let Ok(entries) = fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_below(&entry.path());
        }
    }
    let _ = fs::remove_dir(path);
}

fn members(path: &Path) -> Vec<String> {
    let mut found: Vec<String> = fs::read_to_string(path.join("cgroup.procs"))
        .map(|text| text.lines().map(str::to_owned).collect())
        .unwrap_or_default();
    if let Ok(entries) = fs::read_dir(path) {
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            found.extend(members(&entry.path()));
        }
    }
    found
}

fn hierarchies() -> Result<Vec<PathBuf>, Error> {
    if Path::new(ROOT).join("cgroup.controllers").exists() {
        return Ok(vec![PathBuf::from(ROOT)]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(ROOT).map_err(Error::io("list", ROOT))? {
        let entry = entry.map_err(Error::io("list", ROOT))?;
        // Links such as `cpu` → `cpu,cpuacct` name a hierarchy that is listed anyway.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && entry.path().join("cgroup.procs").exists() {
            found.push(entry.path());
        }
    }
    Ok(found)
}
