//! Programs that work on the data and that nobody waits for any more.
//!
//! A rewind, and the server that it may start for a moment, are children of the agent. They outlive it if it is killed, and the next
//! agent must not start anything beside them: the lock that PostgreSQL itself holds is a file that is removed as a dead server's.

use super::place::{PostgresPlace, text};
use crate::EngineError;
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::time::Duration;

/// Programs that work in the data folder, which is their working directory.
const PROGRAMS: [&str; 2] = ["postgres", "pg_rewind"];
/// How long a killed process may take to be gone: longer only if its disk does not answer.
const DEATH: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Kills them, and returns when they are gone. Only for when no server is meant to run.
pub(super) async fn end(place: &PostgresPlace) -> Result<(), EngineError> {
    // Without the folder nothing is in it.
    let Ok(data) = place.pgdata().canonicalize() else { return Ok(()) };
    let gone = async {
        loop {
            let found = find(&data);
            if found.is_empty() {
                return;
            }
            for process in found {
                let _gone = kill_process(process, Signal::KILL);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(DEATH, gone).await.map_err(|_| EngineError::Step {
        step: format!("ending what was left at work in {}", text(&data)),
        reason: format!("it is not gone after {DEATH:?}"),
    })
}

fn find(data: &Path) -> Vec<Pid> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let works = |process: &Path| {
        let program = std::fs::read_link(process.join("exe")).ok();
        let program =
            program.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        // A program whose file was replaced meanwhile is called "(deleted)".
        program.is_some_and(|name| PROGRAMS.contains(&name.trim_end_matches(" (deleted)")))
            && std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == data)
    };
    let found = processes.flatten().filter(|entry| works(&entry.path()));
    found.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)).collect()
}
