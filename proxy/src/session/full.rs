//! What a client is told whose write a primary refuses because its volume is full: PostgreSQL itself says only that the transaction is read-only
//! (25006), which to drivers is the mark of a standby and sends them looking for another server.

use crate::wire::{Report, SqlState};
use berth_core::MemberId;

/// What is told instead.
pub(super) fn full_disk(member: &MemberId) -> Report {
    let message =
        format!("the data volume of the primary {member} is full, and writes are refused until it has room");
    Report::error(SqlState::DiskFull, message).hint(
        "Reads go on. Have the volume made larger (spec.storage.data.size), or make room: BEGIN READ WRITE, or SET default_transaction_read_only = off, \
         lets a session delete; TRUNCATE and DROP give the room back at once.",
    )
}
