//! The status of a cluster: output only. Nothing in Berth decides by it; programs outside read the conditions, people the rest.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseClusterStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What the cluster is doing, in a word, for people. Programs read the conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<StatusPhase>,
    /// Ready, Available, Progressing, Durable, Blocked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Members in their place, of those asked for: `3/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// How many members have a pod, for the scale subresource.
    #[serde(default)]
    pub replicas: u32,
    /// The pods of the cluster as a label selector, for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// The member that takes writes; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<String>,
    /// The term: grows with every change of the primary and every restart of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<u64>,
    /// What became of the switchover that the spec asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switchover: Option<SwitchoverStatus>,
    /// What became of the loss that the spec accepts; of one that was used for as long as the cluster lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_loss: Option<AcceptedLossStatus>,
    /// Every member.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub members: Vec<MemberStatus>,
    /// What is awaited from outside Berth, since when, and what would unblock it. Empty when nothing is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub blocked: Vec<Blocked>,
    /// Where to connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// The Secret to bind to (servicebinding.io).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// The class that applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<ClassStatus>,
    /// What applies after the class and the defaults were filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<Effective>,
}

/// What a cluster is doing, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StatusPhase {
    /// It has not served yet.
    Creating,
    /// A primary takes writes.
    Serving,
    /// A primary is being chosen, or the one that was does not take writes yet.
    Electing,
    /// A planned hand-over is under way.
    Switching,
    /// It is paused.
    Paused,
    /// Its spec cannot be carried out; see the conditions.
    Invalid,
    /// Nothing can go on without a person; see `blocked`.
    Blocked,
    /// It is being deleted.
    Deleting,
    /// The topology cannot be read; the members may well serve.
    Unknown,
}

/// What became of the switchover that the spec asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SwitchoverStatus {
    /// The request that this speaks of, as the spec has it.
    pub request: String,
    /// How far it has come.
    pub state: SwitchoverState,
    /// The same in a sentence.
    pub message: String,
}

/// How far a switchover has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SwitchoverState {
    /// It is asked for; the members have not begun it.
    Asked,
    /// The members are at it.
    UnderWay,
    /// The members have ended it. Who is primary now is in `primary`.
    Done,
    /// It cannot be done as it is asked for.
    Refused,
}

/// What became of a loss that somebody accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedLossStatus {
    /// The term that could not be gone on with otherwise.
    pub term: u64,
    /// Who was to begin the election after it.
    pub member: String,
    /// How far it has come.
    pub state: AcceptedLossState,
    /// The same in a sentence.
    pub message: String,
}

/// How far the acceptance of a loss has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AcceptedLossState {
    /// The members have not begun to use it.
    Asked,
    /// The members elect the term after it.
    UnderWay,
    /// A term was decided by it: commits that only the lost members held are gone.
    Used,
    /// The members went on without it; nothing was lost.
    NotNeeded,
    /// It cannot be followed as it is written.
    Refused,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    /// Its id, which is also its pod's name.
    pub id: String,
    /// Its role, by the topology.
    pub role: MemberRole,
    /// What it is doing.
    pub state: MemberState,
    /// The node its pod runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its claims.
    pub claims: Claims,
    /// The revision that its pod was rendered from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Replicas: whether the log arrives in bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<Lag>,
    /// What it waits for or failed at, in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Settings that wait for a restart of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending_restart: Vec<String>,
}

/// The role of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MemberRole {
    /// It takes writes.
    Primary,
    /// While a primary is being chosen: it was chosen, and is being promoted.
    Candidate,
    /// It follows the primary.
    Replica,
}

/// What a member is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MemberState {
    /// It has no pod yet.
    Absent,
    /// Its pod waits for a node, a volume or an image.
    Pending,
    /// Its pod runs; the agent has not spoken, or awaits the topology's word.
    Waiting,
    /// It makes the database.
    Initializing,
    /// It copies the data from the primary.
    Cloning,
    /// The database starts or recovers.
    Starting,
    /// A replica that follows.
    Following,
    /// The primary, serving.
    Serving,
    /// It shuts down, or its pod is being deleted.
    Stopping,
    /// It leaves the cluster.
    Leaving,
}

/// Whether a replica's log arrives in bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Lag {
    /// It does not stream.
    Detached,
    /// It streams, within the bound.
    InBound,
    /// It streams, further behind than the bound.
    Behind,
}

/// The claims of a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// The claim of its data.
    pub data: String,
}

/// Something that is awaited from outside Berth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Blocked {
    /// A word for it, for columns and alerts.
    pub reason: String,
    /// What is awaited, and on which object.
    pub on: String,
    /// Since when.
    pub since: Time,
    /// What would unblock it.
    pub unblock: String,
}

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// The proxy's name.
    pub host: String,
    /// The proxy's port.
    pub port: u16,
    /// The cluster as the proxy knows it: `namespace/name`.
    pub tenant: String,
}

/// The Secret to bind to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Binding {
    /// Its name.
    pub name: String,
}

/// The class that applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassStatus {
    /// Its name.
    pub name: String,
    /// The generation of it that applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
}

/// What applies after the class and the defaults were filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Effective {
    /// The engine.
    pub engine: String,
    /// Its version; absent where only an image is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The image.
    pub image: String,
    /// The members asked for.
    pub members: u32,
    /// The durability: `Quorum, 1 acknowledgement`.
    pub durability: String,
    /// The size of the data volume.
    pub size: String,
    /// Its storage class; absent for the default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
}
