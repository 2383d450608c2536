//! The suites behind `make check` and `make test`, in the order that finds a mistake soonest.

use crate::{chaos, generate, install, run, simulate, tidy};
use anyhow::Result;
use berth_e2e_kubernetes::{Progress, image, packages, parts};
use std::process::Command;

/// Everything that needs no cluster.
pub(crate) fn check() -> Result<()> {
    packages::ensure(&Progress::stderr())?;
    run::shown(run::cargo(&["fmt", "--all", "--check"]))?;
    run::shown(run::cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))?;
    with_defects()?;
    let mut doc = run::cargo(&["doc", "--workspace", "--no-deps", "--locked", "--quiet"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    run::shown(doc)?;
    tidy::run()?;
    generate::run(&generate::Arguments::check())?;
    parts_for_tests()?;
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

/// The decisions with their deliberate defects, which no other build has.
fn with_defects() -> Result<()> {
    run::shown(run::cargo(&[
        "clippy",
        "--package",
        "berth-core",
        "--package",
        "berth-testkit",
        "--package",
        "berth-model",
        "--all-targets",
        "--locked",
        "--features",
        "berth-testkit/defects,berth-model/defects",
        "--",
        "-D",
        "warnings",
    ]))
}

/// Every test: without a cluster, of the local Kubernetes itself, the stories on it, and a short campaign of faults.
pub(crate) fn test() -> Result<()> {
    check()?;
    simulate::campaign()?;
    simulate::gate()?;
    storage_driver()?;
    run::shown(run::cargo(&["test", "--package", "berth-e2e-kubernetes", "--locked"]))?;
    install::on_a_fresh_cluster([stories(), chaos::short()?])
}

/// The stories, one at a time: they stop nodes and etcd under each other otherwise.
fn stories() -> Command {
    let mut stories = run::cargo(&[
        "test",
        "--package",
        "berth-e2e",
        "--locked",
        "--no-fail-fast",
        "--",
        "--test-threads=1",
    ]);
    // A story's error tells what was awaited; the stack below it tells nothing more.
    stories.env("RUST_BACKTRACE", "0");
    stories
}

/// The storage driver of the local Kubernetes is a Go program with tests of its own.
fn storage_driver() -> Result<()> {
    let mut go = run::command("go", &["test", "./..."]);
    go.current_dir(run::root().join("e2e/kubernetes/components/csi-driver")).env("CGO_ENABLED", "0");
    run::shown(go)
}

/// The real etcd and the real PostgreSQL that crate tests start on loopback.
fn parts_for_tests() -> Result<()> {
    let progress = Progress::stderr();
    parts::ensure(&progress)?;
    image::postgres17(&progress)?;
    Ok(())
}
