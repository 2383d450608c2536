//! `make demo`: the main job from beginning to end, on a Kubernetes that is made for it and gone afterwards.

mod story;

use crate::install;
use anyhow::{Context, Result};
use std::process::Command;

/// Brings everything up, runs the story in a process that has the cluster in its environment, and takes it down.
pub(crate) fn demo() -> Result<()> {
    let this = std::env::current_exe().context("this program has no path")?;
    install::on_a_fresh_cluster(|| {
        let mut command = Command::new(this);
        command.arg("demo-story");
        command
    })
}

/// The story itself, on the cluster that the environment names.
pub(crate) fn story() -> Result<()> {
    story::tell()
}
