//! The pure heart of Berth: identities, terms, the records of the topology, and every decision.
//!
//! Nothing here performs an effect or reads a clock: time, randomness and ids are arguments, so that the same functions
//! run in production, in simulation and in the model checker. Nothing here knows tokio, kube, etcd or a database engine.

pub mod database;
pub mod disk;
pub mod election;
pub mod ids;
pub mod plan;
pub mod position;
pub mod term;
pub mod topology;

pub use ids::{ClaimUid, ClusterName, ClusterRef, ClusterUid, MemberId, Namespace, Nonce};
pub use position::LogPosition;
pub use term::{Generation, Term, Timeline};
