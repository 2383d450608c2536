//! Children by the uid of their cluster, with what this process itself wrote kept until the watch has seen it.
//!
//! An answer of the API server to our own create or patch is newer than the watch. It is put in at once and stands as an expectation: an older
//! event does not replace it, a list without it does not remove it, until it was observed or its time is over. So the next plan never
//! repeats an effect because a cache was slow, and a lost event costs no more than the expiry. The other way round an answer that comes later than the
//! event of the object's end does not bring it back: a uid that went never returns.

use kube::Resource;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;
use tokio::time::Instant;

/// How long an expectation stands. A watch that is half a minute behind is broken, and reconnects sooner than that.
const EXPECTED_FOR: Duration = Duration::from_secs(30);

/// An object that belongs to a cluster by its labels.
pub(crate) trait Child: Resource<DynamicType = ()> {
    /// What is kept of it.
    type Kept: Clone + PartialEq + Debug + Send + Sync;
    /// What is kept of it; none if it lacks what every object has.
    fn kept(&self) -> Option<Self::Kept>;
    /// The cluster that it is labelled with: namespace, name, uid.
    fn cluster(&self) -> Option<(String, String, String)>;
}

/// Where a cluster is: namespace and name.
pub(crate) type Place = (String, String);

/// The children of all clusters.
#[derive(Debug)]
pub(crate) struct Index<T> {
    inner: RwLock<Inner<T>>,
}

#[derive(Debug)]
struct Inner<T> {
    clusters: HashMap<String, BTreeMap<Place, Entry<T>>>,
    /// Names seen so far in a list that is under way.
    listing: Option<BTreeSet<(String, Place)>>,
    /// Uids whose end was told lately.
    gone: HashMap<String, Instant>,
}

#[derive(Debug)]
struct Entry<T> {
    value: T,
    cluster: Place,
    uid: String,
    version: u64,
    expected: Option<Instant>,
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        Self { inner: RwLock::new(Inner { clusters: HashMap::new(), listing: None, gone: HashMap::new() }) }
    }
}

impl<T: Clone + PartialEq> Index<T> {
    /// The children of a cluster, by name.
    pub(crate) fn of(&self, uid: &str) -> BTreeMap<String, T> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        inner.clusters.get(uid).map_or_else(BTreeMap::new, |children| {
            children
                .iter()
                // What the watch never confirmed in all that time is not there.
                .filter(|(_, entry)| entry.expected.is_none_or(|until| now < until))
                .map(|((_, name), entry)| (name.clone(), entry.value.clone()))
                .collect()
        })
    }

    /// The clusters that have a child of which this holds.
    pub(crate) fn clusters_where(&self, holds: impl Fn(&T) -> bool) -> BTreeSet<Place> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner
            .clusters
            .values()
            .flat_map(BTreeMap::values)
            .filter(|entry| holds(&entry.value))
            .map(|entry| entry.cluster.clone())
            .collect()
    }

    /// Takes over an event of the watch; the cluster to wake, if anything that is kept changed.
    pub(crate) fn seen<K: Child<Kept = T>>(&self, object: &K) -> Option<Place> {
        self.put(object, None)
    }

    /// Takes over the API server's answer to an effect of our own.
    pub(crate) fn wrote<K: Child<Kept = T>>(&self, object: &K) {
        self.put(object, Some(Instant::now() + EXPECTED_FOR));
    }

    fn put<K: Child<Kept = T>>(&self, object: &K, expected: Option<Instant>) -> Option<Place> {
        let (namespace, name, uid) = object.cluster()?;
        let value = object.kept()?;
        let meta = object.meta();
        let key = (meta.namespace.clone()?, meta.name.clone()?);
        let version = version(object);
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if expected.is_none()
            && let Some(listing) = &mut inner.listing
        {
            listing.insert((uid.clone(), key.clone()));
        }
        let own_uid = meta.uid.clone().unwrap_or_default();
        if expected.is_some() && inner.gone.contains_key(&own_uid) {
            return None;
        }
        let children = inner.clusters.entry(uid).or_default();
        if let Some(old) = children.get(&key) {
            let same = own_uid == old.uid;
            let stands = old.expected.is_some_and(|until| Instant::now() < until);
            // Older than what we know to have happened, or an answer to what the watch has told already.
            if same && (version < old.version && stands || version <= old.version && expected.is_some()) {
                return None;
            }
        }
        let cluster = (namespace, name);
        let changed = children.get(&key).is_none_or(|old| old.value != value);
        let entry = Entry { value, cluster: cluster.clone(), uid: own_uid, version, expected };
        children.insert(key, entry);
        changed.then_some(cluster)
    }

    /// Takes over a removal; the cluster to wake.
    pub(crate) fn gone<K: Child<Kept = T>>(&self, object: &K) -> Option<Place> {
        let (_, _, uid) = object.cluster()?;
        let meta = object.meta();
        let key = (meta.namespace.clone()?, meta.name.clone()?);
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        inner.gone.retain(|_, at| now < *at + EXPECTED_FOR);
        inner.gone.insert(meta.uid.clone().unwrap_or_default(), now);
        let children = inner.clusters.get_mut(&uid)?;
        // A successor of the same name is another object.
        if children.get(&key).is_none_or(|entry| meta.uid.as_deref() != Some(entry.uid.as_str())) {
            return None;
        }
        let removed = children.remove(&key);
        if children.is_empty() {
            inner.clusters.remove(&uid);
        }
        removed.map(|entry| entry.cluster)
    }

    /// A list begins: what it does not name is gone when it ends.
    pub(crate) fn list_begins(&self) {
        self.inner.write().unwrap_or_else(PoisonError::into_inner).listing = Some(BTreeSet::new());
    }

    /// The list ended; the clusters of what it did not name.
    pub(crate) fn list_ends(&self) -> BTreeSet<Place> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let Some(listing) = inner.listing.take() else { return BTreeSet::new() };
        let now = Instant::now();
        let mut woken = BTreeSet::new();
        for (uid, children) in &mut inner.clusters {
            children.retain(|key, entry| {
                let stays = listing.contains(&(uid.clone(), key.clone()))
                    || entry.expected.is_some_and(|until| now < until);
                if !stays {
                    woken.insert(entry.cluster.clone());
                }
                stays
            });
        }
        inner.clusters.retain(|_, children| !children.is_empty());
        woken
    }
}

/// A resource version as a number. The API server promises that those of one kind compare, from Kubernetes 1.35 on and in fact ever since; one that is no
/// number counts as the oldest, which makes every event of the watch replace it.
fn version<K: Resource>(object: &K) -> u64 {
    object.meta().resource_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::pods::SlimPod;
    use super::*;
    use berth_core::plan::Pod;
    use serde_json::json;

    fn pod(uid: &str, version: u64) -> SlimPod {
        serde_json::from_value(json!({"metadata": {
            "name": "orders-7k2qd", "namespace": "shop", "uid": uid, "resourceVersion": version.to_string(),
            "labels": {"berth.dev/cluster": "orders", "berth.dev/cluster-uid": "c1", "berth.dev/member": "orders-7k2qd"},
        }}))
        .unwrap()
    }

    fn version_of(index: &Index<Pod>) -> Option<String> {
        index.of("c1").get("orders-7k2qd").map(|pod| pod.resource_version.clone())
    }

    fn place() -> Place {
        ("shop".to_owned(), "orders".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn what_we_wrote_is_not_undone_by_an_older_event() {
        let index = Index::default();
        index.wrote(&pod("a", 7));
        assert_eq!(index.seen(&pod("a", 5)), None);
        assert_eq!(version_of(&index).as_deref(), Some("7"));
        assert_eq!(index.seen(&pod("a", 8)), Some(place()));
        assert_eq!(version_of(&index).as_deref(), Some("8"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_expectation_survives_a_list_until_it_expires() {
        let index = Index::<Pod>::default();
        index.wrote(&pod("a", 7));
        index.list_begins();
        assert!(index.list_ends().is_empty());
        assert!(version_of(&index).is_some());
        tokio::time::advance(EXPECTED_FOR).await;
        index.list_begins();
        assert_eq!(index.list_ends(), BTreeSet::from([place()]));
        assert_eq!(version_of(&index), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_comes_after_the_end_does_not_bring_back_the_dead() {
        let index = Index::<Pod>::default();
        index.seen(&pod("a", 7));
        assert_eq!(index.gone(&pod("a", 9)), Some(place()));
        index.wrote(&pod("a", 8));
        assert_eq!(version_of(&index), None);
        index.wrote(&pod("b", 10));
        assert_eq!(version_of(&index).as_deref(), Some("10"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_watch_confirms_is_not_believed_for_ever_and_what_one_told_is() {
        let index = Index::<Pod>::default();
        index.wrote(&pod("a", 7));
        tokio::time::advance(EXPECTED_FOR).await;
        assert_eq!(version_of(&index), None);
        index.seen(&pod("b", 9));
        index.wrote(&pod("b", 9));
        tokio::time::advance(EXPECTED_FOR).await;
        assert_eq!(version_of(&index).as_deref(), Some("9"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_removes_what_it_does_not_name() {
        let index = Index::<Pod>::default();
        index.seen(&pod("a", 1));
        index.list_begins();
        index.seen(&pod("a", 1));
        assert!(index.list_ends().is_empty());
        index.list_begins();
        assert_eq!(index.list_ends(), BTreeSet::from([place()]));
    }

    #[tokio::test(start_paused = true)]
    async fn the_removal_of_a_predecessor_does_not_remove_its_successor() {
        let index = Index::<Pod>::default();
        index.wrote(&pod("b", 9));
        assert_eq!(index.gone(&pod("a", 8)), None);
        assert!(version_of(&index).is_some());
        assert_eq!(index.gone(&pod("b", 10)), Some(place()));
        assert_eq!(version_of(&index), None);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_wakes_when_nothing_that_is_kept_changed() {
        let index = Index::<Pod>::default();
        assert!(index.seen(&pod("a", 1)).is_some());
        assert!(index.seen(&pod("a", 1)).is_none());
    }
}
