//! A member's data claim. It has no owner: it outlives the cluster.

use super::Owner;
use crate::validate::Rendering;
use berth_api::names;
use berth_core::MemberId;
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::ObjectMeta;

/// The data claim of a member.
///
/// It asks for `ReadWriteOnce`, which every storage class gives; that one process uses the volume is seen to by the pod's
/// finalizer and by the agent's lock on the volume.
pub(crate) fn claim(owner: &Owner, member: &MemberId, rendering: &Rendering) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(names::data_claim(member.as_str())),
            namespace: Some(owner.cluster.namespace.to_string()),
            labels: Some(owner.labels_of(member)),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), Quantity(rendering.size.clone()))].into()),
                ..VolumeResourceRequirements::default()
            }),
            storage_class_name: rendering.storage_class.clone(),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}
