//! Kubernetes objects, built from what was validated. Infallible and pure: the same input gives the same object.

mod budget;
mod claim;
mod member_pod;
mod owner_secret;

pub(crate) use budget::budget;
pub(crate) use claim::claim;
pub(crate) use member_pod::{Placeless, pod};
pub(crate) use owner_secret::{Binding, access_secret, owner_secret, tls_secret};

use berth_api::{DatabaseCluster, names};
use berth_core::{ClusterRef, ClusterUid, MemberId};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use std::collections::BTreeMap;

/// Whose objects are built.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    /// The cluster.
    pub(crate) cluster: ClusterRef,
    /// Its uid.
    pub(crate) uid: ClusterUid,
}

impl Owner {
    /// The labels of an object of the cluster.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        [
            (names::CLUSTER, self.cluster.name.as_str()),
            (names::CLUSTER_UID, self.uid.as_str()),
            ("app.kubernetes.io/name", "postgresql"),
            ("app.kubernetes.io/instance", self.cluster.name.as_str()),
            ("app.kubernetes.io/component", "database"),
            ("app.kubernetes.io/managed-by", names::MANAGER),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    /// The labels of an object of one member.
    pub(crate) fn labels_of(&self, member: &MemberId) -> BTreeMap<String, String> {
        let mut labels = self.labels();
        labels.insert(names::MEMBER.to_owned(), member.to_string());
        labels
    }

    /// The reference by which a pod or Secret goes with its cluster.
    pub(crate) fn reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: DatabaseCluster::api_version(&()).into_owned(),
            kind: DatabaseCluster::kind(&()).into_owned(),
            name: self.cluster.name.to_string(),
            uid: self.uid.to_string(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }
}

#[cfg(test)]
mod tests;
