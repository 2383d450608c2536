//! The proxy against real parts: PostgreSQL and its own clients from Debian, TLS with a real authority, the topology in memory.
//!
//! Each test is a small world of its own. What a Kubernetes adds is not here; the end-to-end stories have it.

mod authority;
mod balancer;
mod database;
mod program;
mod raw;
mod world;

mod cancelling;
mod endings;
mod holding;
mod opening;
mod passwords;
mod relaying;
mod routing;
