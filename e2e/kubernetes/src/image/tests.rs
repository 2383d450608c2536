//! What the archive says about itself is true, and equal inputs give equal bytes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::parts::cache::hex;

/// A root filesystem with one of each: folder, file, program, hard link, symbolic link, a long name.
fn rootfs() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    fs::create_dir_all(path("usr/bin")).unwrap();
    fs::write(path("usr/bin/tool"), "#!").unwrap();
    fs::set_permissions(path("usr/bin/tool"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::hard_link(path("usr/bin/tool"), path("usr/bin/zool")).unwrap();
    symlink("usr/bin", path("bin")).unwrap();
    fs::write(path(&format!("usr/{}", "n".repeat(150))), "long").unwrap();
    root
}

fn layer(root: &Path) -> (tempfile::TempDir, Layer) {
    let folder = tempfile::tempdir().unwrap();
    let layer = Layer::from_folder(root, &folder.path().join("layer.tar")).unwrap();
    (folder, layer)
}

/// The files of a tar by name.
fn unpack(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    tar::Archive::new(bytes)
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (name, content)
        })
        .collect()
}

fn written(config: &Config, layers: &[&Layer]) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.tar");
    archive::write(&path, BERTH, config, layers).unwrap();
    unpack(&fs::read(path).unwrap())
}

#[test]
fn the_manifest_leads_to_a_configuration_whose_diff_ids_are_the_layers_checksums() {
    let root = rootfs();
    let (_a, lower) = layer(root.path());
    fs::write(root.path().join("more"), "more").unwrap();
    let (_b, upper) = layer(root.path());
    let files = written(&Config::default(), &[&lower, &upper]);

    let manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    assert_eq!(manifest[0]["RepoTags"], serde_json::json!([BERTH]));
    let config_name = manifest[0]["Config"].as_str().unwrap();
    assert_eq!(config_name, format!("{}.json", hex(&Sha256::digest(&files[config_name]))));
    let config: Value = serde_json::from_slice(&files[config_name]).unwrap();
    let layers = manifest[0]["Layers"].as_array().unwrap();
    let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap();
    assert_eq!((layers.len(), diff_ids.len()), (2, 2));
    for (layer, diff_id) in layers.iter().zip(diff_ids) {
        let content = &files[layer.as_str().unwrap()];
        assert_eq!(diff_id.as_str().unwrap(), format!("sha256:{}", hex(&Sha256::digest(content))));
    }
}

#[test]
fn a_layer_keeps_modes_links_and_long_names() {
    let root = rootfs();
    let (_folder, layer) = layer(root.path());
    let mut tar = tar::Archive::new(File::open(&layer.tar).unwrap());
    let mut seen = BTreeMap::new();
    for entry in tar.entries().unwrap() {
        let entry = entry.unwrap();
        let link = entry.link_name().unwrap().map(|path| path.display().to_string());
        let header = entry.header();
        seen.insert(
            entry.path().unwrap().display().to_string(),
            (header.entry_type(), header.mode().unwrap(), link),
        );
    }
    assert_eq!(seen["usr/bin/tool"], (tar::EntryType::Regular, 0o4755, None));
    assert_eq!(seen["usr/bin/zool"].0, tar::EntryType::Link);
    assert_eq!(seen["usr/bin/zool"].2.as_deref(), Some("usr/bin/tool"));
    assert_eq!(seen["bin"].2.as_deref(), Some("usr/bin"));
    assert_eq!(seen["usr/"].0, tar::EntryType::Directory);
    assert!(seen.contains_key(&format!("usr/{}", "n".repeat(150))));
}

#[test]
fn equal_folders_give_equal_layers_and_other_content_does_not() {
    let (root, twin) = (rootfs(), rootfs());
    let (_a, first) = layer(root.path());
    let (_b, second) = layer(twin.path());
    assert_eq!(first.digest, second.digest);
    assert_eq!(fs::read(&first.tar).unwrap(), fs::read(&second.tar).unwrap());
    fs::write(twin.path().join("usr/bin/tool"), "#?").unwrap();
    assert_ne!(first.digest, layer(twin.path()).1.digest);
}

#[test]
fn single_files_are_executable_root_s_and_packed_once() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("built");
    fs::write(&program, "elf").unwrap();
    let also = folder.path().join("also");
    symlink("built", &also).unwrap();
    let files = [(PathBuf::from("usr/local/bin/b"), also), (PathBuf::from("usr/local/bin/a"), program)];
    let layer = Layer::from_files(&files, &folder.path().join("layer.tar")).unwrap();
    let mut tar = tar::Archive::new(File::open(&layer.tar).unwrap());
    let mut seen = Vec::new();
    for entry in tar.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap()), (0o755, 0, 0));
        let link = entry.link_name().unwrap().map(|path| path.display().to_string());
        seen.push((entry.path().unwrap().display().to_string(), header.size().unwrap(), link));
    }
    let (a, b) = ("usr/local/bin/a".to_owned(), "usr/local/bin/b".to_owned());
    assert_eq!(seen, [(a.clone(), 3, None), (b, 0, Some(a))]);
}

#[test]
fn a_socket_in_the_root_filesystem_is_named_in_the_error() {
    let root = rootfs();
    let elsewhere = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.path().join("usr/socket")).unwrap();
    let error = Layer::from_folder(root.path(), &elsewhere.path().join("layer.tar")).unwrap_err();
    assert!(error.to_string().contains("usr/socket"), "{error}");
}

#[test]
fn the_configuration_says_what_was_asked_and_leaves_out_what_was_not() {
    let config = Config {
        user: "999:999".to_owned(),
        command: vec!["postgres".to_owned()],
        labels: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        ..Config::default()
    };
    let json: Value = serde_json::from_str(&archive::config_json(&config, &[])).unwrap();
    assert_eq!(
        json["config"],
        serde_json::json!({
            "User": "999:999",
            "Cmd": ["postgres"],
            "Labels": { "a": "b" },
            "Env": [format!("PATH={DEFAULT_PATH}")],
        })
    );
}

#[test]
fn an_image_is_made_once_and_anew_when_its_configuration_changes() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path().join("k8s")).unwrap();
    let root = rootfs();
    let (_layer, layer) = layer(root.path());
    let image = |user: &str| {
        let config = Config { user: user.to_owned(), ..Config::default() };
        assemble(&cache, BERTH, &config, &[&layer]).unwrap()
    };
    assert_eq!(image("1"), image("1"));
    assert_ne!(image("1").archive, image("2").archive);
    assert!(image("2").archive.is_file());
}

#[test]
fn only_full_names_are_taken() {
    for name in [PAUSE, POSTGRES_17, BERTH, ETCD, "localhost:5000/a/b:c"] {
        assert!(check_name(name).is_ok(), "{name}");
    }
    for name in
        ["postgres", "postgres:17", "library/postgres:17", "berth.dev/berth", "berth.dev/Berth:dev", ""]
    {
        assert!(check_name(name).is_err(), "{name}");
    }
}

#[test]
fn programs_that_cannot_run_are_removed_and_others_stay() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    for folder in ["usr/bin", "usr/sbin", "usr/lib/tools"] {
        fs::create_dir_all(path(folder)).unwrap();
    }
    fs::write(path("usr/lib/tools/real"), "\x7fELF").unwrap();
    fs::write(path("usr/bin/script"), "#!/usr/bin/perl -w\n").unwrap();
    fs::write(path("usr/bin/shell"), "#!/bin/sh\n# perl\n").unwrap();
    symlink("/usr/lib/tools/real", path("usr/bin/absolute")).unwrap();
    symlink("../lib/tools/real", path("usr/bin/relative")).unwrap();
    symlink("../lib/tools/gone", path("usr/sbin/dangling")).unwrap();
    debian::remove_broken_programs(root.path(), "perl").unwrap();
    let left: Vec<_> =
        ["usr/bin", "usr/sbin"].iter().flat_map(|folder| debian::list(&path(folder)).unwrap()).collect();
    let left: Vec<_> = left.iter().map(|entry| entry.file_name().into_string().unwrap()).collect();
    assert_eq!(left, ["absolute", "relative", "shell"]);
}
