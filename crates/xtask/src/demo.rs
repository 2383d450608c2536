//! `make demo`: the main job from beginning to end, on a Kubernetes that is made for it and gone afterwards.

mod story;

use crate::{install, run};
use anyhow::Result;

/// Brings everything up, runs the story in a process that has the cluster in its environment, and takes it down.
pub(crate) fn demo() -> Result<()> {
    install::on_a_fresh_cluster([run::itself("demo-story")?])
}

/// The story itself, on the cluster that the environment names.
pub(crate) fn story() -> Result<()> {
    story::tell()
}
