//! Root filesystems from Debian packages, unpacked and not configured.
//!
//! `mmdebstrap --variant=extract` downloads a suite's packages with their dependencies and unpacks them; no package
//! script runs. That takes a third of the time of an installation and needs no chroot, at the price that what scripts
//! would do (users, certificates, caches) is done here, for the few packages in use.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use super::ImageError;

/// The suite of all images: the well-known postgres:17 is built on it, and its C library runs what was linked on the
/// release before it.
pub(super) const SUITE: &str = "trixie";

/// Changes when this module makes another root filesystem of the same packages.
pub(super) const RECIPE: &str = "2";

/// What nobody reads in a container, and what mmdebstrap copies from the machine it runs on: a container gets its
/// own host name and resolver.
const UNREAD: [&str; 11] = [
    "etc/hostname",
    "etc/resolv.conf",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/share/bug",
    "usr/share/doc-base",
    "var/cache/apt",
    "var/lib/apt",
];

/// Unpacks `packages` with what they depend on into `root`.
pub(super) fn extract(root: &Path, packages: &[&str]) -> Result<(), ImageError> {
    let mut mmdebstrap = Command::new("mmdebstrap");
    mmdebstrap
        .args(["--quiet", "--variant=extract", "--mode=root"])
        .arg(format!("--include={}", packages.join(",")))
        .arg(SUITE)
        .arg(root);
    run("mmdebstrap", &mut mmdebstrap)?;
    for path in UNREAD {
        remove(&root.join(path))?;
    }
    // As the scripts of base-files and tzdata would.
    for (name, target) in
        [("var/run", "/run"), ("var/lock", "/run/lock"), ("etc/localtime", "/usr/share/zoneinfo/Etc/UTC")]
    {
        remove(&root.join(name))?;
        link(root, name, target)?;
    }
    Ok(())
}

/// Removes programs that cannot run: scripts whose interpreter is not in the image, and links that lead nowhere.
pub(super) fn remove_broken_programs(root: &Path, interpreter: &str) -> Result<(), ImageError> {
    let folders = ["usr/bin", "usr/sbin"].map(|name| root.join(name));
    // Scripts first, since a link may lead to one of them.
    for file in folders.iter().map(|folder| list(folder)).collect::<Result<Vec<_>, _>>()?.iter().flatten() {
        let path = file.path();
        if !path.is_symlink() && names_interpreter(&path, interpreter)? {
            remove(&path)?;
        }
    }
    for folder in &folders {
        for file in list(folder)? {
            let Ok(target) = fs::read_link(file.path()) else { continue };
            // An absolute target is one of the image, not of this machine.
            let target =
                target.strip_prefix("/").map_or_else(|_| folder.join(&target), |path| root.join(path));
            if !target.exists() {
                remove(&file.path())?;
            }
        }
    }
    Ok(())
}

/// Whether a file is a script whose first line names an interpreter.
fn names_interpreter(path: &Path, interpreter: &str) -> Result<bool, ImageError> {
    let mut start = Vec::new();
    let file = fs::File::open(path).map_err(ImageError::io("open", path))?;
    file.take(128).read_to_end(&mut start).map_err(ImageError::io("read", path))?;
    let start = String::from_utf8_lossy(&start);
    Ok(start.lines().next().is_some_and(|line| line.starts_with("#!") && line.contains(interpreter)))
}

/// The entries of a folder, in the order of their names.
pub(super) fn list(folder: &Path) -> Result<Vec<fs::DirEntry>, ImageError> {
    let mut entries = fs::read_dir(folder)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .map_err(ImageError::io("list", folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    Ok(entries)
}

/// A user of an image.
pub(super) struct User {
    /// The login name, also the group's.
    pub(super) name: &'static str,
    /// uid and gid.
    pub(super) id: u32,
    /// The home directory.
    pub(super) home: &'static str,
    /// The shell.
    pub(super) shell: &'static str,
}

/// Writes /etc/passwd, /etc/group and what name lookups need: the users that Debian always has, and `user`.
pub(super) fn users(root: &Path, user: &User) -> Result<(), ImageError> {
    let User { name, id, home, shell } = user;
    for (file, own) in
        [("passwd", format!("{name}:x:{id}:{id}::{home}:{shell}\n")), ("group", format!("{name}:x:{id}:\n"))]
    {
        let master = root.join("usr/share/base-passwd").join(format!("{file}.master"));
        let base = fs::read_to_string(&master).map_err(ImageError::io("read", &master))?;
        write(root, &format!("etc/{file}"), &(base + &own))?;
    }
    write(root, "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
}

/// Makes /etc/ssl/certs/ca-certificates.crt from the unpacked package, as its script would.
pub(super) fn certificates(root: &Path) -> Result<(), ImageError> {
    let folder = root.join("usr/share/ca-certificates/mozilla");
    let mut bundle = String::new();
    for file in list(&folder)? {
        let path = file.path();
        bundle.push_str(&fs::read_to_string(&path).map_err(ImageError::io("read", &path))?);
    }
    write(root, "etc/ssl/certs/ca-certificates.crt", &bundle)
}

/// Writes a file of the image, with the folders above it.
pub(super) fn write(root: &Path, name: &str, content: &str) -> Result<(), ImageError> {
    let path = root.join(name);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(ImageError::io("create", folder))?;
    }
    fs::write(&path, content).map_err(ImageError::io("write", &path))
}

/// Makes a symbolic link of the image.
pub(super) fn link(root: &Path, name: &str, target: &str) -> Result<(), ImageError> {
    let path = root.join(name);
    if fs::symlink_metadata(&path).is_ok() {
        return Ok(());
    }
    symlink(target, &path).map_err(ImageError::io("link", &path))
}

/// Removes a file or folder of the image, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), ImageError> {
    let removed = match fs::symlink_metadata(path) {
        Err(_) => return Ok(()),
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    removed.map_err(ImageError::io("remove", path))
}

/// Runs a program that makes part of an image, quietly unless it fails.
pub(super) fn run(program: &'static str, command: &mut Command) -> Result<(), ImageError> {
    let output =
        command.stdin(Stdio::null()).output().map_err(|source| ImageError::Start { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = errors.trim_end().lines().collect();
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    Err(ImageError::Program {
        command: format!("{program} {}", arguments.join(" ")),
        status: output.status,
        output: lines[lines.len().saturating_sub(15)..].join("\n"),
    })
}
