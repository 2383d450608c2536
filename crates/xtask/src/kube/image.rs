//! `image`: packs a root filesystem, or takes an archive as it is, and gives it to all nodes.

use std::path::PathBuf;

use anyhow::{Result, bail};
use berth_e2e_kubernetes::{Cluster, image};
use clap::Args;

use super::Which;
use crate::run::say;

/// What is to be loaded.
#[derive(Debug, Args)]
pub(crate) struct Image {
    /// A folder with a root filesystem, or a docker-archive.
    source: PathBuf,
    /// The image's full name, such as `berth.dev/tool:1`; an archive brings its own.
    #[arg(value_name = "NAME")]
    full_name: Option<String>,
    #[command(flatten)]
    which: Which,
}

/// Packs if need be, and loads.
pub(crate) fn load(arguments: &Image) -> Result<()> {
    let Image { source, full_name, which } = arguments;
    let archive = match (source.is_dir(), full_name) {
        (true, Some(name)) => image::pack(source, name, &image::Config::default())?,
        (true, None) => {
            bail!("{} is a folder; give the image a name, such as berth.dev/tool:1", source.display())
        }
        (false, None) => source.clone(),
        (false, Some(_)) => {
            bail!("{} is an archive, which has its name in it; leave the name out", source.display())
        }
    };
    Cluster::attach_to(&which.name)?.load_image(&archive)?;
    say(&format!("{} is on all nodes.", full_name.as_deref().unwrap_or("The image")));
    Ok(())
}
