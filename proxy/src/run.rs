//! The proxy put together.

use crate::arguments::Arguments;
use crate::context::Context;
use crate::drain::Drain;
use crate::metrics::Metrics;
use crate::route::{Table, follow};
use crate::{accept, admin};
use berth_service::{Identity, Service, StartError};
use berth_topology::{Scope, Topology};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// How often unused lookup connections are looked for.
const SWEEP: Duration = Duration::from_secs(15);
/// What is left for sessions that were cut to say goodbye.
const GOODBYE: Duration = Duration::from_secs(6);

/// Why the proxy could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The process could not be set up.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The port for tenants is not to be had.
    #[error("cannot listen for tenants on {address}; is another process on it? --listen changes it")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

/// A proxy that serves.
pub struct Proxy {
    /// Where tenants connect.
    pub tenants: SocketAddr,
    /// Where health, metrics and pages are.
    pub admin: SocketAddr,
    /// What makes it stop.
    pub stop: CancellationToken,
    running: berth_service::Running,
    drain: Drain,
    limit: Duration,
}

/// Starts the proxy on this topology.
pub async fn start(
    arguments: &Arguments,
    service: Service,
    identity: Arc<Identity>,
    topology: &dyn Topology,
) -> Result<Proxy, RunError> {
    let mut service = service;
    let metrics = Arc::new(Metrics::new());
    metrics.register(&mut service.registry);
    let ready = service.health.readiness("routes");
    let listed = CancellationToken::new();
    let stop = service.shutdown.token();
    let drain = Drain::new(stop.clone());
    let table = Arc::new(Table::default());
    let context =
        Arc::new(Context::new(arguments.settings(), identity, Arc::clone(&table), metrics, drain.clone()));

    let address = arguments.listen;
    let refused = |source| RunError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let tenants = listener.local_addr().map_err(refused)?;
    let running = service.serve_admin(admin::pages(Arc::clone(&context))).await?;
    let tasks = running.shutdown.tasks().clone();
    tasks.spawn(follow(table, topology.watch(Scope::Routes), ready, listed.clone(), stop.clone()));
    tasks.spawn(sweep(Arc::clone(&context)));
    tasks.spawn(accept::accept(context, listener, listed, tasks.clone()));
    info!(%tenants, "listening for tenants");
    Ok(Proxy { tenants, admin: running.admin_address, stop, running, drain, limit: arguments.drain() })
}

impl Proxy {
    /// Serves until it is asked to stop, and until sessions have ended or had their time. Says whether all ended.
    pub async fn until_stopped(self) -> bool {
        let Self { running, drain, limit, stop, .. } = self;
        let cutting = drain.clone();
        // Not among the tracked tasks: it must not hold up an end that comes earlier.
        let timer = tokio_util::task::TaskTracker::new().spawn(async move {
            stop.cancelled().await;
            tokio::time::sleep(limit).await;
            cutting.cut_now();
        });
        let finished = running.until_stopped(limit + GOODBYE).await;
        timer.abort();
        finished
    }
}

async fn sweep(context: Arc<Context>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(SWEEP) => context.lookups.sweep(),
            () = context.drain.begun() => return,
        }
    }
}
