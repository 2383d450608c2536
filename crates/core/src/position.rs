//! A place in an engine's log, comparable only within one lineage.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A place in the log, counted in the engine's own unit (bytes for PostgreSQL).
///
/// *Caveat*: two positions compare only where their timelines share that part of the history; which one does is told by the lineage, never by the number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogPosition(pub u64);

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}
