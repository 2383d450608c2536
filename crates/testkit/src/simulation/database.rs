//! A database with synchronous replication, exact in what the promise rests on: which record is where, whose flush acknowledges it, and
//! what a crash, a promotion, a rewind and a copy make of a log.
//!
//! It follows PostgreSQL where PostgreSQL is less careful than one would wish: a standby is told from another by its name alone, positions
//! are compared and contents are not, a walsender releases commits by the setting that it last read, a promotion forks wherever the
//! standby's log ends, a killed primary keeps what it had flushed, and what control data says of the timeline may be old.
//!
//! Nothing here knows the time or chance: when each step happens is for the simulation or the model checker to say. Values are small
//! and can be cloned and hashed.

mod effects;
mod fleet;
mod log;
mod release;
mod server;
mod stream;

pub use fleet::{Data, Databases, Disk, Torn};
pub use log::{Body, Branch, End, Log, Record};
pub use release::{Commit, Committed};
pub use server::{Role, Sender, Server, Source, Wait};
pub use stream::{Connection, Shipment};

#[cfg(test)]
mod tests;
