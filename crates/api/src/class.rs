//! `ClusterClass`: defaults, images and bounds that many clusters share.
//!
//! Everything a class gives, a cluster may say itself, within the bounds. What belongs to one cluster alone (its database, its
//! Secret, where its data comes from, whether it is paused) is not here.

use crate::cluster::durability::Durability;
use crate::cluster::placement::{Placement, Resources};
use crate::schema::size;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Defaults, images and bounds that many clusters share.
#[expect(clippy::duplicated_attributes, reason = "two columns that show the same kind of value")]
#[derive(CustomResource, KubeSchema, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "berth.dev",
    version = "v1alpha1",
    kind = "ClusterClass",
    plural = "clusterclasses",
    category = "berth",
    derive = "PartialEq",
    doc = "Defaults, images and bounds that many database clusters share.",
    printcolumn(name = "Members", type_ = "integer", json_path = ".spec.members"),
    printcolumn(name = "Size", type_ = "string", json_path = ".spec.storage.data.size"),
    printcolumn(name = "Storage", type_ = "string", json_path = ".spec.storage.data.class"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.members) || !has(self.durability) || !has(self.durability.acks) || self.durability.acks < self.members")
        .message("durability.acks must be lower than members: the primary does not acknowledge to itself; raise members or lower acks"),
)]
pub struct ClusterClassSpec {
    /// Defaults and images, by engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<ClassEngine>,

    /// How many members a cluster has if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16))]
    pub members: Option<u32>,

    /// The durability of a cluster that does not say; each field on its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durability: Option<Durability>,

    /// The volumes of a cluster that does not say; each field on its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<ClassStorage>,

    /// The resources of a cluster that names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,

    /// The placement of a cluster that names none; each field on its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,

    /// What a cluster may not exceed, whoever said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<Bounds>,
}

/// Defaults and images, by engine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassEngine {
    /// PostgreSQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<ClassPostgres>,
}

/// Defaults and images of PostgreSQL.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassPostgres {
    /// The version of a cluster that does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[1-9][0-9](\.[0-9]{1,3})?$"), length(max = 6))]
    pub version: Option<String>,

    /// The image of each version. If any are given, a cluster's version must be among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 50))]
    pub images: BTreeMap<String, String>,

    /// Settings; a cluster's own go over them one by one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::cluster::engine::parameters")]
    pub parameters: BTreeMap<String, String>,
}

/// The volumes of a cluster that does not say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassStorage {
    /// The volume of the data.
    #[serde(default)]
    pub data: ClassVolume,
}

/// One volume of each member. A class may change it: existing clusters keep the storage class of their volumes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassVolume {
    /// Its size, such as `20Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "size")]
    pub size: Option<Quantity>,

    /// Its storage class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class: Option<String>,
}

/// What a cluster may not exceed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bounds {
    /// The largest volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "size")]
    pub max_size: Option<Quantity>,

    /// The most members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16))]
    pub max_members: Option<u32>,

    /// The storage classes to choose from; any, if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub storage_classes: Vec<String>,
}
