//! The processes of the local Kubernetes that are ours: guard, supervisor, and the init of each node.
//!
//! Nobody starts this program by hand; `cargo xtask up` and the tests do, through the library.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use berth_e2e_kubernetes::{guard, node, supervisor};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            // stderr is a log file; when that cannot be written there is no better place.
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let mode = arguments.next().context("a mode is missing: guard, supervise or node-init")?;
    let path = arguments.next().context("a path is missing")?;
    let path = Path::new(&path);
    match mode.to_str() {
        Some("guard") => guard::run(path)?,
        Some("supervise") => supervisor::run(path)?,
        Some("node-init") => node::run_init(path)?,
        Some(_) | None => bail!("unknown mode {}; use `cargo xtask up`", mode.to_string_lossy()),
    }
    Ok(())
}
