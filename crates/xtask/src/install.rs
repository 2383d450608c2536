//! Berth onto the local Kubernetes: binaries, images, manifests, and waiting until all of it answers.

use crate::run::{self, say};
use anyhow::{Context, Result};
use berth_e2e_kubernetes::{Cluster, Progress, image, parts};
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// The packages whose binaries go into the image, each with the names of its programs.
const PROGRAMS: &[(&str, &str)] = &[
    ("berth-operator", "berth-operator"),
    ("berth-agent", "berth-agent"),
    ("berth-proxy", "berth-proxy"),
    ("berth-ctl", "berth"),
];

/// Where the programs are after [`binaries`].
fn programs() -> PathBuf {
    run::root().join("target/release")
}

/// Builds the programs as they are shipped.
pub(crate) fn binaries() -> Result<()> {
    let mut arguments = vec!["build", "--release", "--locked"];
    for (package, _) in PROGRAMS {
        arguments.extend(["--package", package]);
    }
    run::shown(run::cargo(&arguments))
}

/// Builds what is missing, gives it to the nodes and applies the manifests.
pub(crate) fn install(cluster: &Cluster) -> Result<()> {
    let progress = Progress::stderr();
    binaries()?;
    let programs: Vec<_> =
        PROGRAMS.iter().map(|(_, name)| (programs().join(name), (*name).to_owned())).collect();
    let images = [
        image::postgres17(&progress)?,
        image::etcd(&parts::ensure(&progress)?, &progress)?,
        image::binaries(&programs, &progress)?,
    ];
    for image in &images {
        progress.during(
            &format!("{} goes to all nodes", image.name),
            std::time::Duration::from_secs(10),
            || cluster.load_image(&image.archive),
        )?;
    }
    let typed = |arguments: &[&str]| {
        let mut command = run::command("kubectl", arguments);
        command.envs(environment(cluster)?);
        run::shown(command)
    };
    typed(&["apply", "--server-side", "-k", "manifests/local"])?;
    for deployment in ["berth-operator", "berth-etcd", "berth-proxy"] {
        typed(&["rollout", "status", "deployment", deployment, "-n", "berth-system", "--timeout=180s"])?;
    }
    Ok(())
}

/// What a shell needs to use the cluster: the same that `cargo xtask env` prints, and our own programs on the `PATH`.
pub(crate) fn environment(cluster: &Cluster) -> Result<Vec<(OsString, OsString)>> {
    let mut path = vec![cluster.layout().bin(), programs()];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    Ok(vec![
        ("KUBECONFIG".into(), cluster.kubeconfig().into()),
        ("BERTH_PROXY".into(), cluster.proxy().to_string().into()),
        ("BERTH_AUDIT_LOG".into(), cluster.layout().audit_log().into()),
        ("PATH".into(), env::join_paths(path).context("a folder on the PATH has a colon in its name")?),
    ])
}

/// Brings up the local Kubernetes with Berth on it, runs commands there until one fails, and takes it all down again, whatever happened.
pub(crate) fn on_a_fresh_cluster(commands: impl IntoIterator<Item = Command>) -> Result<()> {
    let progress = Progress::stderr();
    let cluster = Cluster::up(berth_e2e_kubernetes::Options { progress, ..Default::default() })?;
    let outcome = install(&cluster).and_then(|()| {
        let environment = environment(&cluster)?;
        commands.into_iter().try_for_each(|mut command| {
            command.envs(environment.iter().map(|(name, value)| (name, value)));
            run::shown(command)
        })
    });
    if outcome.is_err() {
        keep_evidence(&cluster);
    }
    cluster.down()?;
    outcome
}

/// Shows what a person would look at first, because the cluster is about to go.
fn keep_evidence(cluster: &Cluster) {
    for arguments in [
        &["get", "nodes,pods,pvc,dbc", "-A", "-o", "wide"][..],
        &["get", "events", "-A", "--sort-by=.lastTimestamp"],
        &["logs", "-n", "berth-system", "deployment/berth-operator", "--tail=80"],
        &["logs", "-n", "berth-system", "deployment/berth-proxy", "--tail=40"],
        &["logs", "-n", "berth-system", "deployment/berth-etcd", "--tail=20"],
    ] {
        match cluster.kubectl(arguments) {
            Ok(said) => say(&format!("\n$ kubectl {}\n{said}", arguments.join(" "))),
            Err(error) => say(&format!("\n$ kubectl {}\n{error}", arguments.join(" "))),
        }
    }
}
