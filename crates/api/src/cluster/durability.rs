//! How many members a commit is on before it is acknowledged.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many members a commit is on before it is acknowledged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.acks) || !has(self.mode) || self.mode == 'Quorum'")
        .message("durability.acks belongs to mode Quorum: All waits for every replica and Async for none; remove acks or set mode: Quorum"),
    validation = Rule::new("!has(self.onLoss) || !has(self.mode) || self.mode != 'Async'")
        .message("durability.onLoss belongs to modes Quorum and All: in mode Async no commit waits for a replica; remove onLoss or set another mode"),
)]
pub struct Durability {
    /// Quorum if neither the cluster nor its class says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<DurabilityMode>,

    /// Mode Quorum: how many replicas must have flushed a commit. 1 if neither the cluster nor its class says; nothing is waited
    /// for in a cluster of one member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 15))]
    pub acks: Option<u32>,

    /// What happens when fewer replicas are there than a commit waits for. Block if neither the cluster nor its class says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_loss: Option<OnLoss>,
}

/// Who must acknowledge a commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DurabilityMode {
    /// Any `acks` replicas. An acknowledged commit survives the loss of `acks` members at once.
    #[default]
    Quorum,
    /// Nobody but the primary: the loss of the primary may lose the last commits.
    Async,
    /// Every replica: one that is away stops writes.
    All,
}

/// What happens when fewer replicas are there than a commit waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnLoss {
    /// Commits wait until replicas return: nothing that was acknowledged is lost, and nothing is written meanwhile.
    #[default]
    Block,
    /// The primary goes on with those who are there, or alone, until they return; the condition Durable says so. A commit that was
    /// acknowledged meanwhile may be on the primary alone, and while it is alone no other member is elected.
    Degrade,
}
