//! Every node, as far as it matters: is its kubelet heard, and did somebody say that it is off.

use super::index::Child;
use super::slim::{Slim, View};
use berth_core::plan::NodeState;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};

/// The taint by which a person or a controller says that a node is off for certain.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// A node as the watch reads it.
pub(crate) type SlimNode = Slim<NodeView>;

/// What is kept of a node: its state.
#[derive(Debug, Clone)]
pub(crate) enum NodeView {}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Spec {
    taints: Vec<Taint>,
}

#[derive(Deserialize)]
struct Taint {
    key: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

impl View for NodeView {
    type Kind = Node;
    type Spec = Spec;
    type Status = Status;
    type Kept = NodeState;

    fn keep(_: &ObjectMeta, spec: Spec, status: Status) -> Option<NodeState> {
        Some(if spec.taints.iter().any(|taint| taint.key == OUT_OF_SERVICE) {
            NodeState::OutOfService
        } else if status.conditions.iter().any(|c| c.kind == "Ready" && c.status == "True") {
            NodeState::Ready
        } else {
            NodeState::NotReady
        })
    }
}

impl SlimNode {
    /// What is known of it.
    pub(crate) fn state(&self) -> NodeState {
        self.kept().unwrap_or(NodeState::NotReady)
    }
}

/// Every node that is known.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    states: RwLock<BTreeMap<String, NodeState>>,
}

impl Nodes {
    /// What is known of a node; none if the cache knows no such node, which is not yet proof that there is none.
    pub(crate) fn state(&self, name: &str) -> Option<NodeState> {
        self.states.read().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    /// Takes over a node; its name if its state changed.
    pub(super) fn put(&self, node: &SlimNode) -> Option<String> {
        let name = node.meta().name.clone()?;
        let mut states = self.states.write().unwrap_or_else(PoisonError::into_inner);
        (states.insert(name.clone(), node.state()) != Some(node.state())).then_some(name)
    }

    /// Forgets a node.
    pub(super) fn remove(&self, node: &SlimNode) -> Option<String> {
        let name = node.meta().name.clone()?;
        self.states.write().unwrap_or_else(PoisonError::into_inner).remove(&name).map(|_| name)
    }

    /// Forgets all that are not named; their names.
    pub(super) fn retain(&self, names: &BTreeSet<String>) -> Vec<String> {
        let mut states = self.states.write().unwrap_or_else(PoisonError::into_inner);
        let gone = states.keys().filter(|name| !names.contains(*name)).cloned().collect();
        states.retain(|name, _| names.contains(name));
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!([]), "True", NodeState::Ready)]
    #[case(json!([]), "Unknown", NodeState::NotReady)]
    #[case(json!([{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]), "Unknown", NodeState::NotReady)]
    #[case(json!([{"key": OUT_OF_SERVICE, "value": "nodeshutdown", "effect": "NoExecute"}]), "Unknown", NodeState::OutOfService)]
    fn a_silent_node_is_not_an_off_node(
        #[case] taints: serde_json::Value,
        #[case] ready: &str,
        #[case] expect: NodeState,
    ) {
        let node: SlimNode = serde_json::from_value(json!({
            "metadata": {"name": "n1"},
            "spec": {"taints": taints},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        }))
        .unwrap();
        assert_eq!(node.state(), expect);
        let nodes = Nodes::default();
        assert_eq!(nodes.put(&node).as_deref(), Some("n1"));
        assert_eq!(nodes.put(&node), None);
        assert_eq!(nodes.retain(&BTreeSet::new()), ["n1"]);
        assert_eq!(nodes.state("n1"), None);
    }
}
