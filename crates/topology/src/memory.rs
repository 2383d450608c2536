//! A topology in memory, for tests and simulation: it keeps revisions, history and compaction as etcd does, and has switches
//! for everything that can go wrong with one.
//!
//! Deterministic: no clock, no chance; what happens depends on the calls alone. It is not a store for production: nothing
//! survives the process.

mod world;

use crate::backend::{Backend, BackendError, Batches, Commit, Committed, Page, Query, Write};
use crate::grants::{Keys, Right, User};
use crate::{Records, Revision};
use async_trait::async_trait;
use berth_core::ClusterUid;
use futures::StreamExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use world::World;

/// The topology in memory.
pub type MemoryTopology = Records<Memory>;

/// A store in memory as one user sees it. Clones and other users' views share the store.
#[derive(Clone)]
pub struct Memory {
    shared: Arc<Shared>,
    user: User,
}

struct Shared {
    world: Mutex<World>,
    changed: watch::Sender<()>,
}

/// A backup of a [`Memory`].
#[derive(Clone)]
pub struct Backup(World);

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// An empty store, seen as the operator.
    pub fn new() -> Self {
        let shared = Shared { world: Mutex::new(World::new(1)), changed: watch::Sender::new(()) };
        Self { shared: Arc::new(shared), user: User::Operator }
    }

    /// The same store, seen by another user.
    #[must_use]
    pub fn seen_by(&self, user: User) -> Self {
        Self { shared: Arc::clone(&self.shared), user }
    }

    /// The topology kept in it, as this user may use it.
    pub fn topology(&self) -> MemoryTopology {
        Records::over(self.clone())
    }

    /// The store cannot be reached until [`Self::come_back`]; watches break.
    pub fn go_away(&self) {
        self.change(|world| {
            world.away = true;
            world.incarnation += 1;
        });
    }

    /// The store can be reached again, with all that it held.
    pub fn come_back(&self) {
        self.change(|world| world.away = false);
    }

    /// Breaks the watches, as the restart of one of several members does.
    pub fn break_watches(&self) {
        self.change(|world| world.incarnation += 1);
    }

    /// The next commit happens, but its answer is lost.
    pub fn lose_next_answer(&self) {
        self.change(|world| world.lose_answer = true);
    }

    /// Forgets all history before now.
    pub fn compact(&self) {
        self.change(World::compact);
    }

    /// A backup of all that it holds.
    pub fn backup(&self) -> Backup {
        Backup(self.world().clone())
    }

    /// Goes back to a backup, revisions included, as etcd does when it is restored plainly.
    pub fn restore(&self, backup: &Backup) {
        self.change(|world| {
            let mut restored = backup.0.clone();
            restored.incarnation = world.incarnation + 1;
            restored.away = world.away;
            restored.unknown = std::mem::take(&mut world.unknown);
            *world = restored;
        });
    }

    /// Another store takes its place: empty, with another identity.
    pub fn replace(&self) {
        self.change(|world| {
            let mut other = World::new(world.store + 1);
            other.incarnation = world.incarnation + 1;
            other.away = world.away;
            other.unknown = std::mem::take(&mut world.unknown);
            *world = other;
        });
    }

    /// The members of this cluster are refused, as before the operator has made them known.
    pub fn expel(&self, cluster: &ClusterUid) {
        self.change(|world| {
            world.unknown.insert(cluster.clone());
        });
    }

    /// The members of this cluster are known again; to begin with, all are.
    pub fn admit(&self, cluster: &ClusterUid) {
        self.change(|world| {
            world.unknown.remove(cluster);
        });
    }

    /// Writes bytes under a key, past all rules.
    pub fn put_raw(&self, key: &str, value: &[u8]) {
        self.change(|world| {
            let put = Write::Put(key.to_owned(), value.to_vec());
            world.apply(&Commit { expect: vec![], writes: vec![put] });
        });
    }

    /// How many commits changed something so far: what a cluster at rest must leave as it is.
    pub fn commits(&self) -> u64 {
        self.world().commits
    }

    fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.world());
        self.shared.changed.send_replace(());
    }

    /// The world is changed by whole steps only, so that a panic elsewhere leaves it sound.
    fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn allowed(&self, world: &World, right: Right, keys: &Keys) -> Result<(), BackendError> {
        let known = match &self.user {
            User::Members(_, uid) => !world.unknown.contains(uid),
            User::Operator | User::Proxy => true,
        };
        if known && self.user.may(right, keys) {
            return Ok(());
        }
        Err(BackendError::Denied(format!("{:?} may not {right:?} {keys:?}", self.user)))
    }

    fn reachable(&self) -> Result<MutexGuard<'_, World>, BackendError> {
        let world = self.world();
        if world.away {
            return Err(BackendError::Unavailable("the store is away".into()));
        }
        Ok(world)
    }
}

#[async_trait]
impl Backend for Memory {
    async fn read(&self, query: Query) -> Result<Page, BackendError> {
        travel().await;
        let world = self.reachable()?;
        self.allowed(&world, Right::Read, &query.keys)?;
        world.read(&query)
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, BackendError> {
        travel().await;
        let mut world = self.reachable()?;
        for (key, _) in &commit.expect {
            self.allowed(&world, Right::Read, &Keys::One(key.clone()))?;
        }
        for write in &commit.writes {
            match write {
                Write::Put(key, _) => self.allowed(&world, Right::ReadWrite, &Keys::One(key.clone()))?,
                Write::Remove(keys) => self.allowed(&world, Right::ReadWrite, keys)?,
            }
        }
        let committed = world.apply(&commit);
        let lost = matches!(committed, Committed::Applied(_)) && std::mem::take(&mut world.lose_answer);
        drop(world);
        self.shared.changed.send_replace(());
        if lost {
            return Err(BackendError::Unavailable("the answer was lost".into()));
        }
        Ok(committed)
    }

    async fn watch(&self, keys: Keys, from: Revision) -> Result<Batches, BackendError> {
        let world = self.reachable()?;
        self.allowed(&world, Right::Read, &keys)?;
        world.since(&keys, from)?;
        let watching = Watching {
            incarnation: world.incarnation,
            memory: self.clone(),
            changed: self.shared.changed.subscribe(),
            keys,
            from,
        };
        let batches = futures::stream::unfold(Some(watching), |watching| async move {
            let mut watching = watching?;
            let batch = watching.next().await;
            let goes_on = batch.is_ok().then_some(watching);
            Some((batch, goes_on))
        });
        Ok(batches.boxed())
    }

    fn seed(&self) -> u64 {
        1
    }
}

/// Lets others come between a caller's look and its write, as the way to a real store does.
async fn travel() {
    tokio::task::yield_now().await;
}

/// An open watch.
struct Watching {
    memory: Memory,
    incarnation: u64,
    changed: watch::Receiver<()>,
    keys: Keys,
    from: Revision,
}

impl Watching {
    async fn next(&mut self) -> Result<crate::backend::Batch, BackendError> {
        loop {
            // Before the look, so that no change falls between the look and the wait.
            self.changed.borrow_and_update();
            let batch = {
                let world = self.memory.reachable()?;
                if world.incarnation != self.incarnation {
                    return Err(BackendError::Unavailable("the connection broke".into()));
                }
                world.since(&self.keys, self.from)?
            };
            if !batch.events.is_empty() {
                self.from = Revision(batch.revision.0 + 1);
                return Ok(batch);
            }
            // The sender lives as long as the memory that this holds.
            let _alive = self.changed.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str) -> Commit {
        let writes = vec![Write::Put(key.into(), b"1".to_vec())];
        Commit { expect: vec![(key.into(), None)], writes }
    }

    #[tokio::test]
    async fn a_lost_answer_is_a_write_that_happened() {
        let memory = Memory::new();
        memory.lose_next_answer();
        let lost = memory.commit(put("/berth/v1/a")).await;
        assert!(matches!(lost, Err(BackendError::Unavailable(_))));
        assert_eq!(memory.commit(put("/berth/v1/a")).await, Ok(Committed::Refused));
        assert_eq!(memory.commits(), 1);
    }

    #[tokio::test]
    async fn nothing_answers_while_it_is_away() {
        let memory = Memory::new();
        memory.go_away();
        assert!(memory.commit(put("/berth/v1/a")).await.is_err());
        memory.come_back();
        assert!(memory.commit(put("/berth/v1/a")).await.is_ok());
    }
}
