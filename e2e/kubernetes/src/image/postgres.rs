//! The PostgreSQL 17 image, as much like the well-known `postgres:17` as a pod can tell.
//!
//! The same user and group 999, paths, `PATH` and `PGDATA`, so that what runs here runs there. Not there: its entry
//! point script and `gosu` (our pods bring their own PID 1 and never start as root), LLVM's JIT, Perl, and locales
//! beyond those that PostgreSQL and the C library have built in.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::time::Duration;

use super::debian::{self, User};
use super::layer::Layer;
use super::{Config, Image, ImageError, POSTGRES_17, assemble};
use crate::parts::cache::{Cache, Key};
use crate::progress::Progress;

const USER: User = User { name: "postgres", id: 999, home: "/var/lib/postgresql", shell: "/bin/bash" };

/// PostgreSQL with its contributed modules (they are in the server's package), and the tools that a person in
/// `kubectl exec` expects.
const PACKAGES: [&str; 16] = [
    "base-files",
    "base-passwd",
    "bash",
    "ca-certificates",
    "coreutils",
    "dash",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "libnss-wrapper",
    "netbase",
    "postgresql-17",
    "sed",
    "tar",
    "zstd",
];

/// What makes up half of the size and is not used: Perl (Debian's wrappers), the JIT and what only it needs.
const UNUSED: [&str; 14] = [
    "usr/lib/postgresql/17/lib/bitcode",
    "usr/lib/postgresql/17/lib/llvmjit.so",
    "usr/lib/postgresql/17/lib/llvmjit_types.bc",
    "usr/share/i18n",
    "usr/share/perl",
    "usr/share/perl5",
    "usr/share/postgresql-common",
    "usr/share/postgresql/17/man",
    "usr/lib/systemd",
    "usr/lib/udev",
    "etc/init.d",
    "var/lib/dpkg",
    "etc/perl",
    "etc/apt",
];

/// LLVM and Perl by how their files' names begin, among the programs and the libraries of the architecture.
const UNUSED_FILES: [&str; 4] = ["libLLVM", "libz3", "libperl", "perl"];

/// Changes when the root filesystem is made otherwise from the same packages.
const RECIPE: &str = "3";

/// The image [`POSTGRES_17`].
pub fn postgres17(progress: &Progress) -> Result<Image, ImageError> {
    let cache = Cache::open()?;
    let key = Key::new()
        .with("suite", debian::SUITE)
        .with("packages", PACKAGES.join(" "))
        .with("unused", UNUSED.join(" "))
        .with("unused files", UNUSED_FILES.join(" "))
        .with("recipe", debian::RECIPE)
        .with("own recipe", RECIPE);
    let layer = Layer::cached(&cache, "postgres17", &key, progress, |root| {
        progress
            .during("unpacking PostgreSQL 17 from Debian packages", Duration::from_secs(15), || fill(root))
    })?;
    assemble(&cache, POSTGRES_17, &config(), &[&layer])
}

/// What the well-known image sets.
fn config() -> Config {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/17/bin";
    let env =
        [("PATH", path), ("PGDATA", "/var/lib/postgresql/data"), ("PG_MAJOR", "17"), ("LANG", "C.UTF-8")];
    Config {
        // The well-known image starts as root and changes the user in its script. There is no script here, and a
        // database as root would refuse to start.
        user: "999:999".to_owned(),
        env: BTreeMap::from(env.map(|(name, value)| (name.to_owned(), value.to_owned()))),
        command: vec!["postgres".to_owned()],
        ..Config::default()
    }
}

fn fill(root: &Path) -> Result<(), ImageError> {
    debian::extract(root, &PACKAGES)?;
    debian::certificates(root)?;
    debian::users(root, &USER)?;
    for path in UNUSED {
        debian::remove(&root.join(path))?;
    }
    remove_files(root)?;
    // Debian's psql and its kind in /usr/bin are links to a Perl script that chooses among versions; the programs
    // themselves are in /usr/lib/postgresql/17/bin, which is on the PATH.
    debian::remove_broken_programs(root, "perl")?;
    debian::write(root, "etc/timezone", "Etc/UTC\n")?;
    for (path, mode) in
        [("var/lib/postgresql", 0o1777), ("var/lib/postgresql/data", 0o1777), ("run/postgresql", 0o3777)]
    {
        own_folder(&root.join(path), mode)?;
    }
    Ok(())
}

/// Makes a folder of the postgres user. Modes are those of the well-known image, where any user may run it.
fn own_folder(path: &Path, mode: u32) -> Result<(), ImageError> {
    fs::create_dir_all(path).map_err(ImageError::io("create", path))?;
    chown(path, Some(USER.id), Some(USER.id)).map_err(ImageError::io("change the owner of", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(ImageError::io("change the mode of", path))
}

/// Removes what [`UNUSED_FILES`] names.
fn remove_files(root: &Path) -> Result<(), ImageError> {
    let mut folders = vec![root.join("usr/bin")];
    for folder in debian::list(&root.join("usr/lib"))? {
        if folder.file_name().to_string_lossy().ends_with("-linux-gnu") {
            folders.push(folder.path());
        }
    }
    for folder in folders {
        for file in debian::list(&folder)? {
            let name = file.file_name();
            if UNUSED_FILES.iter().any(|start| name.to_string_lossy().starts_with(start)) {
                debian::remove(&file.path())?;
            }
        }
    }
    Ok(())
}
