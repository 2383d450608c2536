//! The newest route known of each cluster. Never goes back, whatever the store says; serves while the store is away.
//!
//! Records are compared per cluster uid, so that a cluster that was deleted and made anew under its old name starts anew.

use berth_core::topology::{Admission, Phase, Route};
use berth_core::{ClusterRef, ClusterUid, MemberId, Term};
use berth_topology::{Change, Continuity, Revision, Stored};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

/// The revision of a route that was told by a store which is gone: below all that a store counts.
const OTHER_STORE: Revision = Revision(0);

/// A route as it is known now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// The record.
    pub route: Route,
    /// When it was written.
    pub revision: Revision,
    /// The record was removed: the cluster is gone.
    pub gone: bool,
}

impl Current {
    /// The primary, if its volume is full.
    pub fn full(&self) -> Option<&MemberId> {
        let full = !self.route.space.is_ample() && !self.gone;
        self.route.primary.as_ref().filter(|_| full).map(|primary| &primary.member)
    }
}

/// Where to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Whose database it must be.
    pub cluster: ClusterUid,
    /// Which member it must be.
    pub member: MemberId,
    /// `address:port`.
    pub address: String,
    /// The term that it must have, or a higher one.
    pub term: Term,
}

/// One incarnation of a cluster. Sessions hold on to it and hear of every newer route.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub cluster: ClusterRef,
    /// Which incarnation.
    pub uid: ClusterUid,
    /// The revision at which it was first seen: of two incarnations under one name the later counts.
    appeared: AtomicI64,
    current: watch::Sender<Current>,
    held: AtomicUsize,
}

/// A client that waits for a primary. Counted until dropped.
#[derive(Debug)]
pub struct Holding(Arc<Entry>);

impl Drop for Holding {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Entry {
    /// Hears of every newer route.
    pub fn subscribe(&self) -> watch::Receiver<Current> {
        self.current.subscribe()
    }

    /// The newest route.
    pub fn current(&self) -> Current {
        self.current.borrow().clone()
    }

    /// Where its tenants go, if anywhere now.
    pub fn target(&self) -> Option<Target> {
        let current = self.current.borrow();
        let Route { term, phase, admission, ref primary, cluster: _, replicas: _, space: _ } = current.route;
        let primary = primary.as_ref().filter(|_| opens(phase, admission) && !current.gone)?;
        Some(Target {
            cluster: self.uid.clone(),
            member: primary.member.clone(),
            address: primary.address.clone(),
            term,
        })
    }

    /// Whether something new may be begun at a primary that said that it serves in this term.
    pub fn admits(&self, term: Term) -> bool {
        let current = self.current.borrow();
        let Route { term: newest, phase, admission, ref primary, cluster: _, replicas: _, space: _ } =
            current.route;
        newest <= term && opens(phase, admission) && primary.is_some() && !current.gone
    }

    /// Waits until the route is of a higher term.
    pub async fn superseded(&self, term: Term) {
        let newer = |current: &Current| current.route.term > term;
        // The sender is our own: the watch does not end before us.
        drop(self.subscribe().wait_for(newer).await);
    }

    /// Takes a place among those that wait, unless there are `most` already.
    pub fn hold(self: &Arc<Self>, most: usize) -> Option<Holding> {
        let holding = Holding(Arc::clone(self));
        (self.held.fetch_add(1, Ordering::Relaxed) < most).then_some(holding)
    }

    fn appeared(&self) -> i64 {
        self.appeared.load(Ordering::Relaxed)
    }

    /// How many wait.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// Whether tenants are let in.
fn opens(phase: Phase, admission: Admission) -> bool {
    match (phase, admission) {
        (Phase::Serving, Admission::ReadWrite) => true,
        (
            Phase::Serving | Phase::Bootstrapping | Phase::Electing | Phase::Switching,
            Admission::Closed | Admission::ReadWrite,
        ) => false,
    }
}

/// Every route known.
#[derive(Debug, Default)]
pub struct Table {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_uid: HashMap<ClusterUid, Arc<Entry>>,
    by_name: HashMap<ClusterRef, Arc<Entry>>,
    /// The highest that was seen of clusters that are gone: a store restored from a backup must not bring them back older.
    /// 24 bytes and a uid for each cluster deleted in this process's life.
    floors: HashMap<ClusterUid, (Term, Revision)>,
}

impl Table {
    /// The cluster of this name.
    pub fn find(&self, cluster: &ClusterRef) -> Option<Arc<Entry>> {
        self.read(|inner| inner.by_name.get(cluster).cloned())
    }

    /// The cluster of this uid.
    pub fn find_uid(&self, uid: &ClusterUid) -> Option<Arc<Entry>> {
        self.read(|inner| inner.by_uid.get(uid).cloned())
    }

    /// Every cluster, in no order.
    pub fn all(&self) -> Vec<Arc<Entry>> {
        self.read(|inner| inner.by_uid.values().cloned().collect())
    }

    /// Takes a complete list: what is not in it does not exist. But a store that was restored or replaced says nothing of what it lacks: that is
    /// served on until this store tells of it.
    pub fn list(&self, records: &[Change], continuity: Continuity) {
        if continuity == Continuity::Broken {
            self.read(Inner::forget_revisions);
            for record in records {
                self.apply(record);
            }
            return;
        }
        let mut present = HashSet::new();
        for record in records {
            if let Change::Route(_, uid, Some(_)) = record {
                present.insert(uid.clone());
            }
            self.apply(record);
        }
        for entry in self.all() {
            // What this store never told of, it never took away.
            let told = entry.current.borrow().revision != OTHER_STORE;
            if told && !present.contains(&entry.uid) {
                self.remove(&entry.uid);
            }
        }
    }

    /// Takes one change. Says whether it changed anything.
    pub fn apply(&self, change: &Change) -> bool {
        match change {
            Change::Route(cluster, uid, Some(stored)) => self.offer(cluster, uid, stored),
            Change::Route(_, uid, None) => self.remove(uid),
            Change::Intent(..) | Change::Rule(..) | Change::Member(..) => false,
        }
    }

    fn offer(&self, cluster: &ClusterRef, uid: &ClusterUid, stored: &Stored<Route>) -> bool {
        let mark = (stored.value.term, stored.revision);
        let current = Current { route: stored.value.clone(), revision: stored.revision, gone: false };
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = inner.by_uid.get(uid) {
            return entry.current.send_if_modified(|known| {
                let newer = mark > (known.route.term, known.revision);
                if newer {
                    *known = current;
                }
                newer
            });
        }
        if inner.floors.get(uid).is_some_and(|floor| mark <= *floor) {
            return false;
        }
        inner.floors.remove(uid);
        let entry = Arc::new(Entry {
            cluster: cluster.clone(),
            uid: uid.clone(),
            appeared: AtomicI64::new(stored.revision.0),
            current: watch::Sender::new(current),
            held: AtomicUsize::new(0),
        });
        inner.by_uid.insert(uid.clone(), Arc::clone(&entry));
        if inner.by_name.get(cluster).is_none_or(|other| other.appeared() <= entry.appeared()) {
            inner.by_name.insert(cluster.clone(), entry);
        }
        true
    }

    fn remove(&self, uid: &ClusterUid) -> bool {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = inner.by_uid.remove(uid) else { return false };
        if inner.by_name.get(&entry.cluster).is_some_and(|named| named.uid == *uid) {
            inner.rename(&entry.cluster);
        }
        entry.current.send_modify(|current| current.gone = true);
        let current = entry.current();
        let floor = (current.route.term, current.revision);
        inner.floors.insert(uid.clone(), floor);
        true
    }

    fn read<T>(&self, look: impl FnOnce(&Inner) -> T) -> T {
        look(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    /// No revision known so far compares with those to come. Terms do.
    fn forget_revisions(&self) {
        for entry in self.by_uid.values() {
            entry.appeared.store(0, Ordering::Relaxed);
            entry.current.send_if_modified(|current| {
                current.revision = OTHER_STORE;
                // Nothing that anybody waits for.
                false
            });
        }
    }

    /// Gives a name to the incarnation of those left that appeared last, or to none.
    fn rename(&mut self, cluster: &ClusterRef) {
        let last =
            self.by_uid.values().filter(|e| e.cluster == *cluster).max_by_key(|e| e.appeared()).cloned();
        match last {
            Some(entry) => self.by_name.insert(cluster.clone(), entry),
            None => self.by_name.remove(cluster),
        };
    }
}

#[cfg(test)]
mod tests;
