//! The watches that fill the caches and wake the clusters concerned.
//!
//! Each runs for ever, lists anew by itself after a gap, and backs off with jitter when the API server is away. Nothing is reconciled before
//! each has listed once.

use super::Caches;
use super::index::{Child, Index, Place};
use super::nodes::SlimNode;
use berth_api::{ClusterClass, DatabaseCluster, names};
use berth_service::Chain;
use futures::{StreamExt, TryStreamExt};
use kube::core::DeserializeGuard;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{WatchStreamExt, reflector::Store};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tracing::warn;

/// The object that is reconciled; a damaged one is reported instead of stalling the others.
type Guarded = DeserializeGuard<DatabaseCluster>;

/// Wakes clusters, and tells when a feed has listed once.
#[derive(Clone)]
pub(crate) struct Wake {
    queue: mpsc::UnboundedSender<ObjectRef<Guarded>>,
    listed: watch::Sender<u32>,
}

impl Wake {
    /// A wake and the queue that it fills. The queue holds names only, and its reader takes each at once into a set, so that it cannot
    /// grow beyond what one relist names.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<ObjectRef<Guarded>>) {
        let (queue, receiver) = mpsc::unbounded_channel();
        (Self { queue, listed: watch::Sender::new(0) }, receiver)
    }

    /// Wakes one cluster.
    pub(crate) fn one(&self, (namespace, name): Place) {
        // The queue is closed only when the process ends.
        drop(self.queue.send(ObjectRef::new(&name).within(&namespace)));
    }

    fn all(&self, places: impl IntoIterator<Item = Place>) {
        places.into_iter().for_each(|place| self.one(place));
    }

    /// One feed has listed for the first time.
    pub(crate) fn feed_is_ready(&self) {
        self.listed.send_modify(|count| *count += 1);
    }

    /// Waits until so many feeds have listed.
    pub(crate) async fn feeds_are_ready(&self, count: u32) {
        let mut listed = self.listed.subscribe();
        // The sender is in `self`, so that the wait cannot end by its closing.
        drop(listed.wait_for(|ready| *ready >= count).await);
    }
}

/// Keeps the index of one kind of children in step.
pub(crate) async fn feed_children<K>(
    client: Client,
    index: impl Fn(&Caches) -> &Index<K::Kept>,
    caches: Arc<Caches>,
    wake: Wake,
) where
    K: Child + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let config = watcher::Config::default().labels(names::CLUSTER_UID);
    let index = index(&caches);
    let mut first = true;
    follow(Api::<K>::all(client), config, |event| match event {
        Event::Init => index.list_begins(),
        Event::InitApply(object) | Event::Apply(object) => wake.all(index.seen(&object)),
        Event::InitDone => {
            wake.all(index.list_ends());
            if std::mem::take(&mut first) {
                wake.feed_is_ready();
            }
        }
        Event::Delete(object) => wake.all(index.gone(&object)),
    })
    .await;
}

/// Keeps the nodes in step, and wakes the clusters that have a pod on one that changed.
pub(crate) async fn feed_nodes(client: Client, caches: Arc<Caches>, wake: Wake) {
    let mut first = true;
    let mut listed = BTreeSet::new();
    let on = |node: &str| {
        wake.all(caches.pods.clusters_where(|pod| pod.node.as_ref().is_some_and(|of| of.name == node)));
    };
    follow(Api::<SlimNode>::all(client), watcher::Config::default(), |event| match event {
        Event::Init => listed.clear(),
        Event::InitApply(node) | Event::Apply(node) => {
            listed.extend(node.meta().name.clone());
            if let Some(name) = caches.nodes.put(&node) {
                on(&name);
            }
        }
        Event::InitDone => {
            caches.nodes.retain(&listed).iter().for_each(|name| on(name));
            if std::mem::take(&mut first) {
                wake.feed_is_ready();
            }
        }
        Event::Delete(node) => {
            if let Some(name) = caches.nodes.remove(&node) {
                on(&name);
            }
        }
    })
    .await;
}

/// Keeps the classes in step, and wakes the clusters of one that changed.
pub(crate) async fn feed_classes(client: Client, clusters: Store<Guarded>, caches: Arc<Caches>, wake: Wake) {
    let mut first = true;
    let mut listed = BTreeSet::new();
    let of = |class: &str| {
        let uses =
            |guarded: &Guarded| guarded.0.as_ref().is_ok_and(|c| c.spec.class.as_deref() == Some(class));
        wake.all(
            clusters
                .state()
                .iter()
                .filter(|guarded| uses(guarded))
                .filter_map(|guarded| Some((guarded.namespace()?, guarded.name_any()))),
        );
    };
    follow(Api::<ClusterClass>::all(client), watcher::Config::default(), |event| match event {
        Event::Init => listed.clear(),
        Event::InitApply(class) | Event::Apply(class) => {
            let name = class.name_any();
            listed.insert(name.clone());
            caches.classes.put(name.clone(), class);
            of(&name);
        }
        Event::InitDone => {
            caches.classes.retain(&listed);
            if std::mem::take(&mut first) {
                wake.feed_is_ready();
            }
        }
        Event::Delete(class) => {
            caches.classes.remove(&class.name_any());
            of(&class.name_any());
        }
    })
    .await;
}

/// Follows a watch for ever.
async fn follow<K>(api: Api<K>, config: watcher::Config, mut take: impl FnMut(Event<K>))
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut events = watcher(api, config).default_backoff().into_stream().boxed();
    loop {
        match events.try_next().await {
            Ok(Some(event)) => take(event),
            Ok(None) => return,
            Err(failure) => {
                warn!(kind = %K::kind(&()), error = %Chain(&failure), "a watch broke; it is resumed");
            }
        }
    }
}
