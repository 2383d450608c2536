//! `DatabaseCluster`: what a person asks for. Its parts are in files of their own, one each.
//!
//! Only fields whose behaviour exists are here: a field that is accepted does something. Fields that a class may set have no
//! default in the schema, because a default is filled in at admission and would hide the class.

pub(crate) mod access;
pub(crate) mod bootstrap;
pub(crate) mod durability;
pub(crate) mod engine;
pub(crate) mod failover;
pub(crate) mod placement;
pub(crate) mod storage;

use crate::status::DatabaseClusterStatus;
use access::Access;
use bootstrap::Bootstrap;
use durability::Durability;
use engine::Engine;
use failover::Failover;
use kube::{CustomResource, KubeSchema};
use placement::{Placement, Resources};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use storage::Storage;

/// A database cluster: members that replicate one database, reached through the proxy.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "berth.dev",
    version = "v1alpha1",
    kind = "DatabaseCluster",
    plural = "databaseclusters",
    shortname = "dbc",
    category = "berth",
    category = "all",
    namespaced,
    status = "DatabaseClusterStatus",
    derive = "PartialEq",
    doc = "A database cluster: members that replicate one database, reached through the proxy.",
    scale(spec_replicas_path = ".spec.members", status_replicas_path = ".status.replicas", label_selector_path = ".status.selector"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.ready", description = "Members in their place, of those asked for"),
    printcolumn(name = "Primary", type_ = "string", json_path = ".status.primary", description = "The member that takes writes"),
    printcolumn(name = "Term", type_ = "integer", json_path = ".status.term", description = "Grows with every change of the primary"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Blocked", type_ = "string", json_path = ".status.blocked[0].reason", description = "What nothing can go on without; see status.blocked"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Engine", type_ = "string", json_path = ".status.effective.engine", priority = 1),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.effective.version", priority = 1),
    printcolumn(name = "Size", type_ = "string", json_path = ".status.effective.size", priority = 1),
    printcolumn(name = "Class", type_ = "string", json_path = ".spec.class", priority = 1),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".status.endpoint.host", priority = 1),
    validation = Rule::new("size(self.metadata.name) <= 40 && !self.metadata.name.contains('.') && !self.metadata.name.contains('--')")
        .message("choose a name of at most 40 characters without dots and without '--': names of members, claims and TLS server names are built from it"),
    validation = Rule::new("!has(self.spec.failover) || !has(self.spec.failover.switchover) || !has(self.spec.failover.switchover.to) || (self.spec.failover.switchover.to.startsWith(self.metadata.name + '-') && size(self.spec.failover.switchover.to) == size(self.metadata.name) + 6)")
        .message("name a member of this cluster in spec.failover.switchover.to, such as one of status.members, or leave it out"),
    validation = Rule::new("!has(self.spec.failover) || !has(self.spec.failover.acceptLoss) || (self.spec.failover.acceptLoss.member.startsWith(self.metadata.name + '-') && size(self.spec.failover.acceptLoss.member) == size(self.metadata.name) + 6)")
        .message("name a member of this cluster in spec.failover.acceptLoss.member: one of status.members that still has its data"),
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.members) || !has(self.durability) || !has(self.durability.acks) || self.durability.acks < self.members")
        .message("durability.acks must be lower than members: the primary does not acknowledge to itself; raise members or lower acks"),
)]
pub struct DatabaseClusterSpec {
    /// The `ClusterClass` whose defaults, images and bounds apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class: Option<String>,

    /// The database engine: exactly one. Its kind cannot be changed.
    pub engine: Engine,

    /// How many members the cluster has, the primary included. 3 if neither the cluster nor its class says; 1 means no replica.
    /// `kubectl scale` works once this is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16))]
    pub members: Option<u32>,

    /// How many members a commit is on before it is acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durability: Option<Durability>,

    /// The volumes of each member. They are kept when a member leaves, when the cluster is deleted, and when its namespace is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,

    /// The database container's compute resources. Pods take a change when they are next made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,

    /// Where members may run. Pods take a change when they are next made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,

    /// Who is to be primary, as far as a person has a say in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<Failover>,

    /// The database and the role for the application.
    #[serde(default)]
    pub access: Access,

    /// Where the data comes from: exactly one. It cannot be changed.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("bootstrap happened when the cluster was made and cannot be changed; make a new cluster"))]
    pub bootstrap: Bootstrap,

    /// Running, or Paused: the members go on as they are, and Berth begins nothing new.
    #[serde(default)]
    pub state: State,
}

/// Whether Berth acts on a cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum State {
    /// Berth keeps the cluster as it is asked to be.
    #[default]
    Running,
    /// The members go on as they are; Berth begins nothing new. Deletion still works.
    Paused,
}
