//! The topology as the watch tells it, so that reading it costs nothing, and a change wakes its cluster.

use super::feed::Wake;
use crate::announce::Narrator;
use berth_core::plan::{Known, Revision, Stored, Topology};
use berth_core::topology::Intent;
use berth_core::{ClusterRef, ClusterUid, MemberId};
use berth_topology::{Change, Continuity, Scope, WatchEvent};
use futures::StreamExt;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Notify;
use tracing::{info, warn};

/// What is known of all clusters' records.
pub(crate) struct TopologyCache {
    inner: RwLock<Inner>,
}

struct Inner {
    away: Option<String>,
    clusters: HashMap<ClusterUid, Known>,
    /// Records that cannot be read, by cluster: such a cluster is not acted upon.
    unreadable: HashMap<ClusterUid, BTreeMap<String, String>>,
    /// The clusters whose user and rights were made since this operator began, or since the store was last listed anew.
    users: HashSet<ClusterUid>,
    /// Where each cluster is, also while the store has forgotten it.
    names: HashMap<ClusterUid, ClusterRef>,
}

impl Default for TopologyCache {
    fn default() -> Self {
        Self {
            inner: RwLock::new(Inner {
                away: Some("it was not read yet".to_owned()),
                clusters: HashMap::new(),
                unreadable: HashMap::new(),
                users: HashSet::new(),
                names: HashMap::new(),
            }),
        }
    }
}

impl TopologyCache {
    /// What is known of a cluster.
    pub(crate) fn of(&self, uid: &ClusterUid) -> Topology {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = &inner.away {
            return Topology::Away { reason: reason.clone() };
        }
        if let Some((key, reason)) = inner.unreadable.get(uid).and_then(BTreeMap::first_key_value) {
            return Topology::Away { reason: format!("{key} cannot be read: {reason}") };
        }
        let known = inner.clusters.get(uid).cloned().unwrap_or_default();
        Topology::Known(Box::new(Known { user: inner.users.contains(uid), ..known }))
    }

    /// Takes over an intent that this process wrote, unless the watch was faster.
    pub(crate) fn wrote_intent(&self, uid: &ClusterUid, intent: Intent, revision: berth_topology::Revision) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let known = inner.clusters.entry(uid.clone()).or_default();
        if known.intent.as_ref().is_none_or(|stored| stored.revision.0 < revision.0) {
            known.intent = Some(Stored { value: intent, revision: Revision(revision.0) });
        }
    }

    /// Takes over that a member's record was removed by this process.
    pub(crate) fn removed_member(&self, uid: &ClusterUid, member: &MemberId) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = inner.clusters.get_mut(uid) {
            known.members.remove(member);
        }
    }

    /// Notes that a cluster's user is in order.
    pub(crate) fn made_user(&self, uid: &ClusterUid, cluster: &ClusterRef) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.users.insert(uid.clone());
        inner.names.insert(uid.clone(), cluster.clone());
    }

    /// Forgets a cluster that is gone.
    pub(crate) fn removed_cluster(&self, uid: &ClusterUid) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.clusters.remove(uid);
        inner.users.remove(uid);
        inner.names.remove(uid);
        inner.unreadable.remove(uid);
    }

    /// Where a cluster is.
    fn name(&self, uid: &ClusterUid) -> Option<ClusterRef> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).names.get(uid).cloned()
    }

    /// Takes over one change; whose it is.
    pub(crate) fn take(&self, change: Change) -> Option<ClusterUid> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.take(change)
    }

    /// Takes over all records there are.
    pub(crate) fn list(&self, records: Vec<Change>) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.clusters.clear();
        inner.unreadable.clear();
        // A store that was restored or replaced may not have the users of the one before.
        inner.users.clear();
        inner.away = None;
        for record in records {
            inner.take(record);
        }
    }

    fn set_away(&self, reason: Option<String>) {
        self.inner.write().unwrap_or_else(PoisonError::into_inner).away = reason;
    }

    fn note_unreadable(&self, uid: ClusterUid, key: String, reason: String) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.unreadable.entry(uid).or_default().insert(key, reason);
    }
}

impl Inner {
    fn take(&mut self, change: Change) -> Option<ClusterUid> {
        let (uid, key) = match &change {
            Change::Intent(uid, _) => (uid.clone(), berth_topology::key::intent(uid)),
            Change::Rule(uid, _) => (uid.clone(), berth_topology::key::rule(uid)),
            Change::Member(uid, member, _) => (uid.clone(), berth_topology::key::member(uid, member)),
            Change::Route(..) => return None,
        };
        if let Some(unreadable) = self.unreadable.get_mut(&uid) {
            unreadable.remove(&key);
        }
        let known = self.clusters.entry(uid.clone()).or_default();
        match change {
            Change::Intent(_, stored) => {
                if let Some(stored) = &stored {
                    self.names.insert(uid.clone(), stored.value.cluster.clone());
                }
                let newer = |new: &berth_topology::Stored<Intent>| {
                    known.intent.as_ref().is_none_or(|old| old.revision.0 <= new.revision.0)
                };
                if stored.as_ref().is_none_or(newer) {
                    known.intent = stored.map(plain);
                }
            }
            // What the store has from a backup only is no ground to act on: the members are about to write what came of it.
            Change::Rule(_, stored) => known.rule = stored.filter(|stored| !stored.restored).map(plain),
            Change::Member(_, member, Some(stored)) => {
                known.members.insert(member, stored.value);
            }
            Change::Member(_, member, None) => {
                known.members.remove(&member);
            }
            Change::Route(..) => {}
        }
        if known.intent.is_none() && known.rule.is_none() && known.members.is_empty() {
            self.clusters.remove(&uid);
        }
        Some(uid)
    }
}

fn plain<T>(stored: berth_topology::Stored<T>) -> Stored<T> {
    Stored { value: stored.value, revision: Revision(stored.revision.0) }
}

/// Keeps the cache in step. `everybody` wakes all clusters: when the store was listed anew, went away or came back. `narrator` tells people of
/// changes of the primary; `replaced` is notified when the store is another one, or an older state of it.
pub(crate) async fn feed_topology(
    topology: Arc<dyn berth_topology::Topology>,
    caches: Arc<super::Caches>,
    wake: Wake,
    everybody: impl Fn(),
    mut narrator: Narrator,
    replaced: Arc<Notify>,
) {
    let cache = &caches.topology;
    let mut events = topology.watch(Scope::Clusters);
    let mut first = true;
    while let Some(event) = events.next().await {
        match event {
            WatchEvent::Listed { records, revision, continuity } => {
                info!(records = records.len(), revision = revision.0, ?continuity, "read the topology");
                if continuity == Continuity::Broken {
                    replaced.notify_one();
                }
                narrator.listed(&records);
                cache.list(records);
                everybody();
            }
            WatchEvent::Changed(change) => {
                let uid = uid_of(&change);
                let before = uid.as_ref().and_then(|uid| cache.name(uid));
                narrator.changed(&change, before.as_ref());
                if let Some(uid) = cache.take(*change)
                    && let Some(name) = cache.name(&uid).or(before)
                {
                    wake.one((name.namespace.to_string(), name.name.to_string()));
                }
            }
            WatchEvent::Unreadable { key, reason } => {
                warn!(key, reason, "a record of the topology cannot be read; its cluster is left alone");
                let uid =
                    key.strip_prefix(berth_topology::key::CLUSTERS).and_then(|rest| rest.split('/').next());
                if let Some(uid) = uid.and_then(|uid| ClusterUid::new(uid).ok()) {
                    cache.note_unreadable(uid, key, reason);
                }
                everybody();
            }
            WatchEvent::Away { reason } => {
                warn!(reason, "the topology is away");
                cache.set_away(Some(reason));
                everybody();
            }
            WatchEvent::Back => {
                info!("the topology is back");
                cache.set_away(None);
                everybody();
            }
        }
        // The first word is enough to begin with, also if it is that the store is away: then that is what is reported.
        if std::mem::take(&mut first) {
            wake.feed_is_ready();
        }
    }
}

fn uid_of(change: &Change) -> Option<ClusterUid> {
    match change {
        Change::Intent(uid, _) | Change::Rule(uid, _) | Change::Member(uid, _, _) => Some(uid.clone()),
        Change::Route(..) => None,
    }
}
