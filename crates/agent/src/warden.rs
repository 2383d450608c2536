//! The warden: PID 1 of a member's container, and how the agent speaks to it.
//!
//! It starts and reaps every process, ends the database's last process before it says that the database has ended, restarts
//! the agent without touching the database, and fences. It is synchronous and decides nothing: what runs, and when, is the
//! agent's word. It runs as PID 1 only, because `kill(-1)` from there reaches exactly the container and from elsewhere the machine.
//!
//! [`protocol`] is what the two say to each other; [`client`] is the agent's end of it.

mod children;
pub mod client;
mod fence;
mod output;
pub mod protocol;
mod run;
mod socket;

pub use run::{WardenArguments, WardenFailure, run};
