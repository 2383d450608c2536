//! `berth status`: a line a cluster, or one cluster with its members.

use crate::api;
use crate::arguments::{Kubernetes, Status};
use crate::failure::DONE;
use crate::output::print;
use crate::table::{age, or_dash, table};
use crate::target;
use crate::writes;
use anyhow::Result;
use berth_api::{DatabaseCluster, Effective, MemberStatus, SwitchoverState};
use k8s_openapi::jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use std::process::ExitCode;

/// Shows what was asked for.
pub(crate) async fn run(kubernetes: &Kubernetes, arguments: &Status) -> Result<ExitCode> {
    let client = api::connect(kubernetes).await?;
    let now = Timestamp::now();
    if let Some(typed) = &arguments.cluster {
        let target = target::cluster(typed, kubernetes.namespace.as_deref(), client.default_namespace())?;
        let cluster = api::read_cluster(&client, &target).await?;
        print(arguments.output, &cluster, || one(&cluster, now))?;
        return Ok(ExitCode::from(DONE));
    }
    let namespace = kubernetes.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
    let clusters: Api<DatabaseCluster> =
        if arguments.all_namespaces { Api::all(client) } else { Api::namespaced(client, &namespace) };
    let mut found = clusters.list(&ListParams::default()).await.map_err(api::asked)?.items;
    found.sort_by_key(|cluster| (cluster.namespace(), cluster.name_any()));
    print(arguments.output, &found, || match (found.is_empty(), arguments.all_namespaces) {
        (true, true) => "there is no cluster; manifests/samples has one to begin with".to_owned(),
        (true, false) => format!("there is no cluster in namespace {namespace}; -A looks in all"),
        (false, _) => list(&found, now),
    })?;
    Ok(ExitCode::from(DONE))
}

/// A line a cluster.
fn list(clusters: &[DatabaseCluster], now: Timestamp) -> String {
    let rows: Vec<Vec<String>> = clusters
        .iter()
        .map(|cluster| {
            let status = cluster.status.clone().unwrap_or_default();
            vec![
                cluster.namespace().unwrap_or_default(),
                cluster.name_any(),
                or_dash(status.ready.as_deref()),
                or_dash(status.primary.as_deref()),
                or_dash(status.term.map(|term| term.to_string()).as_deref()),
                status.phase.map_or_else(|| "-".to_owned(), |phase| format!("{phase:?}")),
                or_dash(status.blocked.first().map(|blocked| blocked.reason.as_str())),
                age(cluster.metadata.creation_timestamp.as_ref(), now),
            ]
        })
        .collect();
    table(&["NAMESPACE", "NAME", "READY", "PRIMARY", "TERM", "PHASE", "BLOCKED", "AGE"], &rows)
}

/// One cluster with its members.
fn one(cluster: &DatabaseCluster, now: Timestamp) -> String {
    let status = cluster.status.clone().unwrap_or_default();
    let name = format!("{}/{}", cluster.namespace().unwrap_or_default(), cluster.name_any());
    let Some(phase) = status.phase else {
        return format!(
            "{name}: the operator has not looked at it yet\n  see: kubectl -n berth-system get pods"
        );
    };
    let primary = match (&status.primary, status.term) {
        (Some(primary), Some(term)) => format!(", primary {primary} in term {term}"),
        (_, _) => String::new(),
    };
    let mut lines = vec![format!("{name}: {phase:?}, {} ready{primary}", or_dash(status.ready.as_deref()))];
    lines.extend(writes::missing(&status, Some(now)).map(|why| format!("  {why}")));
    let open = status.switchover.as_ref().filter(|switchover| switchover.state != SwitchoverState::Done);
    lines.extend(open.map(|open| format!("  switchover {}: {}", open.request, open.message)));
    lines.extend(
        status
            .accepted_loss
            .as_ref()
            .map(|loss| format!("  loss accepted for term {}: {}", loss.term, loss.message)),
    );
    lines.extend(status.effective.as_ref().map(effective));
    if let Some(endpoint) = &status.endpoint {
        let secret =
            status.binding.as_ref().map(|binding| format!(", Secret {}", binding.name)).unwrap_or_default();
        lines.push(format!(
            "  through {}:{} as tenant {}{secret}",
            endpoint.host, endpoint.port, endpoint.tenant
        ));
    }
    if !status.members.is_empty() {
        let rows: Vec<Vec<String>> = status.members.iter().map(row).collect();
        let members = table(&["MEMBER", "ROLE", "STATE", "LAG", "NODE", "CLAIM"], &rows);
        lines.push(format!("\n{}", members.trim_end()));
    }
    for member in &status.members {
        lines.extend(member.trouble.as_ref().map(|trouble| format!("  {}: {trouble}", member.id)));
    }
    if !status.blocked.is_empty() {
        lines.push("\nWaits for".to_owned());
    }
    for blocked in &status.blocked {
        lines.push(format!("  {} ({})\n    {}", blocked.on, age(Some(&blocked.since), now), blocked.unblock));
    }
    lines.join("\n")
}

fn effective(effective: &Effective) -> String {
    let version = effective.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let class = effective.storage_class.as_deref().map(|class| format!(" of {class}")).unwrap_or_default();
    let Effective { engine, size, durability, .. } = effective;
    format!("  {engine}{version}, {size}{class} a member, durability {durability}")
}

fn row(member: &MemberStatus) -> Vec<String> {
    vec![
        member.id.clone(),
        format!("{:?}", member.role),
        format!("{:?}", member.state),
        member.lag.map_or_else(|| "-".to_owned(), |lag| format!("{lag:?}")),
        or_dash(member.node.as_deref()),
        member.claims.data.clone(),
    ]
}

#[cfg(test)]
mod tests;
