//! Who is to be primary, as far as a person has a say in it. An unplanned failover needs nobody and has no field here.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who is to be primary, as far as a person has a say in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failover {
    /// A planned switchover: clients wait for a moment, and no acknowledged commit and no session is lost. `berth switchover` writes this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switchover: Option<Switchover>,

    /// The loss of what only lost members held, for one term. Never needed while fewer members are lost than a commit is on; never done without
    /// this. `berth accept-loss` shows what may be lost, and writes this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_loss: Option<AcceptLoss>,

    /// The rebuilding of a topology that was lost, or restored from an older backup, with no primary left that could write it back. Never needed
    /// while one serves. `berth rebuild-topology` shows who must answer, and writes this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild_topology: Option<RebuildTopology>,
}

/// A person's word that a lost topology is rebuilt from what the members hold. Everybody must answer, because nobody knows any more whose word would
/// be enough; then nothing that was acknowledged is lost. It changes nothing while the topology knows of the cluster; take it out when it is done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.request.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
        .message("write the request in lower-case letters, digits and inner hyphens, such as 2026-03-01-etcd-lost"),
)]
pub struct RebuildTopology {
    /// Names this request. Any text but that of the one done last asks for one, once.
    #[schemars(length(min = 1, max = 63))]
    pub request: String,

    /// The members that are given up and need not answer, because their volumes are gone for good. What only they held is lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 46)))]
    pub without: Vec<String>,
}

/// A person's word that a cluster goes on with the members that are left. It counts once, for the term after the one that it names; if enough
/// members are there after all, nothing is lost by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptLoss {
    /// The term that cannot be gone on with, as `status.term` has it.
    #[schemars(range(min = 1))]
    pub term: u64,

    /// The member that begins the election. Whoever of those that can be reached holds most is primary after it.
    #[schemars(length(min = 1, max = 46))]
    pub member: String,
}

/// A planned switchover.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.request.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
        .message("write the request in lower-case letters, digits and inner hyphens, such as 2026-03-01-kernel-update"),
)]
pub struct Switchover {
    /// Names this switchover. Any text but that of the switchover done last asks for one, once; `status.switchover` says what became of it.
    #[schemars(length(min = 1, max = 63))]
    pub request: String,

    /// The member that is to be primary. If absent, any other member that holds all commits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 46))]
    pub to: Option<String>,
}
