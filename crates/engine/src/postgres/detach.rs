//! Where a standby's log ends, once nothing can be added to it.
//!
//! The end is that of the last whole record, all of which are replayed first: there a promotion would fork. What is left of a record whose
//! rest never came may lie beyond; nobody was ever told that it is safe. The timeline is that of the last replayed record, in the
//! server's own words.
//!
//! How it is known that all is replayed:
//! - Each receiver is started only after replay came to the end of what is on disk. So once there was one, there is nothing but what
//!   receivers added since, and they tell how far: replay is there, or is before a record that is not whole.
//! - Without any since the server's start, replay is done when it waits for a try to find more: it comes there only from the end.

use super::place::PostgresPlace;
use super::sql::{Held, QUICK};
use super::status::log_position;
use super::tail::{self, Cut};
use super::{follow, identify, timelines};
use crate::{EngineError, LogEnd};
use berth_core::LogPosition;
use std::time::Duration;
use tokio_postgres::types::PgLsn;

/// How long all of it may take. An election goes on without this member, or waits for it while its server is started anew.
const LIMIT: Duration = Duration::from_secs(6);
/// How long replay may take for what was received. More than this is far behind, and an election should not wait for it.
const REPLAY: Duration = Duration::from_secs(4);
/// Between two looks at replay.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// After so many looks it is asked what keeps replay.
const PATIENCE: u32 = 10;

/// How far replay and the last receiver came, whether replay waits for more, and how the log is cut.
const PROGRESS: &str = "SELECT pg_catalog.pg_last_wal_replay_lsn() AS replayed, pg_catalog.pg_last_wal_receive_lsn() AS received,
    EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE backend_type OPERATOR(pg_catalog.=) 'startup'
        AND wait_event OPERATOR(pg_catalog.=) 'RecoveryRetrieveRetryInterval') AS waits,
    wal_block_size, bytes_per_wal_segment FROM pg_catalog.pg_control_init()";

struct Progress {
    replayed: LogPosition,
    received: Option<LogPosition>,
    waits: bool,
    cut: Cut,
}

/// Ends the stream, waits for replay, and tells the end.
pub(super) async fn detach(place: &PostgresPlace, sql: &mut Held<'_>) -> Result<LogEnd, EngineError> {
    tokio::time::timeout(LIMIT, end(place, sql)).await.unwrap_or_else(|_| {
        Err(EngineError::NotAnswering(format!("the stream and replay do not end (waited {LIMIT:?})")))
    })
}

async fn end(place: &PostgresPlace, sql: &mut Held<'_>) -> Result<LogEnd, EngineError> {
    let session = identify::open(place).await?;
    follow::part(place, sql).await?;
    let position = tokio::time::timeout(REPLAY, replay(place, sql)).await.unwrap_or_else(|_| {
        Err(EngineError::NotAnswering(format!("what was received is not replayed yet (waited {REPLAY:?})")))
    })?;
    let end = LogEnd { position, ..session.ask().await? };
    let seen = timelines::look(place)?;
    match timelines::lure(place, &seen, end)? {
        None => Ok(end),
        Some(to) => Err(timelines::lured("telling where the log ends", to)),
    }
}

/// Waits until all is replayed, and tells how far that is.
async fn replay(place: &PostgresPlace, sql: &mut Held<'_>) -> Result<LogPosition, EngineError> {
    for look in 1.. {
        let now = progress(sql).await?;
        match now.received {
            Some(received) if now.replayed >= received => return Ok(now.replayed),
            Some(received) if look % PATIENCE == 0 => {
                if is_torn(place, &now, received).await? {
                    return Ok(now.replayed);
                }
                follow::end_readers(sql).await?;
            }
            // What was replayed before it came to wait is known only to a later look.
            None if now.waits => return Ok(progress(sql).await?.replayed),
            None if look % PATIENCE == 0 => follow::end_readers(sql).await?,
            Some(_) | None => {}
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Err(EngineError::NotAnswering("replay never ends".to_owned()))
}

/// Whether replay stands before a record that will never be whole.
async fn is_torn(place: &PostgresPlace, now: &Progress, received: LogPosition) -> Result<bool, EngineError> {
    let known = identify::identify(place).await?;
    let timeline = if known.position == received {
        known.timeline
    } else {
        // It was received on another timeline, of which nothing is replayed yet: on the newest that there is.
        timelines::look(place)?.newest().unwrap_or(known.timeline)
    };
    tail::is_torn(place, now.cut, timeline, now.replayed, received)
}

async fn progress(sql: &mut Held<'_>) -> Result<Progress, EngineError> {
    let row = sql.row(QUICK, PROGRESS, &[]).await?;
    let received: Option<PgLsn> = row.get("received");
    let size = |column: &str| u64::try_from(row.get::<_, i32>(column)).unwrap_or_default().max(1);
    Ok(Progress {
        replayed: log_position(row.get("replayed")),
        received: received.map(|lsn| log_position(Some(lsn))),
        waits: row.get("waits"),
        cut: Cut { page: size("wal_block_size"), segment: size("bytes_per_wal_segment") },
    })
}
