//! The topology over any [`Backend`]: which keys a call touches, what it expects of them, and what a conflict is.

mod history;

use crate::backend::{Backend, BackendError, Commit, Committed, Entry, Origin, Query, Write};
use crate::envelope::{self, Body};
use crate::follow::Follower;
use crate::grants::Keys;
use crate::key::{self, Key};
use crate::list::list;
use crate::{Revision, Scope, Snapshot, Stored, Topology, TopologyError, Watch};
use async_trait::async_trait;
use berth_core::topology::{Intent, MemberRecord, Route, Rule};
use berth_core::{ClusterRef, ClusterUid, MemberId};
use history::History;
use std::sync::Arc;

/// The topology kept in a backend. Clones share it.
pub struct Records<B> {
    backend: Arc<B>,
    history: Arc<History>,
}

impl<B> Clone for Records<B> {
    fn clone(&self) -> Self {
        Self { backend: Arc::clone(&self.backend), history: Arc::clone(&self.history) }
    }
}

impl<B: Backend> Records<B> {
    /// The topology kept in this backend.
    pub fn over(backend: B) -> Self {
        Self { backend: Arc::new(backend), history: Arc::default() }
    }

    /// The backend.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// What lies under the key now, and whether the store goes on counting where it was last known to be.
    async fn one(&self, key: &str, promptly: bool) -> Result<(Option<Entry>, Origin, bool), TopologyError> {
        let query = Query { keys: Keys::One(key.to_owned()), after: None, limit: 1, at: None, promptly };
        let before = self.history.known();
        let page = self.backend.read(query).await.map_err(|error| failed(key, error))?;
        let continues = self.history.advance(before, page.origin);
        Ok((page.entries.into_iter().next(), page.origin, continues))
    }

    /// What lies under the key now, if it is what the caller expects.
    ///
    /// A store that was restored or replaced counts its revisions anew, so that one may mean something else than the caller
    /// read. Then nothing is as expected, whatever the number.
    async fn expected(
        &self,
        key: &Key,
        expected: Option<Revision>,
    ) -> Result<(Option<Entry>, Origin), TopologyError> {
        let name = key.to_string();
        let (entry, origin, continues) = self.one(&name, false).await?;
        if continues && entry.as_ref().map(|e| e.revision) == expected {
            Ok((entry, origin))
        } else {
            Err(TopologyError::Conflict { key: name, expected })
        }
    }

    /// Commits; a refusal is a conflict on the first expectation.
    async fn commit(&self, key: &str, commit: Commit) -> Result<Revision, TopologyError> {
        let expected = commit.expect.first().and_then(|(_, revision)| *revision);
        let before = self.history.known();
        match self.backend.commit(commit).await.map_err(|error| failed(key, error))? {
            Committed::Applied(origin) => {
                self.history.advance(before, origin);
                Ok(origin.revision)
            }
            Committed::Refused => Err(TopologyError::Conflict { key: key.to_owned(), expected }),
        }
    }
}

#[async_trait]
impl<B: Backend> Topology for Records<B> {
    async fn read(&self, cluster: &ClusterUid) -> Result<Snapshot, TopologyError> {
        let prefix = key::cluster(cluster);
        let before = self.history.known();
        let listing = list(&*self.backend, &Keys::Prefix(prefix.clone()))
            .await
            .map_err(|error| failed(&prefix, error))?;
        self.history.advance(before, listing.origin);
        let store = listing.origin.store;
        let mut snapshot = Snapshot { revision: listing.origin.revision, ..Snapshot::default() };
        for entry in &listing.entries {
            match Key::parse(&entry.key) {
                Some(key @ Key::Intent(_)) => snapshot.intent = Some(stored(&key, entry, store)?),
                Some(key @ Key::Rule(_)) => snapshot.rule = Some(stored(&key, entry, store)?),
                Some(key @ Key::Member(..)) => {
                    let record: Stored<MemberRecord> = stored(&key, entry, store)?;
                    snapshot.members.insert(record.value.identity.member.clone(), record);
                }
                // Routes lie elsewhere; keys that are not ours are nobody's business here.
                Some(Key::Route(..)) | None => {}
            }
        }
        Ok(snapshot)
    }

    async fn read_rule(&self, cluster: &ClusterUid) -> Result<Option<Stored<Rule>>, TopologyError> {
        let key = Key::Rule(cluster.clone());
        let (entry, origin, _) = self.one(&key.to_string(), true).await?;
        entry.map(|entry| stored(&key, &entry, origin.store)).transpose()
    }

    async fn put_intent(
        &self,
        cluster: &ClusterUid,
        intent: &Intent,
        expected: Option<Revision>,
    ) -> Result<Revision, TopologyError> {
        let key = Key::Intent(cluster.clone());
        let name = key.to_string();
        if let (Some(entry), _) = self.expected(&key, expected).await? {
            let current: Intent = envelope::unwrap(&key, &entry.value)?;
            if current.generation > intent.generation {
                return Err(TopologyError::Conflict { key: name, expected });
            }
        }
        let value = envelope::wrap(&key, intent)?;
        let commit =
            Commit { expect: vec![(name.clone(), expected)], writes: vec![Write::Put(name.clone(), value)] };
        self.commit(&name, commit).await
    }

    async fn swap_rule(
        &self,
        cluster: &ClusterUid,
        rule: &Rule,
        route: &Route,
        expected: Option<Revision>,
    ) -> Result<Revision, TopologyError> {
        let key = Key::Rule(cluster.clone());
        let name = key.to_string();
        // What lies at a revision never changes, so that this look and the swap below speak of the same rule.
        let (current, origin) = self.expected(&key, expected).await?;
        if let Some(entry) = current {
            let current: Rule = envelope::unwrap(&key, &entry.value)?;
            if current.term > rule.term {
                return Err(TopologyError::Conflict { key: name, expected });
            }
        }
        let route_key = Key::Route(route.cluster.clone(), cluster.clone());
        let writes = vec![
            Write::Put(name.clone(), envelope::wrap_for(&key, rule, Some(origin.store))?),
            Write::Put(route_key.to_string(), envelope::wrap(&route_key, route)?),
        ];
        self.commit(&name, Commit { expect: vec![(name.clone(), expected)], writes }).await
    }

    async fn put_route(
        &self,
        cluster: &ClusterUid,
        route: &Route,
        rule: Revision,
    ) -> Result<Revision, TopologyError> {
        let rule_name = key::rule(cluster);
        let key = Key::Route(route.cluster.clone(), cluster.clone());
        let writes = vec![Write::Put(key.to_string(), envelope::wrap(&key, route)?)];
        self.commit(&rule_name, Commit { expect: vec![(rule_name.clone(), Some(rule))], writes }).await
    }

    async fn put_member(
        &self,
        cluster: &ClusterUid,
        record: &MemberRecord,
    ) -> Result<Revision, TopologyError> {
        let key = Key::Member(cluster.clone(), record.identity.member.clone());
        let name = key.to_string();
        let writes = vec![Write::Put(name.clone(), envelope::wrap(&key, record)?)];
        self.commit(&name, Commit { expect: vec![], writes }).await
    }

    async fn remove_member(&self, cluster: &ClusterUid, member: &MemberId) -> Result<(), TopologyError> {
        let name = key::member(cluster, member);
        let writes = vec![Write::Remove(Keys::One(name.clone()))];
        self.commit(&name, Commit { expect: vec![], writes }).await.map(drop)
    }

    async fn remove_cluster(&self, cluster: &ClusterUid, name: &ClusterRef) -> Result<(), TopologyError> {
        let prefix = key::cluster(cluster);
        let writes = vec![
            Write::Remove(Keys::Prefix(prefix.clone())),
            Write::Remove(Keys::One(key::route(name, cluster))),
        ];
        self.commit(&prefix, Commit { expect: vec![], writes }).await.map(drop)
    }

    fn watch(&self, scope: Scope) -> Watch {
        Follower::new(Arc::clone(&self.backend), scope).into_stream()
    }
}

/// Reads the record of an entry.
pub(crate) fn stored<T: Body>(key: &Key, entry: &Entry, store: u64) -> Result<Stored<T>, TopologyError> {
    let value = envelope::unwrap(key, &entry.value)?;
    Ok(Stored { value, revision: entry.revision, restored: envelope::is_restored(&entry.value, store) })
}

fn failed(key: &str, error: BackendError) -> TopologyError {
    match error {
        BackendError::Denied(reason) => TopologyError::Denied { key: key.to_owned(), reason },
        // A list whose revision was compacted between two pages: the same call begins anew.
        BackendError::Unavailable(reason) | BackendError::Gone(reason) => {
            TopologyError::Unavailable { reason }
        }
    }
}
