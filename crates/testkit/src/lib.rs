//! What tests share: waiting for a condition with a deadline, and seeds that can be replayed. Simulated parts live beside them.
//!
//! A dev-dependency only; nothing here may reach production.

pub mod engine;
pub mod random;
pub mod seeds;
pub mod simulation;
pub mod wait;

pub use random::Random;
pub use seeds::for_seeds;
pub use wait::{Outcome, Overdue, eventually};
