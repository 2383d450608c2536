//! Running other programs so that a person can follow: each command is shown as it would be typed, with the time it took.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    // The manifest of xtask is at crates/xtask, and cargo tells it at build time.
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).map_or_else(|| manifest.clone(), PathBuf::from)
}

/// A command to run in the workspace's root.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// `cargo` with these arguments, with the toolchain that runs this task.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    command("cargo", arguments)
}

/// Says something to the person at the terminal. Standard error keeps the order with what programs print there.
#[expect(clippy::print_stderr, reason = "tasks speak to people; their output is not data")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// A task of this program, for a process of its own: one that has a cluster in its environment.
pub(crate) fn itself(task: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("this program has no path")?);
    command.arg(task);
    Ok(command)
}

/// Runs a command to its end, showing it first; an exit code other than 0 is an error that names the command.
pub(crate) fn shown(mut command: Command) -> Result<()> {
    let line = line_of(&command);
    say(&format!("\n$ {line}"));
    let began = Instant::now();
    let status = command.status().with_context(|| format!("cannot start: {line}"))?;
    if !status.success() {
        bail!("failed after {:.0?} with {status}: {line}", began.elapsed());
    }
    say(&format!("  ({:.1} s)", began.elapsed().as_secs_f64()));
    Ok(())
}

/// Runs a command and returns what it printed on standard output.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let line = line_of(&command);
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start: {line}"))?;
    if !output.status.success() {
        bail!("failed with {}: {line}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("not UTF-8: the output of {line}"))
}

/// A command as a person would type it.
pub(crate) fn line_of(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| {
            let word = word.to_string_lossy();
            if word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c)) && !word.is_empty()
            {
                word.into_owned()
            } else {
                format!("'{}'", word.replace('\'', "'\\''"))
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_command_can_be_pasted_into_a_shell() {
        let mut command = Command::new("psql");
        command.args(["-c", "select 'a'", "host=x"]);
        assert_eq!(line_of(&command), r"psql -c 'select '\''a'\''' host=x");
    }
}
