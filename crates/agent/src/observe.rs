//! What the agent hears, turned into events for the decision core. Each source is a task of its own; none of them decides anything.

mod status;
mod topology;
mod verifier;

pub use status::{Question, ask_server};
pub use topology::{known, view, watch_topology};
pub use verifier::{digest, watch_verifier};
