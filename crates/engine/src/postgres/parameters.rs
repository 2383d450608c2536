//! The user's settings: judged by PostgreSQL itself before they reach the server, so that none keeps it from starting.
//!
//! `postgres -C` reads the configuration as a start does and ends. Before a start it also loads the preloaded libraries and
//! computes the shared memory, so that a missing library and a memory that the pod does not have are found too. All settings
//! together first; only when that fails each alone, to say which. The verdict is kept beside the file, because a start should
//! not ask again what has not changed.

use super::place::{PostgresPlace, text};
use super::{files, program, settings};
use crate::EngineError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::process::Command;

/// The verdict's file.
const VERDICT: &str = "parameters.json";
/// A check takes tens of milliseconds.
const CHECK: Duration = Duration::from_secs(30);
/// Where a container sees its own limit of memory.
const MEMORY_LIMIT: &str = "/sys/fs/cgroup/memory.max";

/// What PostgreSQL said of a set of settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Verdict {
    /// The settings that it was asked about.
    asked: BTreeMap<String, String>,
    /// Whether a start was tried in all but name.
    thorough: bool,
    /// Those that are in the file.
    pub(super) accepted: BTreeMap<String, String>,
    /// The others, each with the reason.
    pub(super) refused: BTreeMap<String, String>,
}

/// How far a check goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// The server is about to start.
    Start,
    /// The server runs; what needs a start is judged at the next one.
    Reload,
}

/// Judges the settings and puts the accepted ones into the file.
pub(super) async fn settle(
    place: &PostgresPlace,
    asked: &BTreeMap<String, String>,
    depth: Depth,
) -> Result<Verdict, EngineError> {
    let path = place.config_file(VERDICT);
    let known: Verdict =
        files::read(&path)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let sufficient = known.asked == *asked && (known.thorough || depth == Depth::Reload);
    let verdict = if sufficient { known } else { judge(place, asked, &known, depth).await? };
    let file = settings::render_parameters(&verdict.accepted);
    files::update(&place.config_file(settings::PARAMETERS), file.as_bytes())?;
    let text =
        serde_json::to_vec(&verdict).map_err(|error| files::failed("rendering", &path)(error.into()))?;
    files::update(&path, &text)?;
    Ok(verdict)
}

async fn judge(
    place: &PostgresPlace,
    asked: &BTreeMap<String, String>,
    known: &Verdict,
    depth: Depth,
) -> Result<Verdict, EngineError> {
    let mut refused = BTreeMap::new();
    let mut left = BTreeMap::new();
    for (name, value) in asked {
        match settings::refusal(name, value) {
            Some(reason) => drop(refused.insert(name.clone(), reason)),
            None => drop(left.insert(name.clone(), value.clone())),
        }
    }
    let Err(reason) = try_out(place, &left, depth).await else {
        return Ok(Verdict {
            asked: asked.clone(),
            thorough: depth == Depth::Start,
            accepted: left,
            refused,
        });
    };
    // What fails without any of them is not their fault.
    if try_out(place, &BTreeMap::new(), depth).await.is_err() {
        return Err(EngineError::Step { step: "a trial of the server's start".to_owned(), reason });
    }
    let mut alone = BTreeMap::new();
    for (name, value) in left {
        let one = BTreeMap::from([(name.clone(), value.clone())]);
        match try_out(place, &one, depth).await {
            Ok(()) => drop(alone.insert(name, value)),
            Err(reason) => drop(refused.insert(name, reason)),
        }
    }
    left = alone;
    // Each is good and together they are not: what was good before stays, and the new is refused as a whole.
    if let Err(reason) = try_out(place, &left, depth).await {
        let old: BTreeMap<_, _> =
            known.accepted.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let kept = if try_out(place, &old, depth).await.is_ok() { old } else { BTreeMap::new() };
        for (name, value) in left {
            if kept.get(&name) != Some(&value) {
                refused.insert(name, reason.clone());
            }
        }
        left = kept;
    }
    Ok(Verdict { asked: asked.clone(), thorough: depth == Depth::Start, accepted: left, refused })
}

/// Asks PostgreSQL about a set of settings; its words, if it does not take them.
async fn try_out(
    place: &PostgresPlace,
    parameters: &BTreeMap<String, String>,
    depth: Depth,
) -> Result<(), String> {
    let base = files::read(&place.config_file(settings::SERVER)).ok().flatten().unwrap_or_default();
    // The same file, in the same folder, with a trial in place of the user's settings.
    let include = format!("include '{}'", settings::PARAMETERS);
    let trial = place.config_file("trial-parameters.conf");
    let file = place.config_file("trial.conf");
    let base = base.replace(&include, &format!("include '{}'", text(&trial)));
    files::write(&trial, settings::render_parameters(parameters).as_bytes())
        .map_err(|error| error.to_string())?;
    files::write(&file, base.as_bytes()).map_err(|error| error.to_string())?;
    let mut command = Command::new(place.program("postgres"));
    command.arg("-D").arg(place.pgdata()).arg("-c").arg(format!("config_file={}", text(&file)));
    // The words of a refusal are read by people.
    command.args(["-c", "log_line_prefix=", "-C"]);
    command.arg(match depth {
        Depth::Start => "shared_memory_size",
        Depth::Reload => "data_directory",
    });
    let said = program::run(&mut command, "checking the settings", CHECK).await;
    match said {
        Ok(megabytes) if depth == Depth::Start => enough_memory(megabytes.trim()),
        Ok(_) => Ok(()),
        Err(EngineError::Step { reason, .. }) => Err(words(&reason)),
        Err(error @ (EngineError::NotAnswering(_) | EngineError::Volume(_))) => Err(error.to_string()),
    }
}

/// Whether the pod has the shared memory that PostgreSQL would take.
fn enough_memory(megabytes: &str) -> Result<(), String> {
    let Ok(wanted) = megabytes.parse::<u64>() else { return Ok(()) };
    let limit = std::fs::read_to_string(MEMORY_LIMIT).ok().and_then(|text| text.trim().parse::<u64>().ok());
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        text.lines()
            .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok())
    });
    let machine = machine.map(|kilobytes| kilobytes.saturating_mul(1024));
    match limit.into_iter().chain(machine).min() {
        Some(have) if wanted.saturating_mul(1_048_576) > have => Err(format!(
            "the server would need {wanted} MB of shared memory, and the pod has {} MB",
            have / 1_048_576
        )),
        Some(_) | None => Ok(()),
    }
}

/// The part of PostgreSQL's words that names the fault.
fn words(reason: &str) -> String {
    let parts: Vec<&str> = reason
        .split("; ")
        .filter(|part| !part.contains("configuration file") && !part.starts_with("WARNING"))
        .map(|part| {
            part.trim_start_matches("LOG:").trim_start_matches("FATAL:").trim_start_matches("HINT:").trim()
        })
        .collect();
    let text = parts.join("; ");
    let text = text.rsplit_once(" (exit status").map_or(text.as_str(), |(text, _)| text);
    if text.is_empty() { reason.to_owned() } else { text.to_owned() }
}
