//! Programs that work on the data and that nobody waits for any more.
//!
//! A rewind, and the server that it may start for a moment, are children of the agent. They outlive it if it is killed, and the next
//! agent must not start anything beside them: the lock that PostgreSQL itself holds is a file that is removed as a dead server's.

use super::place::{PostgresPlace, text};
use crate::EngineError;
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What works in the data folder, which is its working directory.
const SERVER: &str = "postgres";
/// What works there too, and never but for an agent.
const REWIND: &str = "pg_rewind";
/// How long a killed process may take to be gone: longer only if its disk does not answer.
const DEATH: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The folder of the socket of a server that a rewind starts; by it one that was left behind is told from any other.
pub(super) fn sockets(place: &PostgresPlace) -> PathBuf {
    place.run.join("rewind")
}

/// Kills them, and returns when nothing works on the data. A server that somebody answers for is not touched, and is an error.
pub(super) async fn end(place: &PostgresPlace) -> Result<(), EngineError> {
    // Without the folder nothing is in it.
    let Ok(data) = place.pgdata().canonicalize() else { return Ok(()) };
    let own = text(&sockets(place));
    let gone = async {
        loop {
            let found = find(&data, &own);
            if found.is_empty() {
                return;
            }
            for (process, left) in found {
                if left == Left::Behind {
                    let _gone = kill_process(process, Signal::KILL);
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(DEATH, gone).await.map_err(|_| EngineError::Step {
        step: "taking the data over".to_owned(),
        reason: format!("a server still works in {} (waited {DEATH:?})", text(&data)),
    })
}

/// Whose a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// A dead agent's.
    Behind,
    /// Somebody else's; or a child of the former, which ends with it.
    Alone,
}

fn find(data: &Path, own: &str) -> Vec<(Pid, Left)> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let worker = |process: &Path| {
        let program = std::fs::read_link(process.join("exe")).ok()?;
        let program = program.file_name()?.to_string_lossy().into_owned();
        if std::fs::read_link(process.join("cwd")).ok()? != data {
            return None;
        }
        // One whose file was replaced meanwhile is called "(deleted)".
        match program.trim_end_matches(" (deleted)") {
            REWIND => Some(Left::Behind),
            SERVER => {
                let command = std::fs::read(process.join("cmdline")).unwrap_or_default();
                let behind = String::from_utf8_lossy(&command).contains(own);
                Some(if behind { Left::Behind } else { Left::Alone })
            }
            _ => None,
        }
    };
    let found = processes.flatten().filter_map(|entry| {
        let process = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        Some((process, worker(&entry.path())?))
    });
    found.collect()
}
