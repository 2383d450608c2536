//! Files that appear whole or not at all, and are on disk when the call returns.

use crate::EngineError;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// An error about a file.
pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> EngineError {
    let step = format!("{action} {}", path.display());
    move |error| EngineError::Step { step, reason: error.to_string() }
}

/// Writes a file that only the database's user may read: temporary file, fsync, rename, fsync of the folder.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), EngineError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = Path::new(&temporary);
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(temporary).map_err(failed("creating", temporary))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed("writing", temporary))?;
    rename(temporary, path)
}

/// Writes a file if its content would change; tells whether it did.
pub(super) fn update(path: &Path, content: &[u8]) -> Result<bool, EngineError> {
    match fs::read(path) {
        Ok(old) if old == content => Ok(false),
        Ok(_) => write(path, content).map(|()| true),
        Err(error) if error.kind() == ErrorKind::NotFound => write(path, content).map(|()| true),
        Err(error) => Err(failed("reading", path)(error)),
    }
}

/// Renames, and makes the rename durable.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), EngineError> {
    fs::rename(from, to).map_err(failed("renaming into place", to))?;
    sync_parent(to)
}

/// Makes the entry of a file or folder in its folder durable.
pub(super) fn sync_parent(path: &Path) -> Result<(), EngineError> {
    path.parent().map_or(Ok(()), sync_folder)
}

/// Makes the entries of a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), EngineError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("syncing", folder))
}

/// The names of what is in a folder.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, EngineError> {
    let entries = fs::read_dir(folder).map_err(failed("reading", folder))?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    names.collect::<Result<_, _>>().map_err(failed("reading", folder))
}

/// Copies a file's content, durably. The entry of a new one is made durable with its folder.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), EngineError> {
    fs::copy(from, to).and_then(|_bytes| File::open(to)?.sync_all()).map_err(failed("copying to", to))
}

/// Makes a folder that only the database's user may enter.
pub(super) fn folder(path: &Path) -> Result<(), EngineError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("creating", path))
}

/// The content of a text file; absent if there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, EngineError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("reading", path)(error)),
    }
}

/// Removes a file; tells whether there was one.
pub(super) fn remove(path: &Path) -> Result<bool, EngineError> {
    match fs::remove_file(path) {
        Ok(()) => sync_parent(path).map(|()| true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("removing", path)(error)),
    }
}

/// Removes a folder with all in it, if it is there.
pub(super) fn remove_folder(path: &Path) -> Result<(), EngineError> {
    match fs::remove_dir_all(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("removing", path)(error)),
    }
}
