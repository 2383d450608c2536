//! `berth switchover`: asks for a planned switchover, and tells how it goes until it has happened or will not.
//!
//! It writes `spec.failover.switchover` and nothing else, with the caller's own rights. The members do the rest: what is told here is what the operator
//! writes into the status.

mod before;
mod progress;

use crate::api::{self, FIELD_MANAGER};
use crate::arguments::{Kubernetes, Switchover};
use crate::failure::DONE;
use crate::say;
use crate::target;
use anyhow::{Context, Result, anyhow, bail};
use before::{Before, before};
use berth_api::DatabaseCluster;
use berth_core::ClusterRef;
use futures::StreamExt;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use progress::{Ending, Progress};
use serde_json::json;
use std::hash::{BuildHasher, RandomState};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Asks, and waits unless told not to.
pub(crate) async fn run(kubernetes: &Kubernetes, arguments: &Switchover) -> Result<ExitCode> {
    let client = api::connect_to_watch(kubernetes).await?;
    let target =
        target::cluster(&arguments.cluster, kubernetes.namespace.as_deref(), client.default_namespace())?;
    let cluster = api::read_cluster(&client, &target).await?;
    let clusters: Api<DatabaseCluster> = Api::namespaced(client.clone(), target.namespace.as_str());
    if arguments.cancel {
        return cancel(&clusters, &target, &cluster).await;
    }
    let asked = match before(&target, &cluster, arguments.to.as_deref())? {
        Before::Nothing(why) => {
            say::result(&why);
            return Ok(ExitCode::from(DONE));
        }
        Before::Ask(asked) => asked,
    };
    let request = token(Timestamp::now(), RandomState::new().hash_one(target.to_string()));
    ask(&clusters, &cluster, &request, arguments).await?;
    let to = arguments.to.as_deref().unwrap_or("another member that holds every commit");
    say::result(&format!("{target}: asked {} to hand over to {to} (request {request})", asked.primary));
    if !arguments.patience.waits() {
        say::result(&format!("it goes on by itself; to follow it: berth topology {target} --watch"));
        return Ok(ExitCode::from(DONE));
    }
    follow(client, &target, Progress::new(request, arguments.to.clone(), asked), arguments.timeout).await?;
    Ok(ExitCode::from(DONE))
}

/// Writes the request. The uid is in it, so that a cluster of the same name that was made meanwhile is not meant.
async fn ask(
    clusters: &Api<DatabaseCluster>,
    cluster: &DatabaseCluster,
    request: &str,
    arguments: &Switchover,
) -> Result<()> {
    let mut switchover = json!({ "request": request });
    if let Some(to) = &arguments.to {
        switchover["to"] = json!(to);
    }
    let patch = json!({
        "apiVersion": DatabaseCluster::api_version(&()),
        "kind": DatabaseCluster::kind(&()),
        "metadata": { "name": cluster.name_any(), "uid": cluster.uid() },
        "spec": { "failover": { "switchover": switchover } },
    });
    let mut parameters = PatchParams::apply(FIELD_MANAGER);
    parameters.force = arguments.force;
    let written = clusters.patch(&cluster.name_any(), &parameters, &Patch::Apply(&patch)).await;
    written.map(drop).map_err(refused)
}

/// That somebody else keeps the field is worth more than the API's words: what they keep would be written back, and that would be another switchover.
fn refused(error: kube::Error) -> anyhow::Error {
    let conflict = if let kube::Error::Api(status) = &error {
        (status.code == 409).then(|| status.message.clone())
    } else {
        None
    };
    match conflict {
        Some(words) => anyhow!(
            "somebody else keeps spec.failover.switchover; write a new request there, or take the field over with --force ({words})"
        ),
        None => api::asked(error),
    }
}

/// Takes a request back that was not begun.
async fn cancel(
    clusters: &Api<DatabaseCluster>,
    target: &ClusterRef,
    cluster: &DatabaseCluster,
) -> Result<ExitCode> {
    let asked = cluster.spec.failover.as_ref().and_then(|failover| failover.switchover.as_ref());
    let Some(asked) = asked else {
        say::result(&format!("{target}: no switchover is asked for"));
        return Ok(ExitCode::from(DONE));
    };
    let patch = json!({
        "metadata": { "uid": cluster.uid() },
        "spec": { "failover": { "switchover": null } },
    });
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    clusters.patch(&cluster.name_any(), &parameters, &Patch::Merge(&patch)).await.map_err(api::asked)?;
    say::result(&format!(
        "{target}: the request {} is withdrawn; what had begun goes on to its end",
        asked.request
    ));
    Ok(ExitCode::from(DONE))
}

/// A request that was never made before: the time for people, and chance for two of the same second.
pub(crate) fn token(now: Timestamp, chance: u64) -> String {
    format!("cli-{}-{:04x}", now.strftime("%Y%m%d-%H%M%S"), chance % 0x1_0000)
}

/// Tells what happens until it is over.
async fn follow(
    client: Client,
    target: &ClusterRef,
    mut progress: Progress,
    patience: Duration,
) -> Result<()> {
    let began = Instant::now();
    let clusters: Api<DatabaseCluster> = Api::namespaced(client, target.namespace.as_str());
    let mut seen = watcher::watch_object(clusters, target.name.as_str()).default_backoff().boxed();
    loop {
        let Ok(next) = timeout_at(began + patience, seen.next()).await else {
            bail!("{}", progress.too_late(target, patience));
        };
        let cluster = match next.context("the watch of the cluster ended")? {
            Ok(cluster) => cluster,
            // It is resumed; the deadline ends it if it cannot be.
            Err(error) => {
                say::error(&format!("berth: {:#}", anyhow!(error).context("the watch broke")));
                continue;
            }
        };
        let news = progress.look(cluster.as_ref());
        for line in &news.lines {
            say::result(&progress::line(began.elapsed(), line));
        }
        match news.ending {
            None => {}
            Some(Ending::Done(what)) => {
                say::result(&format!("{target}: {what}"));
                return Ok(());
            }
            Some(Ending::Failed(why)) => bail!("{target}: {why}"),
        }
    }
}

#[cfg(test)]
mod tests;
