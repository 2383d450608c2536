//! For tests: a small Kubernetes API in memory, and an operator on it.
//!
//! It keeps what the executor relies on: names are taken once, uids and resource versions are held against preconditions, merge patches merge, finalizers hold a
//! deletion. It knows no schemas, no defaults and no other controllers. It can be told to break after any effect.

mod api;

pub(crate) use api::FakeApi;

use crate::announce::Announcer;
use crate::build::Placeless;
use crate::cache::Caches;
use crate::kubernetes::{Kubernetes, Limiter};
use crate::leadership::Tenure;
use crate::metrics::Metrics;
use crate::operator::{Memories, Operator, Reports, Users};
use crate::pki::authority::{Authority, KeyAndCertificate};
use async_trait::async_trait;
use berth_core::{ClusterRef, ClusterUid};
use berth_topology::etcd::AdministrationError;
use berth_topology::{Memory, Scope, Topology, WatchEvent};
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Users that are always in order: the store in memory has its own.
struct NoUsers;

#[async_trait]
impl Users for NoUsers {
    async fn ensure(&self, _: &ClusterRef, _: &ClusterUid) -> Result<(), AdministrationError> {
        Ok(())
    }

    async fn remove(&self, _: &ClusterUid) -> Result<(), AdministrationError> {
        Ok(())
    }
}

/// A CA for all operators of a test.
pub(crate) fn authority() -> KeyAndCertificate {
    Authority::generate(Timestamp::now()).unwrap()
}

/// An operator that was just started: its caches are as the API and the topology are.
pub(crate) async fn operator(api: &FakeApi, store: &Memory, authority: &KeyAndCertificate) -> Arc<Operator> {
    let client = api.client();
    let caches = Arc::new(Caches::default());
    api.children("pods").into_iter().for_each(|pod| {
        caches.pods.seen(&serde_json::from_value::<crate::cache::SlimPod>(pod).unwrap());
    });
    api.children("persistentvolumeclaims").into_iter().for_each(|claim| {
        caches.claims.seen(&serde_json::from_value::<crate::cache::SlimClaim>(claim).unwrap());
    });
    api.children("poddisruptionbudgets").into_iter().for_each(|budget| {
        caches.budgets.seen(&serde_json::from_value::<crate::cache::SlimBudget>(budget).unwrap());
    });
    let topology: Arc<dyn Topology> = Arc::new(store.topology());
    let mut events = topology.watch(Scope::Clusters);
    if let Some(WatchEvent::Listed { records, .. }) = events.next().await {
        caches.topology.list(records);
    }
    // What else is to be told at once is told: the store in memory answers without waiting.
    while let Some(Some(WatchEvent::Changed(change))) = events.next().now_or_never() {
        caches.topology.take(*change);
    }
    let tenure = Tenure::new(Instant::now() + Duration::from_hours(1));
    let kubernetes = Kubernetes::new(client.clone(), Limiter::new(100_000, 100_000), tenure);
    let (announcer, _unheard) =
        Announcer::new(client, "test".to_owned(), tokio_util::sync::CancellationToken::new());
    Arc::new(Operator {
        kubernetes,
        topology,
        users: Arc::new(NoUsers),
        authority: Authority::load(authority, "test").unwrap(),
        caches,
        told: Placeless { agent_image: "agent".to_owned(), etcd_endpoints: "https://etcd:2379".to_owned() },
        proxy_host: "berth-proxy.berth-system.svc".to_owned(),
        announcer,
        metrics: Metrics::register(&mut Registry::default()),
        memories: Memories::default(),
        reports: Arc::new(Reports::default()),
    })
}
