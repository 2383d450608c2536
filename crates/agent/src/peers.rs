//! The link between the agents of a cluster: what members say to each other in an election, from one to the other and by nobody else.
//!
//! [`TlsLink`] says, [`Ear`] hears. Each agent says over connections that it opened itself and hears over those that were opened to it, so that
//! neither end has to agree with the other on anything but the lines. Mutual TLS names both ends by member and cluster; an [`envelope`] that
//! speaks for another member than the certificate ends its connection.
//!
//! A message may be lost, and nothing here tries to save one: what must be answered is said again by whoever decides. So nothing waits for a
//! member that does not answer, and nothing old is kept for it.

mod ear;
mod edge;
pub mod envelope;
mod link;
mod queue;
mod socket;
mod strangers;

pub use ear::Ear;
pub use link::TlsLink;

use berth_core::MemberId;
use berth_core::election::Message;

/// How the other members' agents are spoken to.
pub trait Link: Send + Sync + 'static {
    /// Says this to another member, whose agent hears at `address`. Never waits; the message may be lost, and then nobody is told.
    fn send(&self, to: &MemberId, address: &str, message: Message);
}

#[cfg(test)]
mod tests;
