//! The topology of one cell: who is primary, what is asked, what members say, where clients go.
//!
//! The [`Topology`] trait has two implementations, etcd and memory, under one conformance suite. This crate decides how
//! records are keyed, wrapped and watched; what they say is `berth_core::topology`.

pub mod key;
mod store;
mod watch;

pub use store::{Snapshot, Stored, Topology, TopologyError};
pub use watch::{Change, Scope, Watch, WatchEvent};

/// A store's counter of changes. Grows with every write; 0 is before the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub i64);
