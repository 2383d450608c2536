//! What the tests of the harness share: waiting, and looking for what a cluster may have left behind.

#![allow(dead_code, reason = "each test file uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Waits until `look` yields a value.
pub(crate) fn eventually<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(start.elapsed() < limit, "gave up after {limit:?} waiting for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Everything on the machine that belongs to the cluster with that folder: processes, mounts, loop devices, cgroups.
pub(crate) fn remains(root: &Path) -> Vec<String> {
    let name = root.file_name().unwrap().to_str().unwrap();
    let (folder, group) = (format!("{}/", root.display()), format!("/berth-kubernetes/{name}/"));
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let read = |file: &str| {
            let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let line = read("cmdline");
        if line.contains(&folder) || read("cgroup").contains(&group) {
            found.push(format!("process {pid}: {line}"));
        }
        if read("mountinfo").contains(&folder) {
            found.push(format!("mounts in the namespace of process {pid}: {line}"));
        }
    }
    for entry in fs::read_dir("/sys/block").unwrap().flatten() {
        let file = fs::read_to_string(entry.path().join("loop/backing_file")).unwrap_or_default();
        // Another cluster may run with volumes of its own; those of a cluster that is gone have no name any more.
        if file.contains("berth-volumes") && file.trim_end().ends_with("(deleted)") {
            found.push(format!("loop device {} on {}", entry.path().display(), file.trim()));
        }
    }
    for hierarchy in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        for path in [hierarchy.path(), "/sys/fs/cgroup".into()] {
            let path = path.join("berth-kubernetes").join(name);
            if path.exists() {
                found.push(format!("cgroup {}", path.display()));
            }
        }
    }
    let files = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let kept = ["logs", "lock", "turn"];
    found.extend(
        files
            .filter(|name| !kept.iter().any(|kept| name == kept))
            .map(|name| format!("file {}", name.display())),
    );
    found
}

/// Fails unless nothing is left of the cluster with that folder.
pub(crate) fn nothing_is_left(root: &Path) {
    let found = remains(root);
    assert!(found.is_empty(), "left behind:\n{}", found.join("\n"));
}
