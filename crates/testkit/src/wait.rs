//! Waiting until something is so, with a deadline: what tests do instead of sleeping.

use std::fmt;
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// The first pause between two looks. Most things that tests wait for take milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest pause: what a test loses at most, and what a look may cost without being felt.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// What one look says: that it is so (with what was found), or why not yet.
pub trait Outcome {
    /// What is found.
    type Found;
    /// What was found, or why not yet.
    fn outcome(self) -> Result<Self::Found, String>;
}

impl Outcome for bool {
    type Found = ();
    fn outcome(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("it is not so".into()) }
    }
}

impl<T> Outcome for Option<T> {
    type Found = T;
    fn outcome(self) -> Result<T, String> {
        self.ok_or_else(|| "it is not there".into())
    }
}

impl<T, E: fmt::Display> Outcome for Result<T, E> {
    type Found = T;
    fn outcome(self) -> Result<T, String> {
        // The alternate form shows the causes of an `anyhow` error.
        self.map_err(|error| format!("{error:#}"))
    }
}

/// Something did not become so in time.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: not within {deadline:?}; last seen: {last}")]
pub struct Overdue {
    /// What was waited for.
    pub what: String,
    /// How long.
    pub deadline: Duration,
    /// Why not, when it was looked at last.
    pub last: String,
}

/// As it is displayed, so that `unwrap` reads well.
impl fmt::Debug for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Looks again and again until it is so. A look that hangs counts against the deadline too.
///
/// ```
/// # use std::time::Duration;
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// let mut looks = 0;
/// let found = berth_testkit::eventually(Duration::from_secs(5), "the third look", || {
///     looks += 1;
///     let found = (looks == 3).then_some(looks);
///     async move { found }
/// });
/// assert_eq!(found.await.unwrap(), 3);
/// # });
/// ```
pub async fn eventually<O, F, Look>(
    deadline: Duration,
    what: impl Into<String>,
    mut look: Look,
) -> Result<O::Found, Overdue>
where
    O: Outcome,
    F: Future<Output = O>,
    Look: FnMut() -> F,
{
    let end = Instant::now() + deadline;
    let mut pause = FIRST_PAUSE;
    let mut last = "it was never looked at to the end".to_owned();
    loop {
        match timeout_at(end, look()).await.map(Outcome::outcome) {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(why)) => last = why,
            Err(_) => {
                return Err(Overdue {
                    what: what.into(),
                    deadline,
                    last: format!("{last}; then the look hung"),
                });
            }
        }
        if Instant::now() + pause >= end {
            return Err(Overdue { what: what.into(), deadline, last });
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn what_never_becomes_so_is_told_with_the_last_reason() {
        let overdue =
            eventually(SOON, "the primary serves", || async { Err::<(), _>("two members only") }).await;
        let text = format!("{:?}", overdue.unwrap_err());
        assert!(text.contains("the primary serves") && text.contains("two members only"), "{text}");
    }

    #[tokio::test]
    async fn a_look_that_hangs_does_not_hang_the_test() {
        let overdue = eventually(SOON, "an answer", std::future::pending::<bool>).await;
        assert!(overdue.unwrap_err().last.contains("hung"));
    }
}
