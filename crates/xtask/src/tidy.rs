//! The rules of the tree that no compiler knows, each in its own file, all reported at once.

mod defects;
mod heads;
mod imports;
mod words;

use crate::run;
use anyhow::{Result, bail};

/// Checks every rule and fails with all that was found, each as `file:line: what to do`.
pub(crate) fn run() -> Result<()> {
    let files = tracked()?;
    let mut found = heads::check(&files)?;
    found.extend(words::check(&files)?);
    found.extend(imports::check()?);
    found.extend(defects::check()?);
    if found.is_empty() {
        run::say(&format!("tidy: {} files, nothing to say", files.len()));
        return Ok(());
    }
    for line in &found {
        run::say(line);
    }
    bail!("tidy found {} things to mend", found.len());
}

/// The files that git tracks or would track, relative to the root, without those deleted on disk.
fn tracked() -> Result<Vec<String>> {
    let list = run::output(run::command("git", &["ls-files", "--cached", "--others", "--exclude-standard"]))?;
    let root = run::root();
    Ok(list.lines().filter(|f| root.join(f).is_file()).map(str::to_owned).collect())
}
