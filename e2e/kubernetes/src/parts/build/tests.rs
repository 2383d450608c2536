//! The key of a component follows its sources and flags, and nothing else.

use super::*;

fn module() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("go.mod", "module x"),
        ("go.sum", ""),
        ("main.go", "package main"),
        ("main_test.go", "package main"),
        ("README.md", ""),
    ] {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

fn key_of(folder: &Path, arguments: &[&str], compiler: &str) -> String {
    let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
    key(folder, &arguments, &Component::Etcd.recipe(), compiler).unwrap().hex()
}

#[test]
fn sources_are_the_module_files_and_the_go_files_without_tests() {
    let module = module();
    fs::create_dir(module.path().join("volume")).unwrap();
    fs::write(module.path().join("volume/volume.go"), "package volume").unwrap();
    let files: Vec<_> = sources_of(module.path())
        .unwrap()
        .iter()
        .map(|file| file.strip_prefix(module.path()).unwrap().display().to_string())
        .collect();
    assert_eq!(files, ["go.mod", "go.sum", "main.go", "volume/volume.go"]);
}

#[test]
fn the_key_changes_with_a_source_the_flags_or_the_compiler() {
    let module = module();
    let base = key_of(module.path(), &["build"], "go1.26");
    assert_eq!(base, key_of(module.path(), &["build"], "go1.26"));
    assert_ne!(base, key_of(module.path(), &["build", "-race"], "go1.26"));
    assert_ne!(base, key_of(module.path(), &["build"], "go1.27"));
    for file in ["go.mod", "go.sum", "main.go"] {
        let before = key_of(module.path(), &["build"], "go1.26");
        let path = module.path().join(file);
        fs::write(&path, [fs::read(&path).unwrap(), b"\n// changed".to_vec()].concat()).unwrap();
        assert_ne!(before, key_of(module.path(), &["build"], "go1.26"), "{file}");
    }
}

#[test]
fn a_renamed_source_changes_the_key_and_a_test_does_not() {
    let module = module();
    let base = key_of(module.path(), &["build"], "go1.26");
    fs::write(module.path().join("main_test.go"), "package main // more").unwrap();
    assert_eq!(base, key_of(module.path(), &["build"], "go1.26"));
    fs::rename(module.path().join("main.go"), module.path().join("start.go")).unwrap();
    assert_ne!(base, key_of(module.path(), &["build"], "go1.26"));
}

#[test]
fn every_component_shares_the_flags_that_make_binaries_small_and_reproducible() {
    for component in Component::ALL {
        let arguments = arguments(&component.recipe());
        assert!(arguments.contains(&"-trimpath".to_owned()), "{component:?}");
        assert!(arguments.iter().any(|argument| argument.starts_with("-ldflags=-s -w")), "{component:?}");
    }
}

#[test]
fn every_link_leads_to_a_binary_of_its_component() {
    for component in Component::ALL {
        let recipe = component.recipe();
        let binaries: Vec<_> = recipe
            .packages
            .iter()
            .map(|package| match *package {
                "." => recipe.name,
                package => package.rsplit('/').next().unwrap(),
            })
            .collect();
        for (link, binary) in recipe.links {
            assert!(binaries.contains(binary), "{component:?}: {link} leads to {binary}");
        }
    }
}
