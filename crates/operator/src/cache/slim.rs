//! An object of Kubernetes of which only what the planner needs is kept: about half a kilobyte instead of the tens that the API sends.
//!
//! What is kept of each kind is in a file of its own; what all have in common is here.

use super::index::Child;
use super::meta::{self, SlimMeta};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt::Debug;

/// What is read and kept of one kind.
pub(crate) trait View: Debug + Clone + Send + Sync + 'static {
    /// The kind as the API has it.
    type Kind: Resource<DynamicType = ()>;
    /// What is read of its spec.
    type Spec: DeserializeOwned + Default;
    /// What is read of its status.
    type Status: DeserializeOwned + Default;
    /// What is kept of it.
    type Kept: Debug + Clone + PartialEq + Send + Sync;

    /// What is kept of an object; none if it lacks what every object has.
    fn keep(meta: &ObjectMeta, spec: Self::Spec, status: Self::Status) -> Option<Self::Kept>;
}

/// An object as a watch reads it.
#[derive(Debug, Clone)]
pub(crate) struct Slim<V: View> {
    metadata: ObjectMeta,
    kept: Option<V::Kept>,
}

/// An object on the wire.
#[derive(Deserialize)]
struct Wire<Spec, Status> {
    #[serde(default)]
    metadata: SlimMeta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

impl<'de, V: View> Deserialize<'de> for Slim<V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Wire::<V::Spec, V::Status> { metadata, spec, status } = Wire::deserialize(from)?;
        let metadata = ObjectMeta::from(metadata);
        let kept = V::keep(&metadata, spec, status);
        Ok(Self { metadata, kept })
    }
}

impl<V: View> Child for Slim<V> {
    type Kept = V::Kept;

    fn kept(&self) -> Option<Self::Kept> {
        self.kept.clone()
    }

    fn cluster(&self) -> Option<(String, String, String)> {
        meta::cluster(&self.metadata)
    }
}

impl<V: View> Resource for Slim<V> {
    type DynamicType = ();
    type Scope = <V::Kind as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        V::Kind::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        V::Kind::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        V::Kind::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        V::Kind::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
