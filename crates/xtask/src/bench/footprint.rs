//! How much memory Berth's own processes take, read from the kernel for the processes that run on this machine.

use super::figures::{Figure, Report};
use anyhow::{Context, Result};
use std::fs;

pub(super) fn measure(report: &mut Report) -> Result<()> {
    for (program, what) in [
        ("berth-operator", "memory of the operator"),
        ("berth-agent", "memory of a member's agent and warden (each)"),
        ("berth-proxy", "memory of a proxy"),
    ] {
        let found = proportional(program)?;
        if !found.is_empty() {
            report.add(&format!("{what}, proportional set size"), Figure::new(found, "MiB"), vec![]);
        }
    }
    Ok(())
}

/// The proportional set size in MiB of each process of this name.
fn proportional(program: &str) -> Result<Vec<f64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("/proc")? {
        let folder = entry.context("/proc")?.path();
        // Processes come and go while the folder is read; what is gone is not counted.
        let Ok(name) = fs::read_to_string(folder.join("comm")) else { continue };
        // The kernel keeps 15 characters of a name.
        if name.trim() != program.get(..15).unwrap_or(program) {
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
