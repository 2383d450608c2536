//! Files that are made from the types: the definitions in `crds/` and the reference of the API in `docs/api.md`.
//!
//! They are committed, so that people can read and apply them without building anything; `--check` says when they are old.

mod reference;

use crate::run;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// How to treat what is there.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail if a file is not what it would be made into.
    #[arg(long)]
    check: bool,
}

impl Arguments {
    /// What `--check` says.
    pub(crate) fn check() -> Self {
        Self { check: true }
    }
}

/// The first line of each generated file.
const HEAD: &str = "Made by `cargo xtask generate` from crates/api; edit that instead.";

/// Makes every file, or says which are old.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let root = run::root();
    let files = files()?;
    let mut old: Vec<String> = Vec::new();
    for (name, content) in &files {
        let path = root.join(name);
        if fs::read_to_string(&path).is_ok_and(|there| there == *content) {
            continue;
        }
        if !arguments.check {
            fs::create_dir_all(path.parent().unwrap_or(&root))
                .and_then(|()| fs::write(&path, content))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        old.push(name.clone());
    }
    let strangers = strangers(&root.join("crds"), &files)?;
    if arguments.check && !(old.is_empty() && strangers.is_empty()) {
        bail!("not as the types say: {}; run: cargo xtask generate", [old, strangers].concat().join(", "));
    }
    for name in strangers {
        fs::remove_file(root.join(&name)).with_context(|| format!("cannot remove {name}"))?;
    }
    run::say(&format!("generate: {} files, {} written", files.len(), old.len()));
    Ok(())
}

/// Every generated file, by its path from the root.
fn files() -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let mut kinds = Vec::new();
    for definition in berth_api::definitions() {
        let name = format!("crds/{}_{}.yaml", definition.spec.group, definition.spec.names.plural);
        let value = serde_json::to_value(&definition).context("cannot write a definition as JSON")?;
        let yaml = serde_saphyr::to_string(&value).with_context(|| format!("cannot write {name} as YAML"))?;
        files.insert(name, format!("# {HEAD}\n---\n{}\n", yaml.trim_end()));
        kinds.push(value);
    }
    files.insert("docs/api.md".to_owned(), reference::page(HEAD, &kinds));
    Ok(files)
}

/// Files in the folder that no type makes any more.
fn strangers(folder: &Path, files: &BTreeMap<String, String>) -> Result<Vec<String>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut strangers = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
        let name = format!("crds/{}", entry.file_name().to_string_lossy());
        if name.starts_with("crds/berth.dev_") && !files.contains_key(&name) {
            strangers.push(name);
        }
    }
    Ok(strangers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_read_back_as_they_were_written() {
        let files = files().unwrap();
        for definition in berth_api::definitions() {
            let name = format!("crds/{}_{}.yaml", definition.spec.group, definition.spec.names.plural);
            let read: serde_json::Value = serde_saphyr::from_str(&files[&name]).unwrap();
            assert_eq!(read, serde_json::to_value(&definition).unwrap(), "{name}");
        }
    }

    #[test]
    fn the_reference_tells_of_every_field_of_a_spec() {
        let page = &files().unwrap()["docs/api.md"];
        for field in [
            "spec.engine.postgres.parameters",
            "spec.durability.acks",
            "spec.bounds.maxSize",
            "status.blocked[].unblock",
        ] {
            assert!(page.contains(&format!("`{field}`")), "{field}");
        }
    }
}
