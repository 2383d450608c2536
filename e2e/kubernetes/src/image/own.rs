//! The images with our own binaries and with the etcd of the topology.
//!
//! Both are small: no shell, no package manager; a binary, the libraries it needs and the certificates of the public
//! authorities.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::debian::{self, User};
use super::layer::Layer;
use super::{BERTH, Config, ETCD, Image, ImageError, assemble};
use crate::parts::Parts;
use crate::parts::cache::{Cache, Key};
use crate::progress::Progress;

/// The user of both images: a number that no Debian package uses and that distroless images made customary, so that
/// `runAsNonRoot` can be checked without asking the image.
const USER: User = User { name: "nonroot", id: 65532, home: "/", shell: "/usr/sbin/nologin" };

/// What a Rust binary needs at run time, and what name lookups and TLS read.
const PACKAGES: [&str; 6] = ["base-files", "base-passwd", "ca-certificates", "libc6", "libgcc-s1", "netbase"];

/// Of the packages above, and of what they pull in, the parts that no binary of ours opens.
const UNUSED: [&str; 6] = [
    "usr/bin",
    "usr/sbin",
    "usr/lib/x86_64-linux-gnu/perl-base",
    "usr/share/perl5",
    "etc/init.d",
    "var/lib/dpkg",
];

/// Where the binaries are in an image.
const FOLDER: &str = "usr/local/bin";

/// Changes when the root filesystem is made otherwise from the same packages.
const RECIPE: &str = "2";

/// The image [`BERTH`] with `binaries`, given as `(file, name)`, in /usr/local/bin.
pub fn binaries(binaries: &[(PathBuf, String)], progress: &Progress) -> Result<Image, ImageError> {
    let cache = Cache::open()?;
    let files: Vec<_> =
        binaries.iter().map(|(file, name)| (Path::new(FOLDER).join(name), file.clone())).collect();
    let scratch = cache.scratch()?;
    let layer = Layer::from_files(&files, &scratch.path().join("layer.tar"))?;
    on_base(&cache, BERTH, &layer, Vec::new(), progress)
}

/// The image [`ETCD`] with etcd and its tools in /usr/local/bin.
pub fn etcd(parts: &Parts, progress: &Progress) -> Result<Image, ImageError> {
    let cache = Cache::open()?;
    // Where a part lies says what it was built from, so its 28 MB need not be read to know whether they changed.
    let key = Key::new().with("etcd", parts.etcd.as_os_str().as_encoded_bytes()).with("recipe", RECIPE);
    let layer = Layer::cached(&cache, "etcd", &key, progress, |root| {
        let folder = root.join(FOLDER);
        fs::create_dir_all(&folder).map_err(ImageError::io("create", &folder))?;
        let etcd = folder.join("etcd");
        fs::copy(&parts.etcd, &etcd).map_err(ImageError::io("copy", &parts.etcd))?;
        for name in ["etcdctl", "etcdutl"] {
            debian::link(&folder, name, "etcd")?;
        }
        Ok(())
    })?;
    on_base(&cache, ETCD, &layer, vec![format!("/{FOLDER}/etcd")], progress)
}

fn on_base(
    cache: &Cache,
    name: &str,
    layer: &Layer,
    entrypoint: Vec<String>,
    progress: &Progress,
) -> Result<Image, ImageError> {
    let config = Config {
        user: format!("{}:{}", USER.id, USER.id),
        entrypoint,
        labels: BTreeMap::from([("org.opencontainers.image.title".to_owned(), name.to_owned())]),
        ..Config::default()
    };
    assemble(cache, name, &config, &[&base(cache, progress)?, layer])
}

/// The layer below the binaries, made once.
fn base(cache: &Cache, progress: &Progress) -> Result<Layer, ImageError> {
    let key = Key::new()
        .with("suite", debian::SUITE)
        .with("packages", PACKAGES.join(" "))
        .with("unused", UNUSED.join(" "))
        .with("recipe", debian::RECIPE)
        .with("own recipe", RECIPE);
    Layer::cached(cache, "base", &key, progress, |root| {
        progress.during("unpacking Debian's base libraries", Duration::from_secs(5), || {
            debian::extract(root, &PACKAGES)?;
            debian::certificates(root)?;
            debian::users(root, &USER)?;
            for path in UNUSED {
                debian::remove(&root.join(path))?;
            }
            Ok(())
        })
    })
}
