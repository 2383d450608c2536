//! The proxy's figures. Every label is an enum, so that no client can make up new series.

use crate::backend::ErrorKind;
use crate::session::{Cause, LoginOutcome};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// How a connection began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Arrival {
    /// With a startup packet.
    Session,
    /// With a cancel request.
    Cancel,
    /// Beyond the limits.
    TooMany,
    /// With TLS that failed.
    TlsFailed,
    /// Without TLS.
    Plaintext,
    /// With something that is not the protocol.
    Malformed,
    /// Not at all, in time.
    Silent,
}

/// What became of a cancel request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum CancelOutcome {
    /// A database took it.
    Forwarded,
    /// What runs is a COMMIT, or nothing that a database could give up.
    Withheld,
    /// No cluster has given out such a key.
    Unknown,
    /// Too many at once.
    Dropped,
    /// The database could not be reached.
    Failed,
}

macro_rules! label {
    ($(#[$doc:meta])* $set:ident { $name:ident: $kind:ty }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub struct $set {
            /// The label.
            pub $name: $kind,
        }
    };
}

label!(/// How a connection began.
    ArrivalLabel { arrival: Arrival });
label!(/// How a login ended.
    LoginLabel { outcome: LoginOutcome });
label!(/// Why a session ended.
    CauseLabel { cause: Cause });
label!(/// What went wrong with a database.
    ErrorLabel { kind: ErrorKind });
label!(/// What became of a cancel request.
    CancelLabel { outcome: CancelOutcome });

/// The proxy's figures.
pub struct Metrics {
    /// Connections by how they began.
    pub arrivals: Family<ArrivalLabel, Counter>,
    /// Logins by how they ended.
    pub logins: Family<LoginLabel, Counter>,
    /// From the startup packet to the first `ReadyForQuery`, holds included.
    pub login_seconds: Histogram,
    /// Questions for verifiers that a primary answered.
    pub lookup_seconds: Histogram,
    /// Sessions that run.
    pub sessions: Gauge,
    /// Sessions by why they ended.
    pub ended: Family<CauseLabel, Counter>,
    /// Sessions that went on at another primary.
    pub moves: Counter,
    /// Clients that wait for a primary.
    pub holding: Gauge,
    /// Clients that had to wait.
    pub held: Counter,
    /// Bytes from clients to databases.
    pub sent: Counter,
    /// Bytes from databases to clients.
    pub received: Counter,
    /// What went wrong with databases.
    pub backend_errors: Family<ErrorLabel, Counter>,
    /// Requests to cancel.
    pub cancels: Family<CancelLabel, Counter>,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        // From a quarter of a millisecond, a lookup over a kept connection, to half a minute, the longest hold.
        let seconds = || Histogram::new(exponential_buckets(0.000_25, 2.0, 18));
        Self {
            arrivals: Family::default(),
            logins: Family::default(),
            login_seconds: seconds(),
            lookup_seconds: seconds(),
            sessions: Gauge::default(),
            ended: Family::default(),
            moves: Counter::default(),
            holding: Gauge::default(),
            held: Counter::default(),
            sent: Counter::default(),
            received: Counter::default(),
            backend_errors: Family::default(),
            cancels: Family::default(),
        }
    }

    /// Makes them known.
    pub fn register(&self, registry: &mut Registry) {
        let Self {
            arrivals,
            logins,
            login_seconds,
            lookup_seconds,
            sessions,
            ended,
            moves,
            holding,
            held,
            sent,
            received,
            backend_errors,
            cancels,
        } = self;
        let registry = registry.sub_registry_with_prefix("proxy");
        registry.register("connections", "Connections by how they began", arrivals.clone());
        registry.register("logins", "Logins by how they ended", logins.clone());
        registry.register_with_unit(
            "login",
            "From the startup packet to the first ReadyForQuery, holds included",
            Unit::Seconds,
            login_seconds.clone(),
        );
        registry.register_with_unit(
            "lookup",
            "Questions for verifiers that a primary answered",
            Unit::Seconds,
            lookup_seconds.clone(),
        );
        registry.register("sessions", "Sessions that run", sessions.clone());
        registry.register("sessions_ended", "Sessions by why they ended", ended.clone());
        registry.register("moves", "Sessions that went on at another primary", moves.clone());
        registry.register("holding", "Clients that wait for a primary", holding.clone());
        registry.register("held", "Clients that had to wait for a primary", held.clone());
        registry.register_with_unit("sent", "Bytes from clients to databases", Unit::Bytes, sent.clone());
        registry.register_with_unit(
            "received",
            "Bytes from databases to clients",
            Unit::Bytes,
            received.clone(),
        );
        registry.register("backend_errors", "What went wrong with databases", backend_errors.clone());
        registry.register("cancels", "Requests to cancel", cancels.clone());
    }

    /// A connection began.
    pub fn arrived(&self, arrival: Arrival) {
        self.arrivals.get_or_create(&ArrivalLabel { arrival }).inc();
    }

    /// Something went wrong with a database.
    pub fn backend_error(&self, kind: ErrorKind) {
        self.backend_errors.get_or_create(&ErrorLabel { kind }).inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
