//! However a cluster ends, nothing of it is left: its owner is killed, its guard is killed, its bring-up is cut short.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use berth_e2e_kubernetes::{Cluster, Layout, Options, Progress};
use support::{eventually, nothing_is_left, remains};

const SOON: Duration = Duration::from_mins(1);

/// A process of its own that owns a cluster.
fn owner(name: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_berth-kubernetes"))
        .args(["hold", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until the owner says that its cluster is up.
fn await_up(owner: &mut Child) {
    let mut line = String::new();
    BufReader::new(owner.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("kubeconfig"), "the owner said {line:?} instead of its kubeconfig");
}

#[test]
fn a_killed_owner_takes_its_cluster_along() {
    let layout = Layout::of("test-owner").unwrap();
    let mut owner = owner("test-owner");
    await_up(&mut owner);
    assert!(
        !remains(layout.root()).is_empty(),
        "a running cluster must be seen, or this test sees nothing at all"
    );

    owner.kill().unwrap();
    owner.wait().unwrap();
    eventually("the end of the orphaned cluster", SOON, || remains(layout.root()).is_empty().then_some(()));
}

#[test]
fn an_owner_killed_during_bring_up_leaves_nothing() {
    let layout = Layout::of("test-early").unwrap();
    let mut owner = owner("test-early");
    eventually("the API server's start", SOON, || layout.log("kube-apiserver").exists().then_some(()));
    owner.kill().unwrap();
    owner.wait().unwrap();
    eventually("the end of the half cluster", SOON, || remains(layout.root()).is_empty().then_some(()));
}

#[test]
fn a_killed_guard_leaves_only_what_the_next_down_removes() {
    let name = "test-guard";
    let options =
        Options { name: name.to_owned(), workers: 1, progress: Progress::stderr(), ..Options::default() };
    let cluster = Cluster::up(options).unwrap();
    let layout = cluster.layout().clone();
    cluster.detach().unwrap();
    let refused = Cluster::up(Options { name: name.to_owned(), ..Options::default() }).unwrap_err();
    assert!(refused.to_string().contains("running already"), "{refused}");

    let record = std::fs::read_to_string(layout.root().join("guardian.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let killed = Command::new("kill").args(["-KILL", &record["pid"].to_string()]).status().unwrap();
    assert!(killed.success());
    eventually("the end of every process", SOON, || {
        remains(layout.root()).iter().all(|found| !found.starts_with("process")).then_some(())
    });
    assert!(Cluster::attach_to(name).is_err(), "a dead cluster must not be attached to");
    assert!(!Cluster::remove(name).unwrap(), "a dead cluster does not count as running");
    nothing_is_left(layout.root());
}
