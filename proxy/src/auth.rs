//! Who a client is: SCRAM ended at the proxy against the verifier that the primary holds.
//!
//! Ended here and not relayed, because a relay breaks channel binding and could not choose a database before the password.
//! No password is known or stored: the proof gives the `ClientKey`, and that logs in to the database as the tenant's role.

mod cache;
mod lookup;
mod mock;
pub mod scram;

pub use cache::VerifierCache;
pub use lookup::{Answer, Lookups};
pub use mock::Mock;
