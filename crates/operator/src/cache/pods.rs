//! A pod, as far as the planner needs it.

use super::meta;
use super::slim::{Slim, View};
use berth_api::names;
use berth_core::plan::{Container, ContainerState, Node, NodeState, Pod as Planned, PodPhase};
use berth_core::{ClusterUid, MemberId};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;

/// A pod as the watch reads it.
pub(crate) type SlimPod = Slim<PodView>;

/// A pod as the index keeps it. The node's state is not in it: that changes without the pod.
pub(crate) type CachedPod = Planned;

/// What is kept of a pod.
#[derive(Debug, Clone)]
pub(crate) enum PodView {}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Spec {
    node_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Status {
    phase: Option<String>,
    conditions: Vec<Condition>,
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerStatus {
    name: String,
    #[serde(default)]
    image: String,
    #[serde(default)]
    restart_count: u32,
    #[serde(default)]
    state: State,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct State {
    waiting: Option<Told>,
    running: Option<serde::de::IgnoredAny>,
    terminated: Option<Told>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    reason: String,
    message: String,
}

impl View for PodView {
    type Kind = Pod;
    type Spec = Spec;
    type Status = Status;
    type Kept = CachedPod;

    fn keep(meta: &ObjectMeta, spec: Spec, status: Status) -> Option<CachedPod> {
        let holds = |kind: &str| status.conditions.iter().find(|c| c.kind == kind);
        let unschedulable = holds("PodScheduled")
            .filter(|c| c.status == "False" && c.reason.as_deref() == Some("Unschedulable"))
            .map(|c| c.message.clone().unwrap_or_default());
        let ready = holds("Ready").is_some_and(|c| c.status == "True");
        Some(Planned {
            name: meta.name.clone()?,
            uid: meta.uid.clone()?,
            resource_version: meta.resource_version.clone()?,
            owner: meta::controller(meta).and_then(|uid| ClusterUid::new(uid).ok()),
            member: meta::label(meta, names::MEMBER).and_then(|id| MemberId::new(id).ok()),
            created: meta::created(meta),
            deleting: meta.deletion_timestamp.is_some(),
            finalizer: meta::has_finalizer(meta, names::PROCESS_ENDED),
            revision: meta::annotation(meta, names::REVISION).map(str::to_owned),
            phase: match status.phase.as_deref() {
                Some("Running") => PodPhase::Running,
                Some("Succeeded" | "Failed") => PodPhase::Ended,
                Some("Unknown") => PodPhase::Unknown,
                Some(_) | None => PodPhase::Pending,
            },
            ready,
            node: spec
                .node_name
                .filter(|name| !name.is_empty())
                // Until the node's own state is looked up, nothing good is assumed of it.
                .map(|name| Node { name, state: NodeState::NotReady }),
            unschedulable,
            containers: status
                .init_container_statuses
                .into_iter()
                .chain(status.container_statuses)
                .map(container)
                .collect(),
        })
    }
}

fn container(status: ContainerStatus) -> Container {
    let ContainerStatus { name, image, restart_count, state } = status;
    let state = match state {
        State { running: Some(_), .. } => ContainerState::Running,
        State { terminated: Some(Told { reason, .. }), .. } => ContainerState::Terminated { reason },
        State { waiting, .. } => {
            let Told { reason, message } = waiting.unwrap_or_default();
            ContainerState::Waiting { reason, message }
        }
    };
    Container { name, image, state, restarted: restart_count > 0 }
}

#[cfg(test)]
mod tests {
    use super::super::index::Child;
    use super::*;
    use kube::Resource;
    use serde_json::json;

    #[test]
    fn what_the_planner_needs_is_read_and_the_rest_is_dropped() {
        let pod: SlimPod = serde_json::from_value(json!({
            "metadata": {
                "name": "orders-7k2qd", "namespace": "shop", "uid": "p1", "resourceVersion": "7",
                "creationTimestamp": "2026-01-02T03:04:05Z",
                "labels": {"berth.dev/member": "orders-7k2qd", "berth.dev/cluster": "orders", "berth.dev/cluster-uid": "c1", "other": "x"},
                "annotations": {"berth.dev/revision": "r-1", "other": "x"},
                "finalizers": ["berth.dev/process-ended"],
                "managedFields": [{"manager": "somebody"}],
                "ownerReferences": [{"apiVersion": "berth.dev/v1alpha1", "kind": "DatabaseCluster", "name": "orders", "uid": "c1", "controller": true}],
            },
            "spec": {"nodeName": "n1", "containers": [{"name": "database"}]},
            "status": {
                "phase": "Pending",
                "conditions": [{"type": "Ready", "status": "False"}, {"type": "PodScheduled", "status": "True"}],
                "initContainerStatuses": [{"name": "agent", "image": "a", "restartCount": 0, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}],
                "containerStatuses": [{"name": "database", "image": "i", "restartCount": 2, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no"}}}],
            },
        }))
        .unwrap();
        assert_eq!(pod.cluster(), Some(("shop".to_owned(), "orders".to_owned(), "c1".to_owned())));
        assert_eq!(pod.meta().managed_fields, None);
        assert_eq!(pod.meta().labels.as_ref().unwrap().len(), 3);
        let kept = pod.kept().unwrap();
        assert!(kept.finalizer && !kept.deleting && !kept.ready);
        assert_eq!(kept.owner.unwrap().as_str(), "c1");
        assert_eq!(kept.node.unwrap().name, "n1");
        assert_eq!(kept.revision.as_deref(), Some("r-1"));
        assert_eq!(kept.containers[0].state, ContainerState::Terminated { reason: "Completed".to_owned() });
        assert!(kept.containers[1].restarted);
    }

    #[test]
    fn a_pod_of_another_kind_of_owner_is_nobodys() {
        let pod: SlimPod = serde_json::from_value(json!({
            "metadata": {"name": "a", "uid": "p", "resourceVersion": "1",
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "uid": "c1", "controller": true}]},
            "status": {"phase": "Running", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3"}]},
        }))
        .unwrap();
        let kept = pod.kept().unwrap();
        assert_eq!(kept.owner, None);
        assert_eq!(kept.unschedulable.as_deref(), Some("0/3"));
    }
}
