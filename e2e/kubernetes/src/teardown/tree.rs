//! Removal of a large folder by many threads.
//!
//! On a disk whose filesystem tells it of every freed block at once (`discard`), each removal of a file waits for
//! the disk: one thread takes twenty seconds for three nodes' images, many threads take two.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Waiting threads, not working ones: as many as a disk takes requests at a time.
const THREADS: usize = 32;

/// Removes a file, or a folder with everything in it. What is not there counts as removed.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    let mut folders = Vec::new();
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => list(path, &mut files, &mut folders)?,
        Ok(_) => files.push(path.to_path_buf()),
        Err(error) => return gone(Err(error)),
    }
    let share = files.len().div_ceil(THREADS).max(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = files
            .chunks(share)
            .map(|files| scope.spawn(|| files.iter().try_for_each(|file| gone(fs::remove_file(file)))))
            .collect();
        let results: Vec<_> = threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        results.into_iter().try_for_each(|result| result.unwrap_or_else(|_| Err(ErrorKind::Other.into())))
    })?;
    // Each folder was listed before those below it.
    folders.iter().rev().try_for_each(|folder| gone(fs::remove_dir(folder)))
}

fn list(folder: &Path, files: &mut Vec<PathBuf>, folders: &mut Vec<PathBuf>) -> io::Result<()> {
    folders.push(folder.to_path_buf());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return gone(Err(error)),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files, folders)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Ok(()) | Err(_) => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_files_and_links_go_and_what_a_link_points_to_stays() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "x").unwrap();
        let inside = tempfile::tempdir().unwrap();
        let top = inside.path().join("top");
        for number in 0..100 {
            let folder = top.join(format!("a/b{number}"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("file"), "x").unwrap();
        }
        std::os::unix::fs::symlink(outside.path(), top.join("a/link")).unwrap();
        remove(&top).unwrap();
        assert!(!top.exists());
        assert!(outside.path().join("kept").exists());
        remove(&top).unwrap();
    }
}
