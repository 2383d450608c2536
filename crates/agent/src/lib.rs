//! The agent of a member and the warden that it runs under.
//!
//! The agent hears of the topology, of its server, of its files ([`observe`]) and of the other members' agents ([`peers`]), lets the decision
//! core of `berth-core` decide, and does what it says ([`execute`]), one effect at a time ([`runtime`]). It holds no rule of its own about who may serve. It never calls the
//! Kubernetes API.

mod agent;
pub mod execute;
mod install;
pub mod metrics;
pub mod observe;
mod pages;
pub mod peers;
pub mod runtime;
pub mod supervise;
pub mod volume;
pub mod warden;

pub use agent::{AgentArguments, run};
pub use install::{InstallArguments, install};
