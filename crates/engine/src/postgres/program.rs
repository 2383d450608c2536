//! Running one of PostgreSQL's programs to its end.

use crate::EngineError;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::process::Command;

/// Lines of a failed program's words that go into an error: its last ones say why.
const LAST_LINES: usize = 6;

/// Runs a program and returns its stdout. It is killed at the deadline, and when this future is dropped.
pub(super) async fn run(command: &mut Command, step: &str, limit: Duration) -> Result<String, EngineError> {
    Ok(String::from_utf8_lossy(&output(command, step, limit).await?.stdout).into_owned())
}

/// Runs a program that says on stderr what came of it, and returns that.
pub(super) async fn words(command: &mut Command, step: &str, limit: Duration) -> Result<String, EngineError> {
    Ok(String::from_utf8_lossy(&output(command, step, limit).await?.stderr).into_owned())
}

async fn output(command: &mut Command, step: &str, limit: Duration) -> Result<Output, EngineError> {
    let failed = |reason: String| EngineError::Step { step: step.to_owned(), reason };
    let program = command.as_std().get_program().to_owned();
    // Messages are read by programs and by people who search for them: always in English.
    command.env("LC_ALL", "C").stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(limit, command.output())
        .await
        .map_err(|_| failed(format!("{} did not end within {limit:?}", Path::new(&program).display())))?
        .map_err(|error| failed(format!("{} cannot be run: {error}", Path::new(&program).display())))?;
    if output.status.success() { Ok(output) } else { Err(failed(why(&output))) }
}

/// What a failed program said last.
pub(super) fn why(output: &Output) -> String {
    let words = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default();
    format!("{} ({})", last.join("; "), output.status)
}
