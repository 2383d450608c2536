//! Waiting for a condition, with a deadline: the only way anything here waits.
//!
//! The probes are cheap looks at a file, a socket or a process. What can be watched (a child's exit, a
//! connection's end) is waited for by blocking instead and does not come through here.

use std::time::{Duration, Instant};

use crate::error::Error;

/// How long to pause between two looks: short against everything that is awaited here, long enough to cost nothing.
const PAUSE: Duration = Duration::from_millis(25);

/// Calls `look` until it yields a value; gives up after `limit`.
///
/// `awaited` is a noun phrase for the error message, `tail` supplies the log lines that go with it.
pub(crate) fn until<T>(
    awaited: &str,
    limit: Duration,
    tail: impl FnOnce() -> String,
    mut look: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    let start = now();
    loop {
        if let Some(value) = look()? {
            return Ok(value);
        }
        if start.elapsed() >= limit {
            return Err(Error::Deadline { awaited: awaited.to_owned(), waited: limit, tail: tail() });
        }
        std::thread::sleep(PAUSE);
    }
}

/// The moment from which waits and steps are measured.
pub(crate) fn now() -> Instant {
    Instant::now()
}
