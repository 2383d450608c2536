//! What the agent itself keeps on the data volume: the lock, whose volume it is, the ledger, a few bytes that show whether the disk works, and ballast.
//!
//! All of it lies in `berth/`, beside the database and never inside it, so that a copy of the database carries none of it along.

mod durable;
mod ledger;
mod lock;
mod pulse;
mod room;

pub use ledger::{LedgerError, LedgerFile};
pub use lock::{LockError, VolumeLock};
pub use pulse::Pulse;
pub use room::Room;
