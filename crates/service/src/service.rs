//! A process put together: what `main` starts with and ends with.

use crate::{Chain, Health, ServiceArguments, Shutdown, admin, logs, metrics};
use axum::Router;
use prometheus_client::registry::Registry;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

/// A process that has logs, health, metrics and an orderly end.
///
/// ```no_run
/// # async fn work(_: berth_service::Shutdown) {}
/// # async fn run(arguments: berth_service::ServiceArguments) -> Result<(), berth_service::StartError> {
/// let mut service = berth_service::Service::start("berth-proxy", "1.0.0", &arguments)?;
/// // Register metrics in `service.registry`, make checks of `service.health`.
/// let running = service.serve_admin(axum::Router::new()).await?;
/// running.shutdown.spawn(work(running.shutdown.clone()));
/// running.until_stopped(std::time::Duration::from_secs(30)).await;
/// # Ok(()) }
/// ```
pub struct Service {
    /// Where components register their metrics before the admin server starts.
    pub registry: Registry,
    /// Where components make their checks.
    pub health: Health,
    /// Where components hang their tasks.
    pub shutdown: Shutdown,
    admin_address: SocketAddr,
}

/// A process whose admin server answers.
pub struct Running {
    /// The health that the probes tell.
    pub health: Health,
    /// The orderly end.
    pub shutdown: Shutdown,
    /// Where the admin server listens; differs from what was asked if that was port 0.
    pub admin_address: SocketAddr,
    admin: JoinHandle<io::Result<()>>,
    admin_until: CancellationToken,
}

/// Why a process could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log directives cannot be read.
    #[error("cannot read the log directives {directives:?}; write a level such as `info`")]
    Log {
        /// As they were given.
        directives: String,
        /// What is wrong with them.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The signal handlers were refused.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    /// The admin address is not to be had.
    #[error(
        "cannot listen on the admin address {address}; is another process on it? --admin-address changes it"
    )]
    Admin {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

/// Makes aws-lc the process's cryptography. Harmless when done twice.
pub fn install_crypto_provider() {
    // An error means that one is installed already, which in a tree with a single provider is the same one.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

impl Service {
    /// Sets up cryptography, logs and signals. Needs a tokio runtime; to be called once a process.
    pub fn start(name: &str, version: &str, arguments: &ServiceArguments) -> Result<Self, StartError> {
        let ServiceArguments { admin_address, log_level, log_format } = arguments;
        install_crypto_provider();
        logs::start(log_level, *log_format)
            .map_err(|source| StartError::Log { directives: log_level.clone(), source })?;
        let shutdown = Shutdown::new();
        shutdown.listen().map_err(StartError::Signals)?;
        info!(binary = name, version, "starting");
        Ok(Self {
            registry: metrics::registry(name, version),
            health: Health::new(),
            shutdown,
            admin_address: *admin_address,
        })
    }

    /// Starts the admin server with the process's own pages; from here on the registry is closed.
    pub async fn serve_admin(self, own: Router) -> Result<Running, StartError> {
        let Self { registry, health, shutdown, admin_address: address } = self;
        let refused = |source| StartError::Admin { address, source };
        let listener = admin::listen(address).await.map_err(refused)?;
        let admin_address = listener.local_addr().map_err(refused)?;
        let admin_until = CancellationToken::new();
        let router = admin::router(health.clone(), Arc::new(registry), own);
        // Not among the tracked tasks: it answers until all of those have ended.
        let admin =
            tokio_util::task::TaskTracker::new().spawn(admin::serve(listener, router, admin_until.clone()));
        let (stopping, stop) = (health.clone(), shutdown.token());
        shutdown.spawn(async move {
            stop.cancelled().await;
            stopping.stopping();
        });
        Ok(Running { health, shutdown, admin_address, admin, admin_until })
    }
}

impl Running {
    /// Waits for the stop, gives the tasks `grace` to end, and ends the admin server last. Says whether all ended in time.
    pub async fn until_stopped(self, grace: Duration) -> bool {
        let Self { shutdown, admin, admin_until, .. } = self;
        shutdown.asked().await;
        let finished = shutdown.finish(grace).await;
        admin_until.cancel();
        // A client that reads slowly must not hold the process: a second is far more than a local probe needs.
        let _late = tokio::time::timeout(Duration::from_secs(1), admin).await;
        match finished {
            Ok(()) => info!("stopped"),
            Err(ref unfinished) => error!(error = %Chain(unfinished), "stopped without waiting further"),
        }
        finished.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogFormat;

    #[tokio::test]
    async fn a_service_starts_answers_and_stops() {
        let arguments = ServiceArguments {
            admin_address: "127.0.0.1:0".parse().unwrap(),
            log_level: "warn".into(),
            log_format: LogFormat::Text,
        };
        let service = Service::start("test", "0", &arguments).unwrap();
        let running = service.serve_admin(Router::new()).await.unwrap();
        assert!(tokio::net::TcpStream::connect(running.admin_address).await.is_ok());

        let taken = ServiceArguments { admin_address: running.admin_address, ..arguments };
        let second = Service {
            registry: metrics::registry("second", "0"),
            health: Health::new(),
            shutdown: Shutdown::new(),
            admin_address: taken.admin_address,
        };
        assert!(matches!(second.serve_admin(Router::new()).await, Err(StartError::Admin { .. })));

        let health = running.health.clone();
        running.shutdown.ask();
        assert!(running.until_stopped(Duration::from_secs(10)).await);
        assert!(!health.unready().is_empty());
    }
}
