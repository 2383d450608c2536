//! A pod as the planner sees it, and the question that matters most of it: may its processes touch the volume?

use super::Time;
use crate::ids::{ClusterUid, MemberId};
use serde::Serialize;

/// A member's pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// The uid of the cluster that controls it, by its owner reference.
    pub owner: Option<ClusterUid>,
    /// The member that it is labelled with.
    pub member: Option<MemberId>,
    /// When it was made.
    pub created: Time,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether Berth's finalizer is on it.
    pub finalizer: bool,
    /// The revision that it was rendered from.
    pub revision: Option<String>,
    /// Its phase.
    pub phase: PodPhase,
    /// Whether it is Ready.
    pub ready: bool,
    /// The node that it is bound to.
    pub node: Option<Node>,
    /// Why the scheduler finds no node, in its words.
    pub unschedulable: Option<String>,
    /// Its containers, those that initialise it included.
    pub containers: Vec<Container>,
}

/// The phase of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum PodPhase {
    /// It waits for a node, a volume or an image.
    Pending,
    /// A container runs.
    Running,
    /// All containers ended, and none will start again.
    Ended,
    /// The node is silent.
    Unknown,
}

/// The node of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// What is known of it.
    pub state: NodeState,
}

/// What is known of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum NodeState {
    /// Its kubelet reports.
    Ready,
    /// Its kubelet is silent, or says that it is not ready. Its processes may well run.
    NotReady,
    /// A person or a controller says that it is off: the taint `node.kubernetes.io/out-of-service`.
    OutOfService,
    /// There is no such node any more, by a read that does not come from a cache.
    Gone,
}

/// A container of a pod, as the kubelet reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// What it does now.
    pub state: ContainerState,
    /// Whether it ever ended before.
    pub restarted: bool,
}

/// What a container does now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum ContainerState {
    /// It is not started.
    Waiting {
        /// The kubelet's word, such as `ImagePullBackOff`.
        reason: String,
        /// The kubelet's sentence.
        message: String,
    },
    /// It runs.
    Running,
    /// It ended.
    Terminated {
        /// The kubelet's word, such as `OOMKilled`.
        reason: String,
    },
}

/// Whether a pod's processes may touch the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Processes {
    /// No container was ever started.
    NeverStarted,
    /// One runs, or may: nobody said otherwise.
    MayRun,
    /// The kubelet reported the end of all, and none starts again.
    Ended,
}

impl Pod {
    /// Whether its processes may touch the volume, by the kubelet's report alone.
    ///
    /// *Assumptions*: the kubelet sets the phase to an ended one only after it saw every container end (Kubernetes 1.27 and later). Others may
    /// set the phase too, when they give a node up; then a container still says that it runs, and counts so.
    pub fn processes(&self) -> Processes {
        let running = self.containers.iter().any(|c| c.state == ContainerState::Running);
        let started = self.containers.iter().any(|c| match c.state {
            ContainerState::Running | ContainerState::Terminated { .. } => true,
            ContainerState::Waiting { .. } => c.restarted,
        });
        match (self.phase, running, started) {
            (PodPhase::Ended, false, _) => Processes::Ended,
            (PodPhase::Pending, false, false) => Processes::NeverStarted,
            _ if self.node.is_none() => Processes::NeverStarted,
            (PodPhase::Pending | PodPhase::Running | PodPhase::Ended | PodPhase::Unknown, _, _) => {
                Processes::MayRun
            }
        }
    }
}

impl Pod {
    /// Whether its database ends again and again: a container ended before, and none runs now.
    pub fn failing(&self) -> bool {
        let running = self.containers.iter().any(|c| c.state == ContainerState::Running);
        let waiting =
            self.containers.iter().any(|c| c.restarted && matches!(c.state, ContainerState::Waiting { .. }));
        !self.ready && !running && waiting
    }
}
