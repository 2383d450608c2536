//! What every reconcile has at hand: the way to the API, the topology, the authority, the caches, and what is remembered of each
//! cluster between two reconciles.
//!
//! The memory is only a convenience: every part of it is learned anew after a restart.

use crate::announce::Announcer;
use crate::build::Placeless;
use crate::cache::Caches;
use crate::kubernetes::Kubernetes;
use crate::metrics::Metrics;
use crate::observe::{Lookups, SecretsSeen};
use crate::pki::authority::Authority;
use async_trait::async_trait;
use berth_core::plan::{Refusal, Refused, Report};
use berth_core::{ClusterRef, ClusterUid};
use berth_topology::Topology;
use berth_topology::etcd::{Administration, AdministrationError};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// The users and rights in the topology.
#[async_trait]
pub(crate) trait Users: Send + Sync {
    /// Makes a cluster's user and its rights.
    async fn ensure(&self, cluster: &ClusterRef, uid: &ClusterUid) -> Result<(), AdministrationError>;
    /// Removes a cluster's user and its rights.
    async fn remove(&self, uid: &ClusterUid) -> Result<(), AdministrationError>;
}

#[async_trait]
impl Users for Administration {
    async fn ensure(&self, cluster: &ClusterRef, uid: &ClusterUid) -> Result<(), AdministrationError> {
        self.ensure_cluster(cluster, uid).await
    }

    async fn remove(&self, uid: &ClusterUid) -> Result<(), AdministrationError> {
        self.remove_cluster(uid).await
    }
}

/// What every reconcile has at hand.
pub(crate) struct Operator {
    /// The way to the API.
    pub(crate) kubernetes: Kubernetes,
    /// The records.
    pub(crate) topology: Arc<dyn Topology>,
    /// Users and rights.
    pub(crate) users: Arc<dyn Users>,
    /// The CA.
    pub(crate) authority: Authority,
    /// What the watches tell.
    pub(crate) caches: Arc<Caches>,
    /// What every pod is told.
    pub(crate) told: Placeless,
    /// The name by which tenants find the proxies.
    pub(crate) proxy_host: String,
    /// Events for people.
    pub(crate) announcer: Announcer,
    /// Counts.
    pub(crate) metrics: Metrics,
    /// What is remembered of each cluster, by uid.
    pub(crate) memories: Memories,
    /// The last report on each cluster, for the admin page.
    pub(crate) reports: Arc<Reports>,
}

/// What is remembered of one cluster.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// What the API refused and has not accepted since.
    pub(crate) refused: BTreeMap<Refused, Refusal>,
    /// The Secrets as they were last read.
    pub(crate) secrets: Option<SecretsSeen>,
    /// What was looked up and holds for a while.
    pub(crate) lookups: Lookups,
    /// Reconciles in a row that failed in something.
    pub(crate) failures: u32,
    /// Whether the cluster was let go: nothing needs to be remembered of it.
    pub(crate) gone: bool,
    /// The generation whose damage was reported last.
    pub(crate) damaged: Option<i64>,
}

/// The memories of all clusters.
#[derive(Debug, Default)]
pub(crate) struct Memories(Mutex<HashMap<String, Memory>>);

impl Memories {
    /// Takes a cluster's memory out. There is one reconcile of a cluster at a time, so that nobody else asks for it meanwhile.
    pub(crate) fn take(&self, uid: &str) -> Memory {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid).unwrap_or_default()
    }

    /// Puts it back.
    pub(crate) fn keep(&self, uid: &str, memory: Memory) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.to_owned(), memory);
    }
}

/// The last report on each cluster.
#[derive(Default)]
pub(crate) struct Reports(Mutex<BTreeMap<ClusterRef, Arc<Report>>>);

impl Reports {
    /// Notes a report.
    pub(crate) fn note(&self, cluster: &ClusterRef, report: Report) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(cluster.clone(), Arc::new(report));
    }

    /// Forgets a cluster that is gone.
    pub(crate) fn forget(&self, cluster: &ClusterRef) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(cluster);
    }

    /// All of them.
    pub(crate) fn all(&self) -> BTreeMap<ClusterRef, Arc<Report>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
