//! The store in memory, to be hurt.

use crate::world::World;
use async_trait::async_trait;
use berth_core::{ClusterRef, ClusterUid};
use berth_topology::backend::{Backend, Page, Query};
use berth_topology::memory::Backup;
use berth_topology::{Keys, Memory, Topology, User};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

pub(crate) struct InMemory {
    memory: Memory,
    backup: Mutex<Option<Backup>>,
    admitted: Mutex<BTreeSet<ClusterUid>>,
}

impl InMemory {
    pub(crate) fn new() -> Self {
        Self { memory: Memory::new(), backup: Mutex::new(None), admitted: Mutex::default() }
    }

    async fn page(&self, key: &str) -> Page {
        let query =
            Query { keys: Keys::One(key.to_owned()), after: None, limit: 0, at: None, promptly: false };
        self.memory.read(query).await.unwrap()
    }
}

#[async_trait]
impl World for InMemory {
    fn topology(&self, user: &User) -> Arc<dyn Topology> {
        // etcd knows nobody to begin with.
        if let User::Members(_, uid) = user
            && !self.admitted.lock().unwrap().contains(uid)
        {
            self.memory.expel(uid);
        }
        Arc::new(self.memory.seen_by(user.clone()).topology())
    }

    async fn admit(&self, _: &ClusterRef, uid: &ClusterUid) {
        self.admitted.lock().unwrap().insert(uid.clone());
        self.memory.admit(uid);
    }

    async fn stop(&self) {
        self.memory.go_away();
    }

    async fn start(&self) {
        self.memory.come_back();
    }

    async fn compact(&self) {
        self.memory.compact();
    }

    async fn back_up(&self) {
        *self.backup.lock().unwrap() = Some(self.memory.backup());
    }

    async fn restore(&self) {
        let backup = self.backup.lock().unwrap();
        self.memory.restore(backup.as_ref().expect("a backup was made"));
    }

    async fn replace(&self) {
        self.memory.replace();
    }

    async fn put_raw(&self, key: &str, value: &[u8]) {
        self.memory.put_raw(key, value);
    }

    async fn raw(&self, key: &str) -> Vec<u8> {
        self.page(key).await.entries.remove(0).value
    }

    async fn revision(&self) -> i64 {
        self.page("/berth/v1/none").await.origin.revision.0
    }
}
