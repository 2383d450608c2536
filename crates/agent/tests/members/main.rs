//! Three agents in one process, over a topology in memory and simulated databases: the whole loop as it runs in pods, without pods.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod cluster;
mod parts;
mod stories;
mod warden;
mod wires;
