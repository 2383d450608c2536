//! `berth rebuild-topology`: a cluster whose etcd was lost, with no primary left that could write its rule back, elects among all its members.
//!
//! It writes `spec.failover.rebuildTopology`. Nothing is lost while everybody answers; to give members up is asked for twice.

use crate::api::{self, FIELD_MANAGER};
use crate::arguments::{Kubernetes, RebuildTopology};
use crate::failure::{DONE, Failure};
use crate::switchover::token;
use crate::{say, target};
use anyhow::{Result, bail};
use berth_api::{DatabaseCluster, StatusPhase, condition};
use berth_core::ClusterRef;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::process::ExitCode;

/// Asks for it; shows first what may be lost, if anything may.
pub(crate) async fn run(kubernetes: &Kubernetes, arguments: &RebuildTopology) -> Result<ExitCode> {
    let client = api::connect(kubernetes).await?;
    let target =
        target::cluster(&arguments.cluster, kubernetes.namespace.as_deref(), client.default_namespace())?;
    let cluster = api::read_cluster(&client, &target).await?;
    let without = &arguments.without;
    say::result(&asks(&target, &cluster, without)?);
    if !without.is_empty() && !arguments.yes {
        let given_up = without.join(" --without ");
        say::result(&format!(
            "\nNothing was changed. To accept this:\n  berth rebuild-topology {target} --without {given_up} --yes"
        ));
        return Ok(ExitCode::from(DONE));
    }
    let clusters: Api<DatabaseCluster> = Api::namespaced(client, target.namespace.as_str());
    let request = token(Timestamp::now(), RandomState::new().hash_one(target.to_string()));
    let patch = json!({
        "metadata": { "uid": cluster.uid() },
        "spec": { "failover": { "rebuildTopology": { "request": request, "without": without } } },
    });
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    clusters.patch(&cluster.name_any(), &parameters, &Patch::Merge(&patch)).await.map_err(api::asked)?;
    say::result(&format!("\nAsked for (request {request}). To follow it: berth topology {target} --watch"));
    Ok(ExitCode::from(DONE))
}

/// Who must answer, in words, and what is lost by it.
fn asks(target: &ClusterRef, cluster: &DatabaseCluster, without: &[String]) -> Result<String> {
    let Some(status) = &cluster.status else {
        bail!("{target}: the operator has not looked at it yet (kubectl -n berth-system get pods)");
    };
    let available = condition::find(&status.conditions, condition::AVAILABLE);
    if status.phase == Some(StatusPhase::Serving) && available.is_some_and(|c| c.status == "True") {
        bail!("{target}: it serves; there is no topology to rebuild");
    }
    let ids: Vec<&str> = status.members.iter().map(|member| member.id.as_str()).collect();
    if let Some(unknown) = without.iter().find(|name| !ids.contains(&name.as_str())) {
        let (what, hint) = (format!("member {unknown} of {target}"), ids.join(", "));
        return Err(Failure::Missing { what, hint: format!("; its members are {hint}") }.into());
    }
    let left: Vec<&&str> = ids.iter().filter(|id| !without.iter().any(|gone| gone == **id)).collect();
    if left.is_empty() {
        bail!("{target}: somebody must be left; its members are {}", ids.join(", "));
    }
    let mut text = format!("{target} elects a primary anew when each of these has said what it holds:\n");
    for member in status.members.iter().filter(|member| left.iter().any(|id| **id == member.id)) {
        let node = member.node.as_deref().unwrap_or("no node");
        // Writing into a String cannot fail.
        let _infallible = writeln!(text, "  {} is {:?} on {node}", member.id, member.state);
    }
    if without.is_empty() {
        text.push_str("Whoever holds most leads, and no acknowledged commit is lost.");
    } else {
        let _infallible = write!(
            text,
            "Given up: {}. Commits that were acknowledged to applications and are only there are LOST, also if those members\n\
             come back. Give up a member only if its volume is gone for good.",
            without.join(", ")
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
