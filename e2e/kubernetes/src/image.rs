//! Container images without a container engine: a folder becomes an archive that containerd imports.
//!
//! The images of the test cluster come from Debian packages and from our own binaries. Each function returns an
//! archive in the user's cache, built when its inputs changed. Nothing here speaks to containerd or to a registry,
//! and no image is meant to be published.
//!
//! # Caveats
//! An image made of Debian packages is known by the list of packages and the recipe, not by the versions that the
//! archive has today: it stays what it was until the recipe changes or the cache is emptied.

mod archive;
mod debian;
mod layer;
mod own;
mod pause;
mod postgres;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

pub use own::{binaries, etcd};
pub use pause::pause;
pub use postgres::postgres17;

use crate::parts::CacheError;
use crate::parts::cache::{Cache, KEEP_IMAGES, Key};
use crate::progress::Progress;
use layer::Layer;

/// The name of the pod sandbox's image.
pub const PAUSE: &str = "localhost/pause:1";
/// The name of the PostgreSQL image: that of the well-known one, whose paths, user and environment it has.
pub const POSTGRES_17: &str = "docker.io/library/postgres:17";
/// The name of the image with our own binaries.
pub const BERTH: &str = "berth.dev/berth:dev";
/// The name of the etcd image.
pub const ETCD: &str = "berth.dev/etcd:3.6";

/// The `PATH` of an image that does not say otherwise.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An image on disk, ready for `ctr images import`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The full name with its tag, as the archive carries it.
    pub name: String,
    /// A docker-archive.
    pub archive: PathBuf,
}

/// What a container of the image gets when its pod says nothing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Config {
    /// `uid`, `uid:gid` or a name of the image's /etc/passwd; empty means root.
    pub user: String,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// The command, before the arguments.
    pub entrypoint: Vec<String>,
    /// The arguments, or the command where there is no entrypoint.
    pub command: Vec<String>,
    /// The working directory; empty means `/`.
    pub working_dir: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

impl Default for Config {
    /// Root, in `/`, with a usual `PATH` and no command.
    fn default() -> Self {
        Self {
            user: String::new(),
            env: BTreeMap::from([("PATH".to_owned(), DEFAULT_PATH.to_owned())]),
            entrypoint: Vec::new(),
            command: Vec::new(),
            working_dir: String::new(),
            labels: BTreeMap::new(),
        }
    }
}

/// Why an image could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The cache folder cannot be used.
    #[error("cannot use the cache of images")]
    Cache(#[from] CacheError),
    /// A file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The root filesystem has something in it that an image cannot hold.
    #[error("{} is neither file, folder nor symbolic link; remove it from the root filesystem", path.display())]
    Unsupported {
        /// The odd one.
        path: PathBuf,
    },
    /// A name that containerd would not accept, or would turn into another.
    #[error("`{name}` is no full image name: write registry/path:tag, such as {BERTH}")]
    Name {
        /// The name as given.
        name: String,
    },
    /// A program that makes the image could not be started.
    #[error("cannot start {program}: install the harness' packages first")]
    Start {
        /// Which program.
        program: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A program that makes the image failed.
    #[error("`{command}` failed ({status}):\n{output}")]
    Program {
        /// The command line.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of what it wrote to stderr.
        output: String,
    },
}

impl ImageError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// Packs a root filesystem into an image in the cache and returns its archive.
///
/// Files keep owner and mode; times are cut to a constant, so that equal folders give equal archives. Device nodes are
/// left out, because a container gets its own /dev. Extended attributes are not kept.
pub fn pack(rootfs: &Path, name: &str, config: &Config) -> Result<PathBuf, ImageError> {
    check_name(name)?;
    let cache = Cache::open()?;
    let scratch = cache.scratch()?;
    let layer = Layer::from_folder(rootfs, &scratch.path().join("layer.tar"))?;
    Ok(assemble(&cache, name, config, &[&layer])?.archive)
}

/// Makes the archive of an image from finished layers, lowest first.
fn assemble(cache: &Cache, name: &str, config: &Config, layers: &[&Layer]) -> Result<Image, ImageError> {
    let key =
        layers.iter().fold(Key::new().with("name", name), |key, layer| key.with("layer", &layer.digest));
    let key = key.with("config", archive::config_json(config, layers)).with("format", archive::FORMAT);
    let entry =
        cache.entry(&format!("image-{}", slug(name)), &key, KEEP_IMAGES, &Progress::silent(), |folder| {
            archive::write(&folder.join(ARCHIVE), name, config, layers)
        })?;
    Ok(Image { name: name.to_owned(), archive: entry.join(ARCHIVE) })
}

/// The archive's file name in its entry.
const ARCHIVE: &str = "image.tar";

/// Refuses names without registry or tag: containerd would complete them in its own way, and a pod that asks for the
/// short name would not find the image.
fn check_name(name: &str) -> Result<(), ImageError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "./:-_".contains(c);
    let full = name.split_once('/').is_some_and(|(registry, rest)| {
        (registry.contains(['.', ':']) || registry == "localhost")
            && rest.split_once(':').is_some_and(|(path, tag)| !path.is_empty() && !tag.is_empty())
    });
    if full && name.chars().all(allowed) { Ok(()) } else { Err(ImageError::Name { name: name.to_owned() }) }
}

/// The name as part of a file name.
fn slug(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests;
