//! The cache keeps finished builds only, builds once, and forgets what nobody uses.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn cache() -> (tempfile::TempDir, Cache) {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path().join("k8s")).unwrap();
    (folder, cache)
}

fn write_part(folder: &Path) -> Result<(), CacheError> {
    let path = folder.join("part");
    fs::write(&path, "x").map_err(CacheError::io("write", &path))
}

#[test]
fn a_key_depends_on_every_input_its_label_and_where_one_ends() {
    let key = |inputs: &[(&str, &str)]| {
        inputs.iter().fold(Key::new(), |key, (label, value)| key.with(label, value)).hex()
    };
    let base = key(&[("go.mod", "a"), ("flags", "b")]);
    assert_eq!(base, key(&[("go.mod", "a"), ("flags", "b")]));
    assert_eq!(base.len(), 64);
    for other in [
        &[("go.mod", "a"), ("flags", "c")][..],
        &[("go.sum", "a"), ("flags", "b")],
        &[("go.mod", "ab"), ("flags", "")],
        &[("go.mod", "a")],
        &[("go.mod", "a"), ("flags", "b"), ("", "")],
    ] {
        assert_ne!(base, key(other), "{other:?}");
    }
}

#[test]
fn an_entry_is_built_once() {
    let (_folder, cache) = cache();
    let builds = AtomicUsize::new(0);
    let key = Key::new().with("a", "1");
    let build = |folder: &Path| {
        builds.fetch_add(1, Ordering::SeqCst);
        write_part(folder)
    };
    let first = cache.entry("etcd", &key, KEEP_PROGRAMS, &Progress::silent(), build).unwrap();
    let second = cache.entry("etcd", &key, KEEP_PROGRAMS, &Progress::silent(), build).unwrap();
    assert_eq!(first, second);
    assert_eq!(fs::read_to_string(first.join("part")).unwrap(), "x");
    assert_eq!(builds.load(Ordering::SeqCst), 1);
}

#[test]
fn two_runs_at_once_build_once() {
    let (_folder, cache) = cache();
    let builds = AtomicUsize::new(0);
    let key = Key::new().with("a", "1");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                cache
                    .entry("etcd", &key, KEEP_PROGRAMS, &Progress::silent(), |folder| {
                        builds.fetch_add(1, Ordering::SeqCst);
                        write_part(folder)
                    })
                    .unwrap();
            });
        }
    });
    assert_eq!(builds.load(Ordering::SeqCst), 1);
}

#[test]
fn a_failed_build_leaves_no_entry_and_no_partial_folder() {
    let (_folder, cache) = cache();
    let key = Key::new();
    let result = cache.entry("etcd", &key, KEEP_PROGRAMS, &Progress::silent(), |folder| {
        write_part(folder)?;
        Err(CacheError::NoHome)
    });
    assert!(matches!(result, Err(CacheError::NoHome)));
    assert_eq!(cache.find("etcd", &key), None);
    assert!(!cache.root.join(".etcd.partial").exists());
    cache.entry("etcd", &key, KEEP_PROGRAMS, &Progress::silent(), write_part).unwrap();
}

#[test]
fn remains_of_a_killed_build_do_not_get_into_the_next() {
    let (_folder, cache) = cache();
    let partial = cache.root.join(".etcd.partial");
    fs::create_dir(&partial).unwrap();
    fs::write(partial.join("half"), "").unwrap();
    let entry = cache.entry("etcd", &Key::new(), KEEP_PROGRAMS, &Progress::silent(), write_part).unwrap();
    assert!(entry.join("part").exists());
    assert!(!entry.join("half").exists());
}

#[test]
fn only_entries_of_the_same_name_that_were_long_unused_are_removed() {
    let (_folder, cache) = cache();
    let entry = |name: &str, input: &str| {
        cache
            .entry(name, &Key::new().with("", input), KEEP_PROGRAMS, &Progress::silent(), write_part)
            .unwrap()
    };
    let age = |path: &Path| File::open(path).unwrap().set_modified(now() - KEEP_PROGRAMS * 2).unwrap();
    let old = entry("csi", "old");
    let recent = entry("csi", "recent");
    let other = entry("csi-driver", "old");
    age(&old);
    age(&other);
    let scratch = cache.root.join(format!("{SCRATCH}killed"));
    fs::create_dir(&scratch).unwrap();
    age(&scratch);
    let working = cache.scratch().unwrap();
    let new = entry("csi", "new");
    assert!(!old.exists() && !scratch.exists());
    assert!(working.path().exists());
    assert!(recent.exists() && other.exists() && new.exists());
}

#[test]
fn using_an_entry_makes_it_young() {
    let (_folder, cache) = cache();
    let key = Key::new();
    let path = cache.entry("csi", &key, KEEP_PROGRAMS, &Progress::silent(), write_part).unwrap();
    File::open(&path).unwrap().set_modified(now() - KEEP_PROGRAMS * 2).unwrap();
    cache.find("csi", &key).unwrap();
    let age = now().duration_since(fs::metadata(&path).unwrap().modified().unwrap()).unwrap_or_default();
    assert!(age < KEEP_PROGRAMS);
}
