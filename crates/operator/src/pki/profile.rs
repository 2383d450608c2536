//! What a leaf of each kind contains: the common name, which is the holder's etcd user, and the names that peers demand.

use berth_core::ids::identity_name;
use berth_core::{ClusterUid, MemberId};
use std::collections::BTreeSet;

/// The operator's etcd user; it alone has etcd's role `root`.
pub(crate) const OPERATOR: &str = "berth-operator";
/// The proxies' etcd user.
pub(crate) const PROXY: &str = "berth-proxy";
/// The etcd servers' name among themselves.
pub(crate) const ETCD: &str = "berth-etcd";
/// The most etcd members that the manifests know, and so the names that their certificate must carry.
const ETCD_MEMBERS: u8 = 3;

/// What a leaf is to contain. Every leaf serves both ways: as a server's certificate and as a client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    /// The common name.
    pub(crate) common_name: String,
    /// DNS names and IP addresses, in the order of the text.
    pub(crate) names: BTreeSet<String>,
}

impl Profile {
    /// The operator's own: it dials etcd and serves nobody.
    pub(crate) fn operator() -> Self {
        Self { common_name: OPERATOR.to_owned(), names: BTreeSet::from([OPERATOR.to_owned()]) }
    }

    /// The proxies': towards tenants under the Service's names and under one wildcard for all tenants' names.
    pub(crate) fn proxy(namespace: &str, tenant_suffix: &str) -> Self {
        let mut names = service_names(PROXY, namespace);
        names.insert(format!("*.{tenant_suffix}"));
        Self { common_name: PROXY.to_owned(), names }
    }

    /// The etcd servers': one leaf for all members, towards clients and among themselves.
    pub(crate) fn etcd(namespace: &str) -> Self {
        let mut names = service_names(ETCD, namespace);
        for member in 0..ETCD_MEMBERS {
            names.extend(service_names(&format!("{ETCD}-{member}"), namespace));
        }
        Self { common_name: ETCD.to_owned(), names }
    }

    /// A member's: its cluster's uid is its etcd user, its identity is its name.
    pub(crate) fn member(member: &MemberId, cluster: &ClusterUid) -> Self {
        Self { common_name: cluster.to_string(), names: BTreeSet::from([identity_name(member, cluster)]) }
    }
}

/// The names under which a Service is reached from inside and, by a port-forward, from this machine.
fn service_names(service: &str, namespace: &str) -> BTreeSet<String> {
    BTreeSet::from([
        service.to_owned(),
        format!("{service}.{namespace}.svc"),
        format!("{service}.{namespace}.svc.cluster.local"),
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
    ])
}
