//! What every process of Berth needs: arguments, logs, metrics, an admin server, health, shutdown and a TLS identity.
//!
//! [`Service`] puts them together, so that a `main` stays short and all processes behave alike. Nothing here knows what a
//! process is for: no topology, no engine, no Kubernetes.

pub mod admin;
mod arguments;
mod chain;
pub mod clock;
mod health;
pub mod identity;
mod logs;
mod metrics;
mod service;
mod shutdown;

pub use arguments::{LogFormat, ServiceArguments};
pub use chain::Chain;
pub use health::{Check, Health};
pub use identity::Identity;
pub use prometheus_client;
pub use service::{Running, Service, StartError, install_crypto_provider};
pub use shutdown::{Shutdown, Unfinished};
