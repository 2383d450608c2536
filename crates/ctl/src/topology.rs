//! `berth topology`: who is what in a cluster, and with `--watch` a line for each change of it.

mod changes;

use crate::api;
use crate::arguments::{Kubernetes, Topology};
use crate::failure::DONE;
use crate::output::print;
use crate::say;
use crate::table::{or_dash, table};
use crate::target;
use crate::writes;
use anyhow::{Result, anyhow, bail};
use berth_api::{
    DatabaseCluster, DatabaseClusterStatus, MemberStatus, StatusPhase, SwitchoverState, SwitchoverStatus,
};
use berth_core::ClusterRef;
use changes::changes;
use futures::StreamExt;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use serde::Serialize;
use std::process::ExitCode;

/// Who is what in a cluster.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    /// `namespace/name`.
    cluster: String,
    phase: Option<StatusPhase>,
    term: Option<u64>,
    primary: Option<String>,
    /// Why nobody takes writes, if that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_writes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    switchover: Option<SwitchoverStatus>,
    members: Vec<MemberStatus>,
}

/// Shows it, and goes on to tell of changes if that is asked for.
pub(crate) async fn run(kubernetes: &Kubernetes, arguments: &Topology) -> Result<ExitCode> {
    let client = api::connect_to_watch(kubernetes).await?;
    let target =
        target::cluster(&arguments.cluster, kubernetes.namespace.as_deref(), client.default_namespace())?;
    let cluster = api::read_cluster(&client, &target).await?;
    let view = view(&cluster);
    print(arguments.output, &view, || text(&view))?;
    if arguments.watch {
        let clusters = Api::namespaced(client, target.namespace.as_str());
        follow(clusters, &target, cluster.status.unwrap_or_default()).await?;
    }
    Ok(ExitCode::from(DONE))
}

/// Tells of changes for ever, or until the cluster is gone.
async fn follow(
    clusters: Api<DatabaseCluster>,
    target: &ClusterRef,
    mut last: DatabaseClusterStatus,
) -> Result<()> {
    let mut seen = watcher::watch_object(clusters, target.name.as_str()).default_backoff().boxed();
    while let Some(next) = seen.next().await {
        let cluster = match next {
            Ok(cluster) => cluster,
            Err(error) => {
                say::error(&format!("berth: {:#}", anyhow!(error).context("the watch broke and is resumed")));
                continue;
            }
        };
        let Some(cluster) = cluster else {
            say::result(&at(Timestamp::now(), "the cluster is gone"));
            return Ok(());
        };
        let status = cluster.status.unwrap_or_default();
        for change in changes(&last, &status) {
            say::result(&at(Timestamp::now(), &change));
        }
        last = status;
    }
    bail!("the watch of {target} ended");
}

/// A line of what happened, and when.
fn at(now: Timestamp, what: &str) -> String {
    format!("{}  {what}", now.strftime("%H:%M:%SZ"))
}

fn view(cluster: &DatabaseCluster) -> View {
    let status = cluster.status.clone().unwrap_or_default();
    View {
        cluster: format!("{}/{}", cluster.namespace().unwrap_or_default(), cluster.name_any()),
        phase: status.phase,
        term: status.term,
        primary: status.primary.clone(),
        no_writes: writes::missing(&status, None),
        switchover: status.switchover,
        members: status.members,
    }
}

fn text(view: &View) -> String {
    let View { cluster, phase, term, primary, no_writes, switchover, members } = view;
    let Some(phase) = phase else {
        return format!(
            "{cluster}: the operator has not looked at it yet\n  see: kubectl -n berth-system get pods"
        );
    };
    let term = term.map(|term| format!(", term {term}")).unwrap_or_default();
    let primary =
        primary.as_ref().map_or_else(|| ", no primary".to_owned(), |primary| format!(", primary {primary}"));
    let mut lines = vec![format!("{cluster}: {phase:?}{term}{primary}")];
    lines.extend(no_writes.as_ref().map(|why| format!("  {why}")));
    let open = switchover.as_ref().filter(|switchover| switchover.state != SwitchoverState::Done);
    lines.extend(open.map(|open| format!("  switchover {}: {}", open.request, open.message)));
    if !members.is_empty() {
        let rows: Vec<Vec<String>> = members.iter().map(row).collect();
        let members = table(&["MEMBER", "ROLE", "STATE", "LAG", "NODE"], &rows);
        lines.push(format!("\n{}", members.trim_end()));
    }
    lines.join("\n")
}

fn row(member: &MemberStatus) -> Vec<String> {
    vec![
        member.id.clone(),
        format!("{:?}", member.role),
        format!("{:?}", member.state),
        member.lag.map_or_else(|| "-".to_owned(), |lag| format!("{lag:?}")),
        or_dash(member.node.as_deref()),
    ]
}

#[cfg(test)]
mod tests;
