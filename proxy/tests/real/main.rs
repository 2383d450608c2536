//! The proxy against real parts: PostgreSQL and its own clients from Debian, TLS with a real authority, the topology in memory.
//!
//! Each test is a small world of its own. What a Kubernetes adds is not here; the end-to-end stories have it.

#[cfg(test)]
mod authority;
#[cfg(test)]
mod balancer;
#[cfg(test)]
mod database;
#[cfg(test)]
mod leash;
#[cfg(test)]
mod program;
#[cfg(test)]
mod puppet;
#[cfg(test)]
mod raw;
#[cfg(test)]
mod session;
#[cfg(test)]
mod world;

#[cfg(test)]
mod cancelling;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod full;
#[cfg(test)]
mod holding;
#[cfg(test)]
mod losing;
#[cfg(test)]
mod moving;
#[cfg(test)]
mod opening;
#[cfg(test)]
mod passwords;
#[cfg(test)]
mod relaying;
#[cfg(test)]
mod routing;
