//! Runs a scenario inside the root filesystem of the `postgres:17` image, in namespaces of its own, as its user.
//!
//! The test starts this very program again, with that filesystem as its root. `BERTH_TEST_POSTGRES_ROOT` names the filesystem;
//! without it, the layer that the local Kubernetes' image was packed from is unpacked once. Everything that a scenario starts
//! ends with it, because its pid namespace does.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Says that this is the inner process.
const INSIDE: &str = "BERTH_TEST_INSIDE";
/// Names a root filesystem with PostgreSQL 17.
const ROOT: &str = "BERTH_TEST_POSTGRES_ROOT";
/// Mounts what a process needs, and becomes the program as the image's user.
const ENTER: &str = r#"
set -e
mkdir -p "$1/tmp" "$1/proc" "$1/dev" "$1/mnt"
mount -t tmpfs -o "mode=1777,size=$5" tmpfs "$1/tmp"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount --bind "$2" "$1/mnt"
exec chroot --userspec=999:999 "$1" "/mnt/$3" --exact "$4" --nocapture --test-threads=1
"#;

/// Runs the body in there, as the only thing that this test does.
pub(crate) fn inside(name: &str, body: impl AsyncFnOnce()) {
    inside_of("50%", name, body);
}

/// The same, with volumes that hold no more than this together.
pub(crate) fn inside_of(size: &str, name: &str, body: impl AsyncFnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(body());
        return;
    }
    let program = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "--"])
        .args(["sh", "-c", ENTER, "sh"])
        .arg(root())
        .arg(program.parent().unwrap())
        .arg(program.file_name().unwrap())
        .arg(name)
        .arg(size)
        .env(INSIDE, "1")
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/17/bin",
        )
        .env("HOME", "/tmp")
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "inside the image ({}):\n{stdout}\n{stderr}",
        output.status
    );
}

/// The root filesystem.
fn root() -> PathBuf {
    if let Some(root) = std::env::var_os(ROOT) {
        return root.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("HOME or XDG_CACHE_HOME")).join(".cache"),
        PathBuf::from,
    );
    let folder = cache.join("berth/k8s");
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let layers = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("layer-postgres17-"));
    let newest = layers.max_by_key(|layer| layer.metadata().and_then(|meta| meta.modified()).ok());
    let layer = newest.unwrap_or_else(|| {
        panic!("no PostgreSQL 17: set {ROOT} to a root filesystem that has it, or run `cargo xtask up` once, which puts its layer into {}", folder.display())
    });
    unpacked(&layer.path())
}

/// Unpacks a layer beside this build's other temporary things, once for all scenarios.
fn unpacked(layer: &Path) -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let root = place.join(layer.file_name().unwrap());
    let lock = std::fs::File::create(place.join("unpack.lock")).unwrap();
    lock.lock().unwrap();
    if !root.exists() {
        let unfinished = root.with_extension("unfinished");
        let _none = std::fs::remove_dir_all(&unfinished);
        std::fs::create_dir_all(&unfinished).unwrap();
        let tar =
            Command::new("tar").arg("-xf").arg(layer.join("layer.tar")).arg("-C").arg(&unfinished).status();
        assert!(tar.unwrap().success(), "unpacking {}", layer.display());
        std::fs::rename(&unfinished, &root).unwrap();
    }
    root
}
