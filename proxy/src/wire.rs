//! PostgreSQL's wire protocol as the proxy needs it: startup packets, framed messages, errors.
//!
//! Nothing here decides anything and nothing here reads a socket by itself, except [`Conversation`], which is for the few
//! messages before a session. The relay does not decode: it only finds the borders between messages ([`Framing`]).

mod conversation;
mod framing;
mod message;
mod report;
mod startup;

pub use conversation::{Conversation, WireError};
pub use framing::{Framing, FramingError, HEADER, Sighting};
pub use message::{Message, Reader, authentication, begin, frame, put_cstr, row_value};
pub use report::{Fields, Report, Severity, SqlState};
pub use startup::{
    CANCEL_CODE, CancelKey, LONGEST_STARTUP, Opening, SSL_CODE, Startup, StartupError, Version,
    startup_packet,
};
