//! Taking connections from the listening socket, until the proxy stops.

use crate::context::Context;
use crate::listener::socket;
use crate::metrics::Arrival;
use crate::session;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

/// How long to pause when the system has no file descriptor or memory for a connection: it has none a moment later either.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes connections and serves each in a task of its own. Begins when the routes are `listed`: before that every cluster would
/// look like one that does not exist, so clients wait in the system's queue instead.
pub(crate) async fn accept(
    context: Arc<Context>,
    listener: TcpListener,
    listed: CancellationToken,
    tasks: TaskTracker,
) {
    tokio::select! {
        () = listed.cancelled() => {}
        () = context.drain.begun() => return,
    }
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Leaving drops the listener: from then on the system refuses.
            () = context.drain.begun() => return,
        };
        match accepted {
            Ok((tcp, peer)) => {
                let Some(admitted) = context.limits.admit(peer.ip()) else {
                    context.metrics.arrived(Arrival::TooMany);
                    continue;
                };
                if let Err(error) = socket::tune(&tcp, socket::CLIENT) {
                    debug!(%peer, %error, "a connection ended before it could be set up");
                    continue;
                }
                tasks.spawn(session::serve(Arc::clone(&context), tcp, peer, admitted));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                warn!(%error, "cannot take connections for the moment");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Errors that belong to the connection that was to be taken, not to the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
