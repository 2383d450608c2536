//! The topology of one cell: who is primary, what is asked, what members say, where clients go.
//!
//! The [`Topology`] trait is what everybody uses. [`Records`] implements it over a [`backend::Backend`], of which there are
//! two, etcd and memory, under one conformance suite. This crate decides how records are keyed, wrapped and watched; what
//! they say is `berth_core::topology`.

pub mod backend;
mod backoff;
mod envelope;
pub mod etcd;
mod follow;
mod grants;
pub mod key;
mod list;
pub mod memory;
mod records;
mod store;
mod watch;

pub use envelope::VERSION;
pub use etcd::{EtcdOptions, EtcdTopology};
pub use grants::{Grant, Keys, Right, User};
pub use memory::{Memory, MemoryTopology};
pub use records::Records;
pub use store::{Snapshot, Stored, Topology, TopologyError};
pub use watch::{Change, Continuity, Scope, Watch, WatchEvent};

/// A store's counter of changes. Grows with every write; 0 is before the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub i64);
