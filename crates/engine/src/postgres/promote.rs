//! Ending recovery onto exactly the timeline that the topology allocated.
//!
//! PostgreSQL takes the first number after its own for which it sees no history file. Where the allocated number is further on,
//! because a term before this one was won by somebody who never served, an empty history file stands for each number between:
//! the server logs that it is no descendant of its own and goes on. `pg_promote()` is not used, because it polls ten times a second.

use super::place::PostgresPlace;
use super::reload::until;
use super::sql::{Held, QUICK};
use super::{files, identify, status, timelines, volume};
use crate::{EngineError, LogEnd};
use berth_core::{LogPosition, Timeline};
use rustix::process::{Signal, kill_process};
use std::time::Duration;

/// How long the end of recovery may take: what was received is replayed first.
const PROMOTION: Duration = Duration::from_mins(2);

/// Promotes, and returns where the timeline begins.
pub(super) async fn promote(
    place: &PostgresPlace,
    sql: &mut Held<'_>,
    timeline: Timeline,
) -> Result<LogPosition, EngineError> {
    if sql.row(QUICK, "SELECT pg_catalog.pg_is_in_recovery()", &[]).await?.get(0) {
        pave(place, sql, timeline).await?;
        let pgdata = place.pgdata();
        // Not made durable: a server that died with it must not be promoted when it comes back.
        let trigger = pgdata.join("promote");
        std::fs::write(&trigger, b"").map_err(files::failed("writing", &trigger))?;
        kill_process(volume::postmaster(&pgdata)?, Signal::USR1).map_err(|errno| {
            EngineError::NotAnswering(format!("the server cannot be told of its promotion: {errno}"))
        })?;
        let ended = "SELECT NOT pg_catalog.pg_is_in_recovery()";
        until(sql, PROMOTION, "recovery does not end", ended, &[]).await?;
    }
    let after = status::ask(place, sql).await?.timeline;
    if after != timeline {
        return Err(EngineError::Step {
            step: step(timeline),
            reason: format!("the server is on timeline {after}; it must not serve"),
        });
    }
    let path = timelines::history(place, timeline);
    let history = files::read(&path)?.unwrap_or_default();
    timelines::begin(&history).ok_or_else(|| {
        EngineError::Volume(format!("{} does not tell where timeline {timeline} begins", path.display()))
    })
}

fn step(timeline: Timeline) -> String {
    format!("the promotion onto timeline {timeline}")
}

/// Makes the allocated number the next free one, or refuses before anything has happened.
async fn pave(place: &PostgresPlace, sql: &mut Held<'_>, wanted: Timeline) -> Result<(), EngineError> {
    let seen = timelines::look(place)?;
    // Numbers grow with the terms, so that one above the wanted means that its term is over.
    if wanted <= seen.used() {
        let used = seen.used();
        return Err(EngineError::Step {
            step: step(wanted),
            reason: format!("the numbers up to {used} are used already. A new term allocates the next"),
        });
    }
    if seen.foreign().next().is_some() {
        let replayed = sql.row(QUICK, "SELECT pg_catalog.pg_last_wal_replay_lsn()", &[]).await?;
        let end =
            LogEnd { position: status::log_position(replayed.get(0)), ..identify::identify(place).await? };
        if let Some(to) = timelines::lure(place, &seen, end)? {
            return Err(timelines::lured(&step(wanted), to));
        }
    }
    seen.gaps(wanted).try_for_each(|between| files::write(&timelines::history(place, between), b""))
}
