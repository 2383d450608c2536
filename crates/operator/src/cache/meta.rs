//! The metadata that is kept of a cached object. Managed fields, which are most of it on the wire, are never even allocated.

use berth_api::names;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Metadata as it is read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SlimMeta {
    name: String,
    namespace: Option<String>,
    uid: String,
    resource_version: String,
    creation_timestamp: Option<Timestamp>,
    deletion_timestamp: Option<Timestamp>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    finalizers: Vec<String>,
    owner_references: Vec<OwnerReference>,
}

/// The prefix of what is ours among labels and annotations.
const OURS: &str = "berth.dev/";

impl From<SlimMeta> for ObjectMeta {
    /// Keeps ours of labels and annotations, and the owner that controls.
    fn from(slim: SlimMeta) -> Self {
        let ours = |map: BTreeMap<String, String>| -> BTreeMap<String, String> {
            map.into_iter().filter(|(key, _)| key.starts_with(OURS)).collect()
        };
        Self {
            name: Some(slim.name),
            namespace: slim.namespace,
            uid: Some(slim.uid),
            resource_version: Some(slim.resource_version),
            creation_timestamp: slim.creation_timestamp.map(Time),
            deletion_timestamp: slim.deletion_timestamp.map(Time),
            labels: Some(ours(slim.labels)).filter(|map| !map.is_empty()),
            annotations: Some(ours(slim.annotations)).filter(|map| !map.is_empty()),
            finalizers: Some(slim.finalizers).filter(|list| !list.is_empty()),
            owner_references: Some(
                slim.owner_references.into_iter().filter(|o| o.controller == Some(true)).collect(),
            )
            .filter(|list: &Vec<_>| !list.is_empty()),
            ..Self::default()
        }
    }
}

/// A label of ours.
pub(super) fn label<'a>(meta: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    meta.labels.as_ref()?.get(key).map(String::as_str)
}

/// An annotation of ours.
pub(super) fn annotation<'a>(meta: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    meta.annotations.as_ref()?.get(key).map(String::as_str)
}

/// Whether a finalizer is on it.
pub(super) fn has_finalizer(meta: &ObjectMeta, finalizer: &str) -> bool {
    meta.finalizers.as_ref().is_some_and(|list| list.iter().any(|one| one == finalizer))
}

/// The uid of the `DatabaseCluster` that controls it.
pub(super) fn controller(meta: &ObjectMeta) -> Option<&str> {
    let owner = meta.owner_references.as_ref()?.iter().find(|owner| owner.controller == Some(true))?;
    let ours =
        owner.kind == "DatabaseCluster" && owner.api_version.split('/').next() == Some(berth_api::GROUP);
    ours.then_some(owner.uid.as_str())
}

/// When it was made, as the planner counts.
pub(super) fn created(meta: &ObjectMeta) -> berth_core::plan::Time {
    berth_core::plan::Time(meta.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()))
}

/// The cluster that it is labelled with: namespace, name, uid.
pub(super) fn cluster(meta: &ObjectMeta) -> Option<(String, String, String)> {
    Some((
        meta.namespace.clone()?,
        label(meta, names::CLUSTER)?.to_owned(),
        label(meta, names::CLUSTER_UID)?.to_owned(),
    ))
}
