//! From an accepted connection to a startup packet: limits, TLS, and who is asked for.
//!
//! Everything here happens before any password, so everything is bounded in bytes, time and number per source.

mod limits;
mod opening;
pub mod socket;
mod stream;
mod tls;

pub use limits::{Admitted, Limits};
pub use opening::{Opened, OpeningError, open};
pub use stream::ClientStream;
pub use tls::{TlsServer, end_point};
