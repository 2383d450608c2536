//! Every Rust file says what it is before anything else, stays small, and is not called `mod.rs`.

use crate::run;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// The wall: a file with more production lines is two files.
const MOST_LINES: usize = 600;
/// Tests longer than this move to a file of their own.
const MOST_INLINE_TEST_LINES: usize = 200;

pub(super) fn check(files: &[String]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for file in files.iter().filter(|f| Path::new(f).extension().is_some_and(|e| e == "rs")) {
        let text =
            fs::read_to_string(run::root().join(file)).with_context(|| format!("cannot read {file}"))?;
        found.extend(check_one(file, &text));
    }
    Ok(found)
}

fn check_one(file: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//!") {
        found.push(format!(
            "{file}:1: open with `//!`: what it is, why, and what it deliberately does not do"
        ));
    }
    if file.ends_with("/mod.rs") {
        found.push(format!("{file}:1: write foo.rs beside foo/ instead of foo/mod.rs"));
    }
    let is_test = file.ends_with("tests.rs") || file.contains("/tests/");
    let total = text.lines().count();
    let production = text.lines().position(|l| l.trim_end() == "#[cfg(test)]").unwrap_or(total);
    if !is_test && production > MOST_LINES {
        found.push(format!(
            "{file}:{production}: {production} production lines; the wall is {MOST_LINES}: what is it two of?"
        ));
    }
    if !is_test && total - production > MOST_INLINE_TEST_LINES {
        found.push(format!(
            "{file}:{production}: {} lines of tests; move them to a tests.rs of their own",
            total - production
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_is_found() {
        assert!(check_one("a/b.rs", "//! Says it.\nfn f() {}\n").is_empty());
        assert_eq!(check_one("a/b.rs", "fn f() {}\n").len(), 1);
        assert_eq!(check_one("a/mod.rs", "//! x\n").len(), 1);
        let long = format!("//! x\n{}", "fn f() {}\n".repeat(MOST_LINES));
        assert_eq!(check_one("a/b.rs", &long).len(), 1);
        assert!(check_one("a/tests.rs", &long).is_empty());
        let tests = format!("//! x\n#[cfg(test)]\n{}", "fn f() {}\n".repeat(MOST_INLINE_TEST_LINES));
        assert_eq!(check_one("a/b.rs", &tests).len(), 1);
    }
}
