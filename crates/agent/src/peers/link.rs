//! The link as it is between pods: an edge to each member that was ever spoken to and is not long silent.

use super::Link;
use super::edge::Edge;
use super::queue::Queue;
use crate::runtime::Clock;
use berth_core::election::{Message, Moment};
use berth_core::ids::identity_name;
use berth_core::topology::Identity;
use berth_core::{ClusterUid, MemberId};
use rustls_pki_types::ServerName;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, debug};

/// An edge that was silent for so long is given up when another is made: its member may have left the cluster. If it has not, a new one costs a
/// handshake.
const SILENT: Duration = Duration::from_mins(10);

/// The link over mutual TLS.
///
/// Dropped, it says what it was still asked to say and ends.
pub struct TlsLink {
    from: Identity,
    cluster: ClusterUid,
    identity: Arc<berth_service::Identity>,
    tasks: TaskTracker,
    edges: Mutex<HashMap<MemberId, Held>>,
    closing: CancellationToken,
}

/// An edge, as the link holds it.
struct Held {
    address: String,
    spoken: Moment,
    queue: Arc<Queue>,
    task: AbortHandle,
}

impl TlsLink {
    /// The link of this member; `identity` is its certificate. Its tasks are among `tasks`.
    pub fn new(
        from: Identity,
        cluster: ClusterUid,
        identity: Arc<berth_service::Identity>,
        tasks: TaskTracker,
    ) -> Self {
        let (edges, closing) = (Mutex::default(), CancellationToken::new());
        Self { from, cluster, identity, tasks, edges, closing }
    }

    fn open(&self, to: &MemberId, address: &str, now: Moment) -> Option<Held> {
        // Numbers only: a name would have to be looked up, and members tell numbers.
        let Ok(at) = address.parse::<SocketAddr>() else {
            debug!(peer = %to, address, "another member tells no address at which its agent hears");
            return None;
        };
        let name = identity_name(to, &self.cluster);
        let Ok(name) = ServerName::try_from(name) else {
            debug!(peer = %to, "another member's name cannot stand in a certificate");
            return None;
        };
        let queue = Arc::new(Queue::default());
        let edge = Edge {
            from: self.from.clone(),
            to: to.clone(),
            address: at,
            name,
            identity: self.identity.clone(),
            queue: queue.clone(),
        };
        let running = edge.run(self.closing.clone()).instrument(Span::current());
        let task = self.tasks.spawn(running).abort_handle();
        Some(Held { address: address.to_owned(), spoken: now, queue, task })
    }

    /// Changed by single steps only, so that a panic elsewhere leaves it sound.
    fn edges(&self) -> MutexGuard<'_, HashMap<MemberId, Held>> {
        self.edges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link for TlsLink {
    fn send(&self, to: &MemberId, address: &str, message: Message) {
        let now = Clock.now();
        let mut edges = self.edges();
        if let Some(edge) = edges.get_mut(to).filter(|edge| edge.address == address) {
            edge.spoken = now;
            edge.queue.push(message);
            return;
        }
        edges.retain(|member, edge| {
            let kept = member != to && now.since(edge.spoken) < SILENT;
            if !kept {
                edge.task.abort();
            }
            kept
        });
        if let Some(edge) = self.open(to, address, now) {
            edge.queue.push(message);
            edges.insert(to.clone(), edge);
        }
    }
}

impl Drop for TlsLink {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}
