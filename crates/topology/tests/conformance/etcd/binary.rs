//! Where the etcd under test is.

use std::path::PathBuf;

/// The directory with `etcd`, `etcdutl` and `etcdctl`.
#[expect(clippy::disallowed_methods, reason = "tests have no command line of their own")]
pub(crate) fn directory() -> PathBuf {
    if let Ok(binary) = std::env::var("BERTH_TEST_ETCD") {
        let binary = PathBuf::from(binary);
        assert!(binary.is_file(), "BERTH_TEST_ETCD={} is no file", binary.display());
        return binary.parent().unwrap().to_owned();
    }
    let cache = match (std::env::var("XDG_CACHE_HOME"), std::env::var("HOME")) {
        (Ok(cache), _) if !cache.is_empty() => PathBuf::from(cache),
        (_, Ok(home)) => PathBuf::from(home).join(".cache"),
        (_, Err(_)) => panic!("set HOME, or BERTH_TEST_ETCD to the path of an etcd 3.6"),
    };
    let built = std::fs::read_dir(cache.join("berth/k8s")).into_iter().flatten().filter_map(Result::ok);
    let newest = built
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("etcd-")))
        .flat_map(|path| [path.join("bin"), path])
        .filter(|path| path.join("etcd").is_file())
        .max_by_key(|path| path.metadata().and_then(|of| of.modified()).ok());
    newest.expect("there is no etcd to test against: run `cargo xtask up` once, which builds it, or set BERTH_TEST_ETCD")
}
