//! Who may import whom: the architecture's table, held against what cargo says of the crates.

use crate::run;
use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::BTreeMap;

/// What each crate of ours may use of ours in production. A crate that is not here may not exist.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("berth-core", &[]),
    ("berth-api", &[]),
    ("berth-topology", &["berth-core"]),
    ("berth-engine", &["berth-core"]),
    ("berth-service", &[]),
    ("berth-operator", &["berth-core", "berth-api", "berth-topology", "berth-service"]),
    ("berth-agent", &["berth-core", "berth-engine", "berth-topology", "berth-service"]),
    ("berth-proxy", &["berth-core", "berth-topology", "berth-service"]),
    ("berth-ctl", &["berth-core", "berth-api"]),
    ("berth-testkit", &["berth-core", "berth-topology", "berth-engine"]),
    ("berth-model", &["berth-core", "berth-testkit"]),
    ("berth-e2e-kubernetes", &[]),
    ("berth-e2e", &["berth-api", "berth-testkit", "berth-e2e-kubernetes"]),
    ("xtask", &["berth-api", "berth-e2e", "berth-e2e-kubernetes"]),
];

/// What the pure crate must never see, even in the hands of a dependency of ours.
const NOT_IN_CORE: &[&str] =
    &["tokio", "kube", "k8s-openapi", "etcd-client", "rand", "getrandom", "jiff", "tokio-postgres"];

pub(super) fn check() -> Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(run::root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cargo metadata does not read the workspace")?;
    let rules: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut found = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let Some(allowed) = rules.get(name) else {
            found.push(format!(
                "{}: {name} is not in the architecture's table of crates",
                package.manifest_path
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let other = dependency.name.as_str();
            let ours = rules.contains_key(other);
            // Tests may stand on the test kit and on what they exercise.
            let production = dependency.kind != DependencyKind::Development;
            if ours && production && !allowed.contains(&other) {
                found.push(format!("{}: {name} may not import {other}", package.manifest_path));
            }
            if name == "berth-core" && production && NOT_IN_CORE.contains(&other) {
                found.push(format!("{}: the pure crate may not see {other}", package.manifest_path));
            }
        }
    }
    Ok(found)
}
