//! Where built things are kept between runs: one folder per thing and per exact set of inputs.
//!
//! An entry appears by rename after it is complete and on disk, so that what exists may be used without asking,
//! also after a crash. A lock file per thing keeps two runs from building the same at once. What has not been used
//! for a month goes. Nothing here knows how a thing is built.

use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::progress::Progress;

/// How long an unused entry of a program stays when a newer one of the same name is built: long enough to go back and
/// forth between branches, short enough that a disk does not fill with old Kubernetes builds of 140 MB.
pub(crate) const KEEP_PROGRAMS: Duration = Duration::from_hours(30 * 24);

/// The same for an image. Each build of our binaries makes a new one, and it is packed again in seconds; an hour is
/// enough for who imports it right now.
pub(crate) const KEEP_IMAGES: Duration = Duration::from_hours(1);

/// How a temporary folder's name begins.
const SCRATCH: &str = ".scratch-";

/// Why the cache could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Neither `XDG_CACHE_HOME` nor `HOME` says where caches live.
    #[error("no cache folder: set HOME or XDG_CACHE_HOME to an absolute path")]
    NoHome,
    /// An operation on a file of the cache failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl CacheError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// The inputs of a build, folded into one name. Equal inputs give an equal key.
#[derive(Clone)]
pub(crate) struct Key(Sha256);

impl Key {
    pub(crate) fn new() -> Self {
        Self(Sha256::new())
    }

    /// Adds one input under a label. Lengths go in as well, so that no two lists of inputs read the same.
    #[must_use]
    pub(crate) fn with(mut self, label: &str, value: impl AsRef<[u8]>) -> Self {
        for part in [label.as_bytes(), value.as_ref()] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
        self
    }

    /// Adds a file's content under `label`.
    pub(crate) fn with_file(self, label: &str, path: &Path) -> Result<Self, CacheError> {
        let content = fs::read(path).map_err(CacheError::io("read", path))?;
        Ok(self.with(label, content))
    }

    /// The key in hexadecimal, 64 characters.
    pub(crate) fn hex(&self) -> String {
        hex(&self.0.clone().finalize())
    }
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A folder of entries named `<name>-<key>`.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache of this user: `$XDG_CACHE_HOME/berth/k8s`, else `~/.cache/berth/k8s`.
    pub(crate) fn open() -> Result<Self, CacheError> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let caches = absolute("XDG_CACHE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
            .ok_or(CacheError::NoHome)?;
        Self::at(caches.join("berth/k8s"))
    }

    /// A cache in a given folder, which is made when it is missing.
    pub(crate) fn at(root: PathBuf) -> Result<Self, CacheError> {
        fs::create_dir_all(&root).map_err(CacheError::io("create", &root))?;
        Ok(Self { root })
    }

    /// Where the entry is or will be.
    pub(crate) fn path(&self, name: &str, key: &Key) -> PathBuf {
        self.root.join(format!("{name}-{}", key.hex()))
    }

    /// The folder of the entry, if it was built before.
    pub(crate) fn find(&self, name: &str, key: &Key) -> Option<PathBuf> {
        let path = self.path(name, key);
        let folder = File::open(&path).ok()?;
        // The time of the folder says when it was last used. Where it cannot be set, the entry only ages sooner.
        let _ = folder.set_modified(now());
        Some(path)
    }

    /// The folder of the entry, built by `build` into a temporary folder when it is not there yet.
    ///
    /// After a build, entries of the same name that were not used for `keep` are removed.
    pub(crate) fn entry<E: From<CacheError>>(
        &self,
        name: &str,
        key: &Key,
        keep: Duration,
        progress: &Progress,
        build: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        if let Some(path) = self.find(name, key) {
            return Ok(path);
        }
        let _lock = self.lock(name, progress)?;
        if let Some(path) = self.find(name, key) {
            return Ok(path);
        }
        let path = self.path(name, key);
        let partial = Partial::create(self.root.join(format!(".{name}.partial")))?;
        build(&partial.path)?;
        partial.publish(&path)?;
        self.prune(name, &path, keep);
        Ok(path)
    }

    /// A folder for work in progress on the cache's disk; it goes with the returned value.
    pub(crate) fn scratch(&self) -> Result<Scratch, CacheError> {
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
            .map_err(io::Error::from)
            .map_err(CacheError::io("name a temporary folder in", &self.root))?;
        Ok(Scratch(Partial::create(self.root.join(format!("{SCRATCH}{}", hex(&random))))?))
    }

    /// Waits until no other run builds `name`. The lock goes with the file, also when its process is killed.
    fn lock(&self, name: &str, progress: &Progress) -> Result<File, CacheError> {
        let path = self.root.join(format!(".{name}.lock"));
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(CacheError::io("open the lock file", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                progress.say(&format!("waiting for another run that builds {name}"));
                file.lock().map_err(CacheError::io("lock", &path))?;
            }
            Err(TryLockError::Error(error)) => return Err(CacheError::io("lock", &path)(error)),
        }
        Ok(file)
    }

    /// Removes older entries of `name` that nobody used for long, and temporary folders of killed runs. A failure leaves
    /// them to the next build.
    fn prune(&self, name: &str, current: &Path, keep: Duration) {
        let prefix = format!("{name}-");
        let Ok(entries) = fs::read_dir(&self.root) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            let file_name = entry.file_name().to_string_lossy().into_owned();
            // A key has 64 characters: another thing whose name begins alike is not ours to judge.
            let older = path != current && file_name.strip_prefix(&prefix).is_some_and(|key| key.len() == 64);
            let limit = if file_name.starts_with(SCRATCH) { KEEP_PROGRAMS } else { keep };
            let unused = entry
                .metadata()
                .and_then(|meta| meta.modified())
                .is_ok_and(|used| now().duration_since(used).is_ok_and(|age| age > limit));
            if unused && (older || file_name.starts_with(SCRATCH)) {
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the age of files on disk is measured in the system's time")]
fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

/// A temporary folder, removed when dropped.
pub(crate) struct Scratch(Partial);

impl Scratch {
    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }
}

/// A folder that is removed unless it is published: a failed build leaves nothing behind.
struct Partial {
    path: PathBuf,
}

impl Partial {
    /// Makes the folder anew. What a killed run left there is removed; the caller holds the lock.
    fn create(path: PathBuf) -> Result<Self, CacheError> {
        if path.exists() {
            fs::remove_dir_all(&path)
                .map_err(CacheError::io("remove the remains of an interrupted build in", &path))?;
        }
        fs::create_dir(&path).map_err(CacheError::io("create", &path))?;
        Ok(Self { path })
    }

    /// Puts everything on disk and renames the folder to its final name.
    fn publish(self, to: &Path) -> Result<(), CacheError> {
        // Without this, a power loss soon after could leave the entry there with empty files, for ever believed.
        let folder = File::open(&self.path).map_err(CacheError::io("open", &self.path))?;
        rustix::fs::syncfs(&folder)
            .map_err(io::Error::from)
            .map_err(CacheError::io("write to disk", &self.path))?;
        fs::rename(&self.path, to).map_err(CacheError::io("rename the finished build to", to))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // After publishing there is nothing here; else the next build of the same name removes what stays.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests;
