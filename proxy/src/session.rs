//! One client's session: login, relay, end.

mod cancel;
mod ending;
mod hold;
mod login;
mod pump;
mod relay;
mod rewrite;
mod serve;
mod sql;
mod statement;
mod tracker;

pub use ending::{Cause, Ending};
pub use login::LoginOutcome;
pub use serve::serve;
