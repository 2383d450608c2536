//! The records of the topology: what the operator wants, who is primary, what members say of themselves, where clients go.
//!
//! One concept per file. These are the plain values; how they are keyed, wrapped with uid, term and version, stored and
//! watched is the `berth-topology` crate's business.

mod cause;
mod intent;
mod loss;
mod member;
mod rebuild;
mod route;
mod rule;

pub use cause::{Cause, Mishap};
pub use intent::{
    Access, BootstrapGrant, Durability, DurabilityMode, EngineKind, Intent, OnLoss, Switchover,
};
pub use loss::{AcceptLoss, AcceptedLoss};
pub use member::{Activity, MemberRecord, Replication};
pub use rebuild::Rebuild;
pub use route::{Admission, Endpoint, Route};
pub use rule::{Identity, Phase, Proposal, Rule};
