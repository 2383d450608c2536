//! The keys of a cell. Each carries the cluster's uid, so that a partitioned old incarnation cannot write over its successor,
//! and ends in a way that makes no key the prefix of a longer name.

use berth_core::{ClusterRef, ClusterUid, MemberId};

/// Everything that Berth stores.
pub const ROOT: &str = "/berth/v1/";
/// Every cluster's own records.
pub const CLUSTERS: &str = "/berth/v1/clusters/";
/// Every route: what a proxy watches.
pub const ROUTES: &str = "/berth/v1/routes/";

/// The prefix of one cluster's own records.
pub fn cluster(uid: &ClusterUid) -> String {
    format!("{CLUSTERS}{uid}/")
}

/// The intent of a cluster.
pub fn intent(uid: &ClusterUid) -> String {
    format!("{CLUSTERS}{uid}/intent")
}

/// The rule of a cluster.
pub fn rule(uid: &ClusterUid) -> String {
    format!("{CLUSTERS}{uid}/rule")
}

/// The prefix of what a cluster's members say of themselves.
pub fn members(uid: &ClusterUid) -> String {
    format!("{CLUSTERS}{uid}/members/")
}

/// What one member says of itself.
pub fn member(uid: &ClusterUid, member: &MemberId) -> String {
    format!("{CLUSTERS}{uid}/members/{member}")
}

/// The route of a cluster.
pub fn route(cluster: &ClusterRef, uid: &ClusterUid) -> String {
    format!("{ROUTES}{}/{}/{uid}", cluster.namespace, cluster.name)
}
