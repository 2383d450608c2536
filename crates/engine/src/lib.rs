//! The engine trait: what Berth asks of a database, and the adapters that answer.
//!
//! Everything above this crate speaks of terms, positions, timelines and members; how an engine makes, copies, starts,
//! follows, promotes and is fenced belongs to its adapter alone.

mod engine;
pub mod logs;
pub mod postgres;

pub use engine::{
    Boot, Engine, EngineError, LocalStatus, LogEnd, Peer, Quorum, ServerCommand, Settings, SettingsOutcome,
    Standby, TermRow, Volume,
};
