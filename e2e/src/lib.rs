//! What the end-to-end stories are told with: a Kubernetes with Berth on it, its objects, and tenants with real clients.
//!
//! Everything is done through programs that a person would use (`kubectl`, `psql`, `pgbench`, `berth`); nothing of Berth's own code is
//! called, so that a story shows what users get. The stories themselves are in `tests/`, one file a subject.

pub mod audit;
pub mod chaos;
pub mod database;
pub mod deployment;
pub mod kubectl;
pub mod kubernetes;
mod normalised;
pub mod place;
pub mod tenant;
pub mod wait;
pub mod writer;

pub use database::Database;
pub use place::Place;
pub use tenant::Tenant;
pub use wait::eventually;
pub use writer::Writer;
