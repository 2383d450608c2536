//! Ending recovery onto exactly the timeline that the topology allocated.
//!
//! PostgreSQL takes the first number after its own for which it sees no history file. Where the allocated number is further on,
//! because a term before this one was won by somebody who never served, an empty history file stands for each number between:
//! the server logs that it is no ancestor of its own and goes on. `pg_promote()` is not used, because it polls ten times a second.

use super::place::PostgresPlace;
use super::reload::until;
use super::sql::Held;
use super::{files, status, volume};
use crate::EngineError;
use berth_core::{LogPosition, Timeline};
use rustix::process::{Signal, kill_process};
use std::path::PathBuf;
use std::time::Duration;

/// How long the end of recovery may take: what was received is replayed first.
const PROMOTION: Duration = Duration::from_mins(2);

/// Promotes, and returns where the timeline begins.
pub(super) async fn promote(
    place: &PostgresPlace,
    sql: &mut Held<'_>,
    timeline: Timeline,
) -> Result<LogPosition, EngineError> {
    let before = status::ask(place, sql).await?;
    if before.in_recovery {
        pave(place, before.timeline, timeline)?;
        let pgdata = place.pgdata();
        files::write(&pgdata.join("promote"), b"")?;
        kill_process(volume::postmaster(&pgdata)?, Signal::USR1).map_err(|errno| {
            EngineError::NotAnswering(format!("the server cannot be told of its promotion: {errno}"))
        })?;
        let ended = "SELECT NOT pg_catalog.pg_is_in_recovery()";
        until(sql, PROMOTION, "recovery does not end", ended, &[]).await?;
    }
    let after = status::ask(place, sql).await?.timeline;
    if after != timeline {
        return Err(EngineError::Step {
            step: format!("the promotion onto timeline {timeline}"),
            reason: format!("the server is on timeline {after}; it must not serve"),
        });
    }
    let path = history(place, timeline);
    let history = files::read(&path)?.unwrap_or_default();
    begin(&history).ok_or_else(|| {
        EngineError::Volume(format!("{} does not tell where timeline {timeline} begins", path.display()))
    })
}

/// The file that tells a timeline's ancestors.
fn history(place: &PostgresPlace, timeline: Timeline) -> PathBuf {
    place.pgdata().join("pg_wal").join(format!("{:08X}.history", timeline.0))
}

/// Where a timeline begins: where its last ancestor was left. A line is `ancestor<TAB>position<TAB>reason`.
fn begin(history: &str) -> Option<LogPosition> {
    let last = history.lines().rfind(|line| !line.trim().is_empty() && !line.starts_with('#'))?;
    let (high, low) = last.split_whitespace().nth(1)?.split_once('/')?;
    let half = |text| u32::from_str_radix(text, 16).ok().map(u64::from);
    Some(LogPosition(half(high)? << 32 | half(low)?))
}

/// Makes the allocated number the next free one, or refuses before anything has happened.
fn pave(place: &PostgresPlace, current: Timeline, wanted: Timeline) -> Result<(), EngineError> {
    let taken = wanted <= current || history(place, wanted).exists();
    if taken {
        return Err(EngineError::Step {
            step: format!("the promotion onto timeline {wanted}"),
            reason: format!(
                "the number is used already; the server is on {current}. A new term allocates the next"
            ),
        });
    }
    let mut between = current.next();
    while between < wanted {
        if !history(place, between).exists() {
            files::write(&history(place, between), b"")?;
        }
        between = between.next();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_begins_where_its_last_ancestor_was_left() {
        let history =
            "1\t0/14C8F10\tno recovery target specified\n\n3\t1A/5000098\tno recovery target specified\n";
        assert_eq!(begin(history), Some(LogPosition(0x1A_0500_0098)));
        assert_eq!(begin(""), None, "a paving stone tells nothing");
    }
}
