//! What the operator keeps of the world, so that a cluster at rest costs no call: slim pods, claims, budgets, nodes, classes and the topology.
//!
//! Caches trigger and inform, they never authorise: whoever deletes reads again. Everything is kept by cluster uid, because that is how it is
//! asked for, ten thousand times over.

mod budgets;
mod claims;
mod feed;
mod index;
mod meta;
mod nodes;
mod pods;
mod slim;
mod topology;

pub(crate) use budgets::SlimBudget;
pub(crate) use claims::{CachedClaim, SlimClaim};
pub(crate) use feed::{Wake, feed_children, feed_classes, feed_nodes};
pub(crate) use index::{Child, Index};
pub(crate) use nodes::{Nodes, SlimNode};
pub(crate) use pods::{CachedPod, SlimPod};
pub(crate) use topology::{TopologyCache, feed_topology};

use berth_api::ClusterClass;
use berth_core::plan::Budget;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// All caches of the process.
#[derive(Default)]
pub(crate) struct Caches {
    /// Pods of members.
    pub(crate) pods: Index<CachedPod>,
    /// Claims of members.
    pub(crate) claims: Index<CachedClaim>,
    /// Disruption budgets of clusters.
    pub(crate) budgets: Index<Budget>,
    /// Every node.
    pub(crate) nodes: Nodes,
    /// Every class.
    pub(crate) classes: Classes,
    /// Every cluster's records.
    pub(crate) topology: TopologyCache,
}

/// The classes, by name.
#[derive(Default)]
pub(crate) struct Classes(RwLock<BTreeMap<String, Arc<ClusterClass>>>);

impl Classes {
    /// A class.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<ClusterClass>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Takes over a class.
    fn put(&self, name: String, class: ClusterClass) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::new(class));
    }

    /// Forgets a class.
    fn remove(&self, name: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Forgets all that are not named.
    fn retain(&self, names: &std::collections::BTreeSet<String>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|name, _| names.contains(name));
    }
}
