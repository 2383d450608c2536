//! Keeps the table as the store tells it, for as long as the process lives.

use super::Table;
use berth_service::Check;
use berth_topology::{Watch, WatchEvent};
use futures::StreamExt;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// Follows the watch until told to stop. `ready` passes and `listed` is cancelled with the first list, and both stay so: an old
/// route serves better than none, so a proxy does not become unready because the store is away.
pub async fn follow(
    table: Arc<Table>,
    mut watch: Watch,
    ready: Check,
    listed: CancellationToken,
    until: CancellationToken,
) {
    loop {
        let event = tokio::select! {
            event = watch.next() => event,
            () = until.cancelled() => return,
        };
        match event {
            Some(WatchEvent::Listed { records, revision, continuity }) => {
                table.list(&records, continuity);
                info!(routes = records.len(), revision = revision.0, "the routes are listed");
                ready.pass();
                listed.cancel();
            }
            Some(WatchEvent::Changed(change)) => {
                table.apply(&change);
            }
            Some(WatchEvent::Unreadable { key, reason }) => {
                error!(key, reason, "a route cannot be read; the one known before stays");
            }
            Some(WatchEvent::Away { reason }) => {
                warn!(reason, "the topology is away; serving by the routes known");
            }
            Some(WatchEvent::Back) => info!("the topology is back"),
            None => {
                error!("the watch of the routes has ended; serving by the routes known until a restart");
                return;
            }
        }
    }
}
