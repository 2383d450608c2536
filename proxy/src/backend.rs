//! Connections to databases: mTLS to the member that the route names, a login, and proof that it is the primary of the term.
//!
//! No byte of a tenant goes to a server before its certificate has named the cluster's uid and the member: a recycled pod
//! address may be another tenant's database.

mod connect;
mod error;
mod login;
mod query;

pub use connect::{BackendStream, Connector, cancel};
pub use error::{BackendError, ErrorKind};
pub(crate) use login::LONGEST;
pub use login::{Backend, Credentials};
pub use query::Row;
pub(crate) use query::answer;
