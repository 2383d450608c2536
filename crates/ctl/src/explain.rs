//! `berth explain`: why a cluster waits. From its status, its pods and its events, in the order in which a person would look.

mod text;

use crate::api;
use crate::arguments::{Explain, Kubernetes};
use crate::failure::DONE;
use crate::output::print;
use crate::target;
use anyhow::Result;
use berth_api::{Blocked, DatabaseCluster, StatusPhase, names};
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use serde::Serialize;
use std::process::ExitCode;

/// How many of the last events are shown.
const EVENTS: usize = 8;

/// Why a cluster waits.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explanation {
    /// `namespace/name`.
    cluster: String,
    /// Whether it is ready, blocked, at work, or not looked at yet.
    verdict: Verdict,
    /// The conditions of its status.
    conditions: Vec<Condition>,
    /// What is awaited from outside Berth.
    blocked: Vec<Blocked>,
    /// Members with something to say.
    members: Vec<Trouble>,
    /// What Kubernetes says of pods that are not ready.
    pods: Vec<Trouble>,
    /// The last events of the cluster, the newest last.
    events: Vec<Happened>,
}

/// A cluster's state in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Verdict {
    /// Everything is as it was asked for.
    Ready,
    /// Berth and Kubernetes are at work.
    Working,
    /// Something outside is awaited.
    Waiting,
    /// Nothing goes on without a person.
    Blocked,
    /// The members choose a primary.
    Electing,
    /// The primary hands over.
    Switching,
    /// The operator has not spoken of this generation.
    Unseen,
}

/// What an object says of itself.
#[derive(Debug, Serialize)]
pub(crate) struct Trouble {
    name: String,
    says: String,
}

/// An event.
#[derive(Debug, Serialize)]
pub(crate) struct Happened {
    at: Option<Time>,
    object: String,
    reason: String,
    message: String,
}

/// Explains one cluster.
pub(crate) async fn run(kubernetes: &Kubernetes, arguments: &Explain) -> Result<ExitCode> {
    let client = api::connect(kubernetes).await?;
    let target =
        target::cluster(&arguments.cluster, kubernetes.namespace.as_deref(), client.default_namespace())?;
    let cluster = api::read_cluster(&client, &target).await?;
    let pods = pods(&client, &cluster).await;
    let events = events(&client, &cluster).await;
    // What may not be read is left out, and said: the status alone explains much.
    for error in [pods.as_ref().err(), events.as_ref().err()].into_iter().flatten() {
        crate::say::error(&format!("berth: {error:#}"));
    }
    let explanation = explain(&cluster, &pods.unwrap_or_default(), events.unwrap_or_default());
    print(arguments.output, &explanation, || text::render(&explanation, Timestamp::now()))?;
    Ok(ExitCode::from(DONE))
}

async fn pods(client: &Client, cluster: &DatabaseCluster) -> Result<Vec<Pod>> {
    let namespace = cluster.namespace().unwrap_or_default();
    let api: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let own = format!("{}={}", names::CLUSTER_UID, cluster.uid().unwrap_or_default());
    Ok(api.list(&ListParams::default().labels(&own)).await.map_err(api::asked)?.items)
}

async fn events(client: &Client, cluster: &DatabaseCluster) -> Result<Vec<Event>> {
    let namespace = cluster.namespace().unwrap_or_default();
    let api: Api<Event> = Api::namespaced(client.clone(), &namespace);
    let own = format!("involvedObject.uid={}", cluster.uid().unwrap_or_default());
    Ok(api.list(&ListParams::default().fields(&own)).await.map_err(api::asked)?.items)
}

fn explain(cluster: &DatabaseCluster, pods: &[Pod], events: Vec<Event>) -> Explanation {
    let status = cluster.status.clone().unwrap_or_default();
    let members = status
        .members
        .iter()
        .filter_map(|member| Some(Trouble { name: member.id.clone(), says: member.trouble.clone()? }))
        .collect();
    let mut events: Vec<Happened> = events.into_iter().map(happened).collect();
    events.sort_by(|a, b| a.at.cmp(&b.at));
    let events = events.split_off(events.len().saturating_sub(EVENTS));
    Explanation {
        cluster: format!("{}/{}", cluster.namespace().unwrap_or_default(), cluster.name_any()),
        verdict: verdict(cluster),
        conditions: status.conditions,
        blocked: status.blocked,
        members,
        pods: pods.iter().filter_map(trouble_of_pod).collect(),
        events,
    }
}

fn verdict(cluster: &DatabaseCluster) -> Verdict {
    let Some(status) = &cluster.status else { return Verdict::Unseen };
    let holds = |condition| berth_api::condition::is_true(&status.conditions, condition);
    if status.observed_generation != cluster.metadata.generation {
        Verdict::Unseen
    } else if holds(berth_api::condition::BLOCKED) {
        Verdict::Blocked
    } else if status.phase == Some(StatusPhase::Electing) {
        Verdict::Electing
    } else if status.phase == Some(StatusPhase::Switching) {
        Verdict::Switching
    } else if holds(berth_api::condition::READY) {
        Verdict::Ready
    } else if status.blocked.is_empty() {
        Verdict::Working
    } else {
        Verdict::Waiting
    }
}

/// What Kubernetes says of a pod that is not ready: the scheduler's words, or a container's.
fn trouble_of_pod(pod: &Pod) -> Option<Trouble> {
    let status = pod.status.as_ref()?;
    let conditions = status.conditions.as_deref().unwrap_or_default();
    if conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
        && pod.metadata.deletion_timestamp.is_none()
    {
        return None;
    }
    let unscheduled = conditions
        .iter()
        .find(|c| c.type_ == "PodScheduled" && c.status == "False")
        .and_then(|c| c.message.clone());
    let containers =
        status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    let waiting = containers.filter_map(|c| {
        let waiting = c.state.as_ref()?.waiting.as_ref()?;
        let words = [waiting.reason.clone(), waiting.message.clone()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(": ");
        Some(format!("{} waits: {words}", c.name))
    });
    let deleting = pod.metadata.deletion_timestamp.as_ref().map(|_| "it is being deleted".to_owned());
    let says: Vec<String> = deleting.into_iter().chain(unscheduled).chain(waiting).collect();
    let says = if says.is_empty() { "it runs and is not ready".to_owned() } else { says.join("; ") };
    Some(Trouble { name: pod.name_any(), says })
}

fn happened(event: Event) -> Happened {
    let at = event
        .last_timestamp
        .or_else(|| event.event_time.map(|time| Time(time.0)))
        .or(event.first_timestamp)
        .or(event.metadata.creation_timestamp);
    Happened {
        at,
        object: event.involved_object.name.unwrap_or_default(),
        reason: event.reason.unwrap_or_default(),
        message: event.message.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
