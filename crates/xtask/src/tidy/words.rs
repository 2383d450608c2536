//! Words that must not stand in the tree: left-overs, and names of the places a maker of Berth happened to work at.

use crate::run;
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

/// What is not allowed, and what to do instead. Written in pieces, so that this file does not find itself.
fn rules() -> Vec<(String, &'static str)> {
    [
        (["to", "do!("], "finish it or leave it out"),
        (["unimple", "mented!("], "finish it or leave it out"),
        (["FIX", "ME"], "mend it or file it"),
        (["#[ig", "nore"], "a test that does not run is no test"),
        (["crates.io", "/api"], "name packages, never a registry's hosts"),
        (["static.", "crates.io"], "name packages, never a registry's hosts"),
        (["index.", "crates.io"], "name packages, never a registry's hosts"),
        (["proxy.", "golang.org"], "name packages, never a registry's hosts"),
        (["deb.", "debian.org"], "name packages, never a registry's hosts"),
        (["pypi", ".org"], "name packages, never a registry's hosts"),
    ]
    .into_iter()
    .map(|(pieces, instead)| (pieces.concat(), instead))
    .collect()
}

pub(super) fn check(files: &[String]) -> Result<Vec<String>> {
    let rules = rules();
    let mut found = Vec::new();
    for file in files.iter().filter(|f| reads(f)) {
        let bytes = fs::read(run::root().join(file)).with_context(|| format!("cannot read {file}"))?;
        let Ok(text) = String::from_utf8(bytes) else { continue };
        for (number, line) in text.lines().enumerate() {
            for (word, instead) in &rules {
                if line.contains(word) {
                    found.push(format!("{file}:{}: {word:?} does not belong here: {instead}", number + 1));
                }
            }
        }
    }
    Ok(found)
}

/// Lock files name their registries by design.
fn reads(file: &str) -> bool {
    let extension = Path::new(file).extension().and_then(OsStr::to_str);
    !matches!(extension, Some("lock" | "sum" | "png"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_file_keeps_its_own_rules() {
        let this = include_str!("words.rs");
        assert!(rules().iter().all(|(word, _)| !this.contains(word.as_str())));
    }
}
