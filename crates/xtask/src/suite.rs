//! The suites behind `make check` and `make test`, in the order that finds a mistake soonest.

use crate::{run, tidy};
use anyhow::Result;

/// Everything that needs no cluster.
pub(crate) fn check() -> Result<()> {
    run::shown(run::cargo(&["fmt", "--all", "--check"]))?;
    run::shown(run::cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))?;
    let mut doc = run::cargo(&["doc", "--workspace", "--no-deps", "--locked", "--quiet"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    run::shown(doc)?;
    tidy::run()?;
    run::shown(run::cargo(&[
        "test",
        "--workspace",
        "--locked",
        "--exclude",
        "berth-e2e",
        "--exclude",
        "berth-e2e-kubernetes",
    ]))
}

/// Every test.
pub(crate) fn test() -> Result<()> {
    check()
}
