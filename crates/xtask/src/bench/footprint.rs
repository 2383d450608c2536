//! How much memory Berth's own processes take, read from the kernel for the processes that run on this machine.

use super::figures::{Figure, Report};
use anyhow::{Context, Result};
use berth_e2e::Place;
use berth_e2e::database::Database;
use std::fs;

pub(super) fn measure(report: &mut Report) -> Result<()> {
    let place = Place::new("bench-memory")?;
    Database::create(&place, "orders", 3)?.wait_ready()?;
    for (program, what) in [
        ("berth-operator", "memory of the operator"),
        ("berth-agent", "memory of a member's agent or warden (two processes a member)"),
        ("berth-proxy", "memory of a proxy"),
    ] {
        let found = proportional(program)?;
        if !found.is_empty() {
            report.add(&format!("{what}, proportional set size"), Figure::new(found, "MiB"), vec![]);
        }
    }
    Ok(())
}

/// The proportional set size in MiB of each process of this program.
fn proportional(program: &str) -> Result<Vec<f64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("/proc")? {
        let folder = entry.context("/proc")?.path();
        // Processes come and go while the folder is read; what is gone is not counted.
        // By its program, because an agent that the warden starts carries another name.
        let Ok(path) = fs::read_link(folder.join("exe")) else { continue };
        if path.file_name().is_none_or(|name| name != program) {
            continue;
        }
        let Ok(rollup) = fs::read_to_string(folder.join("smaps_rollup")) else { continue };
        let pss =
            rollup.lines().find_map(|l| l.strip_prefix("Pss:")).and_then(|l| l.trim().strip_suffix(" kB"));
        let kibibytes: f64 =
            pss.context("smaps_rollup tells no Pss")?.trim().parse().context("Pss is no number")?;
        found.push(kibibytes / 1024.0);
    }
    Ok(found)
}
