//! What every connection of the proxy shares.

use crate::auth::scram::{Key, hmac_sha256};
use crate::auth::{Lookups, Mock, VerifierCache};
use crate::backend::Connector;
use crate::drain::Drain;
use crate::listener::{Limits, TlsServer};
use crate::metrics::Metrics;
use crate::route::Table;
use crate::session::{Seats, Statements};
use berth_service::Identity;
use std::sync::Arc;
use std::time::Duration;

/// How the proxy was told to behave.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Names under this suffix name a cluster in TLS.
    pub tenant_suffix: String,
    /// Clients without TLS are let in.
    pub allow_plaintext: bool,
    /// How long a client may take up to its startup packet, and again for its login.
    pub login_limit: Duration,
    /// How long a client is held while there is no primary.
    pub hold_limit: Duration,
    /// How many clients of one cluster are held at once.
    pub hold_most: usize,
    /// How long a connection to a database may take.
    pub connect_limit: Duration,
    /// Connections in all.
    pub connections_most: usize,
    /// Connections per source that have not authenticated.
    pub strangers_most: usize,
}

/// What every connection of the proxy shares.
pub struct Context {
    /// How to behave.
    pub settings: Settings,
    /// Who we are.
    pub identity: Arc<Identity>,
    /// TLS towards tenants.
    pub tls: TlsServer,
    /// Where clusters are.
    pub table: Arc<Table>,
    /// Connections to databases.
    pub connector: Arc<Connector>,
    /// Questions to primaries.
    pub lookups: Lookups,
    /// Answers of before.
    pub verifiers: VerifierCache,
    /// What stands in for what does not exist.
    pub mock: Mock,
    /// Counts of connections.
    pub limits: Arc<Limits>,
    /// Where sessions are, for requests to cancel what they run.
    pub(crate) seats: Arc<Seats>,
    /// Statements that sessions have prepared.
    pub(crate) statements: Arc<Statements>,
    /// Requests to cancel that are under way.
    pub cancels: tokio::sync::Semaphore,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// The end.
    pub drain: Drain,
}

/// Cancel requests are not authenticated and each costs a TLS connection to a database: more than these are dropped.
const CANCELS: usize = 32;

impl Context {
    /// Puts the parts together.
    pub fn new(
        settings: Settings,
        identity: Arc<Identity>,
        table: Arc<Table>,
        metrics: Arc<Metrics>,
        drain: Drain,
    ) -> Self {
        let connector = Arc::new(Connector::new(Arc::clone(&identity), settings.connect_limit));
        Self {
            tls: TlsServer::new(Arc::clone(&identity)),
            lookups: Lookups::new(Arc::clone(&connector)),
            limits: Limits::new(settings.connections_most, settings.strangers_most),
            cancels: tokio::sync::Semaphore::new(CANCELS),
            seats: Arc::default(),
            statements: Arc::default(),
            verifiers: VerifierCache::default(),
            mock: Mock::new(),
            settings,
            identity,
            table,
            connector,
            metrics,
            drain,
        }
    }

    /// A secret that all proxies of one installation share and nobody else has: derived from the private key that they all
    /// mount. It changes when that key is rotated.
    pub fn secret(&self) -> Key {
        hmac_sha256(&self.identity.current().pem().key, &[b"berth proxies' shared secret"])
    }
}
