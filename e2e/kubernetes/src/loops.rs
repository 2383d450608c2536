//! Loop devices whose backing file is on a node's disk.
//!
//! The storage driver mounts a volume's file through a loop device inside the node. When the node dies, the
//! kernel unmounts and detaches by itself, a moment later than the last process is gone; the next boot must not
//! attach the same file a second time before that. Files are compared by device and inode, because the path the
//! kernel shows is the one of a mount namespace that no longer exists.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use crate::error::Error;
use crate::process::run;
use crate::wait;

#[derive(Debug, Deserialize)]
struct Listing {
    #[serde(default)]
    loopdevices: Vec<Device>,
}

#[derive(Debug, Deserialize)]
struct Device {
    name: String,
    #[serde(rename = "back-ino")]
    inode: u64,
    #[serde(rename = "back-maj:min")]
    number: String,
}

/// Waits until no loop device rests on a file below `folder`, and detaches those that do not go by themselves.
pub(crate) fn released(folder: &Path) -> Result<(), Error> {
    let ours = files(folder);
    if ours.is_empty() {
        return Ok(());
    }
    let by_itself = wait::until("loop devices", Duration::from_secs(5), String::new, || {
        Ok(attached(&ours)?.is_empty().then_some(()))
    });
    if by_itself.is_ok() {
        return Ok(());
    }
    for name in attached(&ours)? {
        run(Command::new("losetup").args(["--detach", &name]))?;
    }
    wait::until(
        &format!("the loop devices on {}", folder.display()),
        Duration::from_secs(5),
        || attached(&ours).unwrap_or_default().join(" "),
        || Ok(attached(&ours)?.is_empty().then_some(())),
    )
}

fn attached(files: &HashSet<(String, u64)>) -> Result<Vec<String>, Error> {
    let text =
        run(Command::new("losetup").args(["--json", "--list", "--output", "NAME,BACK-INO,BACK-MAJ:MIN"]))?;
    // Without any device it prints nothing at all.
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let listing: Listing = serde_json::from_str(&text).map_err(|source| Error::Malformed {
        what: "a list of loop devices",
        path: "losetup --json".into(),
        source,
    })?;
    let devices = listing.loopdevices.into_iter();
    Ok(devices
        .filter(|device| files.contains(&(device.number.trim().to_owned(), device.inode)))
        .map(|d| d.name)
        .collect())
}

/// Device and inode of every regular file below a folder.
fn files(folder: &Path) -> HashSet<(String, u64)> {
    let mut found = HashSet::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries.flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            found.extend(files(&entry.path()));
        } else if metadata.is_file() {
            let device = metadata.dev();
            found.insert((
                format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device)),
                metadata.ino(),
            ));
        }
    }
    found
}
