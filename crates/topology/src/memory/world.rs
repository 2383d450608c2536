//! What the memory store holds: the present, and as much of the past as was not compacted.

use crate::Revision;
use crate::backend::{BackendError, Batch, Commit, Committed, Entry, Event, Origin, Page, Query, Write};
use crate::grants::Keys;
use berth_core::ClusterUid;
use std::collections::{BTreeMap, BTreeSet};

type State = BTreeMap<String, (Vec<u8>, Revision)>;

/// The whole store.
#[derive(Clone)]
pub(super) struct World {
    /// The store's identity.
    pub(super) store: u64,
    /// Whether nobody reaches it.
    pub(super) away: bool,
    /// Grows whenever connections break.
    pub(super) incarnation: u64,
    /// Whether the next commit's answer is lost.
    pub(super) lose_answer: bool,
    /// Clusters whose members the store does not know.
    pub(super) unknown: BTreeSet<ClusterUid>,
    /// Commits that changed something.
    pub(super) commits: u64,
    revision: Revision,
    compacted: Revision,
    /// The state at `compacted`.
    base: State,
    /// The state now.
    present: State,
    /// What happened between, in order.
    events: Vec<(Revision, Event)>,
}

impl World {
    /// An empty store. Revisions begin at 1, as etcd's do.
    pub(super) fn new(store: u64) -> Self {
        Self {
            store,
            away: false,
            incarnation: 0,
            lose_answer: false,
            unknown: BTreeSet::new(),
            commits: 0,
            revision: Revision(1),
            compacted: Revision(0),
            base: State::new(),
            present: State::new(),
            events: Vec::new(),
        }
    }

    pub(super) fn read(&self, query: &Query) -> Result<Page, BackendError> {
        let Query { keys, after, limit, at, promptly: _ } = query;
        let past;
        let state = match at {
            None => &self.present,
            Some(at) => {
                past = self.state_at(*at)?;
                &past
            }
        };
        let behind = |key: &&String| after.as_ref().is_none_or(|after| *key > after);
        let mut entries: Vec<Entry> = state
            .iter()
            .filter(|(key, _)| keys.contain(&Keys::One((*key).clone())) && behind(key))
            .map(|(key, (value, revision))| Entry {
                key: key.clone(),
                value: value.clone(),
                revision: *revision,
            })
            .collect();
        let limit = usize::try_from(*limit).unwrap_or(usize::MAX);
        let more = limit > 0 && entries.len() > limit;
        if more {
            entries.truncate(limit);
        }
        Ok(Page { entries, more, origin: self.origin() })
    }

    pub(super) fn apply(&mut self, commit: &Commit) -> Committed {
        let holds = |(key, revision): &(String, Option<Revision>)| {
            self.present.get(key).map(|(_, at)| *at) == *revision
        };
        if !commit.expect.iter().all(holds) {
            return Committed::Refused;
        }
        let revision = Revision(self.revision.0 + 1);
        let mut happened = Vec::new();
        for write in &commit.writes {
            match write {
                Write::Put(key, value) => {
                    let entry = Entry { key: key.clone(), value: value.clone(), revision };
                    happened.push((revision, Event::Put(entry)));
                }
                Write::Remove(keys) => {
                    let gone = self.present.keys().filter(|key| keys.contain(&Keys::One((*key).clone())));
                    happened.extend(gone.map(|key| (revision, Event::Removed(key.clone()))));
                }
            }
        }
        // As in etcd, removing nothing is no change.
        if !happened.is_empty() {
            for (_, event) in &happened {
                replay(&mut self.present, event);
            }
            self.events.extend(happened);
            self.revision = revision;
            self.commits += 1;
        }
        Committed::Applied(self.origin())
    }

    /// What happened to these keys from a revision on.
    pub(super) fn since(&self, keys: &Keys, from: Revision) -> Result<Batch, BackendError> {
        if from < self.compacted {
            return Err(BackendError::Gone(format!("compacted at {}", self.compacted.0)));
        }
        let concerns = |event: &Event| {
            let (Event::Put(Entry { key, .. }) | Event::Removed(key)) = event;
            keys.contain(&Keys::One(key.clone()))
        };
        let events = self
            .events
            .iter()
            .filter(|(revision, event)| *revision >= from && concerns(event))
            .map(|(_, event)| event.clone())
            .collect();
        Ok(Batch { events, revision: self.revision })
    }

    pub(super) fn compact(&mut self) {
        self.compacted = self.revision;
        self.base = self.present.clone();
        self.events.clear();
    }

    fn state_at(&self, at: Revision) -> Result<State, BackendError> {
        if at < self.compacted || at > self.revision {
            let reach = format!("{} is not within {} and {}", at.0, self.compacted.0, self.revision.0);
            return Err(BackendError::Gone(reach));
        }
        let mut state = self.base.clone();
        self.events
            .iter()
            .filter(|(revision, _)| *revision <= at)
            .for_each(|(_, event)| replay(&mut state, event));
        Ok(state)
    }

    fn origin(&self) -> Origin {
        Origin { store: self.store, revision: self.revision }
    }
}

fn replay(state: &mut State, event: &Event) {
    match event {
        Event::Put(entry) => {
            state.insert(entry.key.clone(), (entry.value.clone(), entry.revision));
        }
        Event::Removed(key) => {
            state.remove(key);
        }
    }
}
