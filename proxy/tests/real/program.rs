//! Programs of Debian's PostgreSQL, found where its packages put them.

use std::path::PathBuf;

/// A program of the server or its clients. Tests fail without it, and say which package has it.
pub(crate) fn program(name: &str) -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin").join(name)))
        .filter(|path| path.exists())
        .collect();
    versions.sort();
    versions.pop().unwrap_or_else(|| {
        panic!("{name} is not there; install it with: apt-get install postgresql postgresql-contrib")
    })
}
