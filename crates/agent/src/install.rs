//! Copies this program to where the database's container finds it: the init container's whole work.
//!
//! Written beside and renamed, so that a container that starts over never finds half a program.

use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// What `berth-agent install` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct InstallArguments {
    /// The folder to copy the program to.
    pub folder: PathBuf,
}

/// Copies this program into the folder under its own name.
pub fn install(arguments: &InstallArguments) -> Result<()> {
    let folder = &arguments.folder;
    let own = std::env::current_exe().context("cannot tell where this program lies")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let unfinished = folder.join(".berth-agent.unfinished");
    let target = folder.join("berth-agent");
    fs::copy(&own, &unfinished)
        .with_context(|| format!("cannot copy {} to {}", own.display(), unfinished.display()))?;
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", unfinished.display()))?;
    fs::rename(&unfinished, &target)
        .with_context(|| format!("cannot rename {} to {}", unfinished.display(), target.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_there_whole_and_executable_also_the_second_time() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = InstallArguments { folder: folder.path().join("bin") };
        for _ in 0..2 {
            install(&arguments).unwrap();
            let copied = fs::metadata(arguments.folder.join("berth-agent")).unwrap();
            assert_eq!(copied.len(), fs::metadata(std::env::current_exe().unwrap()).unwrap().len());
            assert_eq!(copied.permissions().mode() & 0o777, 0o755);
            assert_eq!(fs::read_dir(&arguments.folder).unwrap().count(), 1, "nothing is left beside it");
        }
    }
}
