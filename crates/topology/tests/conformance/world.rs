//! What the suite needs of a store beside its topology: the ways to hurt it.

use async_trait::async_trait;
use berth_core::{ClusterRef, ClusterUid};
use berth_topology::{Topology, User};
use std::sync::Arc;

/// A store that can be hurt.
#[async_trait]
pub(crate) trait World: Send + Sync {
    /// The topology as a user may use it; each call is another client.
    fn topology(&self, user: &User) -> Arc<dyn Topology>;

    /// As the operator may use it.
    fn operator(&self) -> Arc<dyn Topology> {
        self.topology(&User::Operator)
    }

    /// Makes a cluster's members known to the store.
    async fn admit(&self, cluster: &ClusterRef, uid: &ClusterUid);

    /// Kills the store.
    async fn stop(&self);

    /// Starts it again, with all that it held.
    async fn start(&self);

    /// Forgets all history before now.
    async fn compact(&self);

    /// Makes a backup.
    async fn back_up(&self);

    /// Stops, goes back to the backup, and starts.
    async fn restore(&self);

    /// Stops, and puts an empty store in its place, which knows the same users.
    async fn replace(&self);

    /// Writes bytes under a key, past the topology.
    async fn put_raw(&self, key: &str, value: &[u8]);

    /// The bytes under a key.
    async fn raw(&self, key: &str) -> Vec<u8>;

    /// The store's revision.
    async fn revision(&self) -> i64;
}
