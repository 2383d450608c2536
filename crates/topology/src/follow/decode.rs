//! From a store's entries and events to changes of records.

use crate::backend::{Entry, Event};
use crate::grants::Keys;
use crate::key::{self, Key};
use crate::records::stored;
use crate::{Change, Scope, TopologyError, WatchEvent};

/// The keys of a scope.
pub(super) fn keys(scope: &Scope) -> Keys {
    Keys::Prefix(match scope {
        Scope::Cluster(uid) => key::cluster(uid),
        Scope::Routes => key::ROUTES.to_owned(),
        Scope::Clusters => key::CLUSTERS.to_owned(),
    })
}

/// The records of a list, and what could not be read. Keys that are not ours are passed over.
pub(super) fn all(entries: &[Entry], store: u64) -> (Vec<Change>, Vec<WatchEvent>) {
    let mut records = Vec::with_capacity(entries.len());
    let mut unreadable = Vec::new();
    for entry in entries {
        let Some(key) = Key::parse(&entry.key) else { continue };
        match put(&key, entry, store) {
            Ok(change) => records.push(change),
            Err(error) => unreadable.push(complaint(&entry.key, &error)),
        }
    }
    (records, unreadable)
}

/// What an event tells; nothing if its key is not ours.
pub(super) fn event(event: &Event, store: u64) -> Option<WatchEvent> {
    match event {
        Event::Put(entry) => Some(match put(&Key::parse(&entry.key)?, entry, store) {
            Ok(change) => WatchEvent::Changed(Box::new(change)),
            Err(error) => complaint(&entry.key, &error),
        }),
        Event::Removed(key) => Some(WatchEvent::Changed(Box::new(removed(Key::parse(key)?)))),
    }
}

fn put(key: &Key, entry: &Entry, store: u64) -> Result<Change, TopologyError> {
    Ok(match key {
        Key::Intent(uid) => Change::Intent(uid.clone(), Some(stored(key, entry, store)?)),
        Key::Rule(uid) => Change::Rule(uid.clone(), Some(stored(key, entry, store)?)),
        Key::Member(uid, member) => {
            Change::Member(uid.clone(), member.clone(), Some(stored(key, entry, store)?))
        }
        Key::Route(cluster, uid) => {
            Change::Route(cluster.clone(), uid.clone(), Some(stored(key, entry, store)?))
        }
    })
}

fn removed(key: Key) -> Change {
    match key {
        Key::Intent(uid) => Change::Intent(uid, None),
        Key::Rule(uid) => Change::Rule(uid, None),
        Key::Member(uid, member) => Change::Member(uid, member, None),
        Key::Route(cluster, uid) => Change::Route(cluster, uid, None),
    }
}

fn complaint(key: &str, error: &TopologyError) -> WatchEvent {
    let reason = match error {
        TopologyError::Unreadable { reason, .. } => reason.clone(),
        TopologyError::Conflict { .. } | TopologyError::Denied { .. } | TopologyError::Unavailable { .. } => {
            error.to_string()
        }
    };
    WatchEvent::Unreadable { key: key.to_owned(), reason }
}
