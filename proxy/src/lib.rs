//! The proxy: takes tenants to the primary of their database cluster, and holds them while there is none.
//!
//! One stateless process, many of them, any of which can die. Modules by what they answer: `listener` (may this connection
//! come in), `wire` (what do these bytes say), `route` (which cluster, and where), `auth` (who is it), `backend` (is this the
//! primary), `session` (what goes on), `drain` (how it ends). It never calls the Kubernetes API and never runs an election.

mod accept;
mod admin;
mod arguments;
pub mod auth;
pub mod backend;
mod context;
mod drain;
pub mod listener;
mod metrics;
pub mod route;
mod run;
pub mod session;
pub mod wire;

pub use arguments::Arguments;
pub use context::{Context, Settings};
pub use drain::Drain;
pub use metrics::Metrics;
pub use run::{Proxy, RunError, start};
