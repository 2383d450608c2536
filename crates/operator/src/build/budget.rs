//! The disruption budget of a cluster's pods.

use super::Owner;
use berth_api::names;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ObjectMeta;

/// The disruption budget: an eviction is refused unless so many pods stay available.
///
/// A number and not a share, because Kubernetes can reckon shares only of pods whose controller it knows. A pod that is not ready may be evicted at any time: it serves
/// nobody, and a node that it holds could otherwise never be emptied.
pub(crate) fn budget(owner: &Owner, min_available: u32) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: ObjectMeta {
            name: Some(names::budget(owner.cluster.name.as_str())),
            namespace: Some(owner.cluster.namespace.to_string()),
            labels: Some(owner.labels()),
            owner_references: Some(vec![owner.reference()]),
            ..ObjectMeta::default()
        },
        spec: Some(PodDisruptionBudgetSpec {
            min_available: Some(IntOrString::Int(i32::try_from(min_available).unwrap_or(i32::MAX))),
            selector: Some(LabelSelector {
                match_labels: Some([(names::CLUSTER_UID.to_owned(), owner.uid.to_string())].into()),
                ..LabelSelector::default()
            }),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}
