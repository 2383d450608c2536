//! One client's session: login, relay, moves from one primary to the next, end.

mod belongings;
mod cancel;
mod ending;
mod full;
mod hold;
mod life;
mod login;
mod moving;
mod prelude;
mod pump;
mod relay;
mod rewrite;
mod seat;
mod serve;
mod sieve;
mod sql;
mod tracker;

pub(crate) use belongings::Statements;
pub use ending::Cause;
pub use login::LoginOutcome;
pub(crate) use seat::Seats;
pub use serve::serve;
