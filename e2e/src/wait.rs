//! Waiting on a condition with a deadline: the only way a story lets time pass.

use anyhow::{Result, anyhow};
use std::time::{Duration, Instant};

/// How often a condition is looked at. Short against what is waited for, long against what a `kubectl` call costs.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Looks until the condition gives a value. An error or `None` means "not yet"; at the deadline the last one is told.
pub fn eventually<T>(deadline: Duration, what: &str, look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    eventually_each(BETWEEN_LOOKS, deadline, what, look)
}

/// The same with another time between two looks, where looking costs what is measured meanwhile.
pub fn eventually_each<T>(
    between: Duration,
    deadline: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let began = Instant::now();
    loop {
        let last = match look() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if began.elapsed() >= deadline {
            return Err(match last {
                Some(error) => error.context(format!("not within {deadline:?}: {what}")),
                None => anyhow!("not within {deadline:?}: {what}"),
            });
        }
        std::thread::sleep(between);
    }
}

/// Does something again and again until the time is over; the first failure ends it.
pub fn outlast(time: Duration, mut act: impl FnMut() -> Result<()>) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < time {
        act()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_returns_the_value_or_the_last_error() {
        let mut looks = 0;
        let value = eventually(Duration::from_secs(5), "the third look", || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(value.unwrap(), 3);
        let error =
            eventually(Duration::ZERO, "never", || Err::<Option<()>, _>(anyhow!("the reason"))).unwrap_err();
        assert!(format!("{error:#}").contains("the reason"), "{error:#}");
    }
}
