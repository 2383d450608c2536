//! The processes of the local Kubernetes that are ours: guard, supervisor, and the init of each node.
//!
//! Nobody starts these by hand; `cargo xtask up` and the tests do, through the library. `hold` is the exception: it
//! owns a cluster of one node for as long as its stdin is open, and the tests kill it to see that the cluster goes.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use berth_e2e_kubernetes::{Cluster, Options, Progress, guard, node, supervisor};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // stderr is a log file; when that cannot be written there is no better place.
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let mode = arguments.next().context("a mode is missing: guard, supervise, node-init or hold")?;
    let path = arguments.next().context("a path is missing, or a name for hold")?;
    let path = Path::new(&path);
    match mode.to_str() {
        Some("guard") => guard::run(path)?,
        Some("supervise") => supervisor::run(path)?,
        Some("node-init") => node::run_init(path)?,
        Some("hold") => hold(&path.to_string_lossy())?,
        Some(_) | None => bail!("unknown mode {}; use `cargo xtask up`", mode.to_string_lossy()),
    }
    Ok(())
}

/// Brings up a cluster, prints its kubeconfig, and ends it when stdin ends.
fn hold(name: &str) -> anyhow::Result<()> {
    let progress = Progress::stderr();
    let cluster = Cluster::up(Options { name: name.to_owned(), workers: 1, progress, ..Options::default() })?;
    writeln!(std::io::stdout(), "{}", cluster.kubeconfig().display())?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    cluster.down()?;
    Ok(())
}
