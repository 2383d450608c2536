//! The lock that makes one agent the only one on a volume.
//!
//! A volume can be mounted by two pods of one node at once. Whatever is removed, started or written on it happens under this lock; it goes
//! with the process that holds it.

use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::{Path, PathBuf};

/// The lock, held until it is dropped.
#[derive(Debug)]
pub struct VolumeLock(#[expect(dead_code, reason = "the lock is held by the open file")] File);

/// Why the lock is not held.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another agent is on the volume.
    #[error("{0} is locked by another agent: another pod uses the data volume; delete that pod")]
    Taken(PathBuf),
    /// The file cannot be used.
    #[error("cannot lock {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
}

impl VolumeLock {
    /// Takes the lock in this folder, or says at once that it is taken.
    pub fn take(folder: &Path) -> Result<Self, LockError> {
        let path = folder.join("lock");
        let file = std::fs::create_dir_all(folder)
            .and_then(|()| File::options().create(true).truncate(false).write(true).open(&path))
            .map_err(|source| LockError::File { path: path.clone(), source })?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(LockError::Taken(path)),
            Err(errno) => Err(LockError::File { path, source: errno.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_holds_it_and_it_is_free_when_that_one_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let first = VolumeLock::take(folder.path()).unwrap();
        assert!(matches!(VolumeLock::take(folder.path()), Err(LockError::Taken(_))));
        drop(first);
        assert!(VolumeLock::take(folder.path()).is_ok());
    }
}
