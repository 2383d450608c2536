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
use super::reload::until;
use super::sql::{Held, QUICK};
use super::status::log_position;
use super::tail::{self, Cut};
use super::{follow, identify, timelines};
use crate::{EngineError, LogEnd};
use berth_core::LogPosition;
use std::time::Duration;
use tokio_postgres::types::PgLsn;

/// How long replay may take for what was received. More than this is far behind, and an election should not wait for it.
const REPLAY: Duration = Duration::from_secs(4);
/// How long replay may seem to have stopped in the middle before it is looked why.
const LOOK: Duration = Duration::from_millis(10);

/// Whether all is replayed, as far as SQL can tell.
const REPLAYED: &str = "SELECT CASE
    WHEN pg_catalog.pg_last_wal_receive_lsn() IS NULL THEN EXISTS (
        SELECT FROM pg_catalog.pg_stat_activity WHERE backend_type OPERATOR(pg_catalog.=) 'startup'
            AND wait_event OPERATOR(pg_catalog.=) 'RecoveryRetrieveRetryInterval')
    ELSE pg_catalog.pg_last_wal_replay_lsn() OPERATOR(pg_catalog.>=) pg_catalog.pg_last_wal_receive_lsn() END";

const POSITIONS: &str = "SELECT pg_catalog.pg_last_wal_replay_lsn() AS replayed, pg_catalog.pg_last_wal_receive_lsn() AS received,
    wal_block_size, bytes_per_wal_segment FROM pg_catalog.pg_control_init()";

/// How far replay and the last receiver came, and how the log is cut.
struct Positions {
    replayed: LogPosition,
    received: LogPosition,
    cut: Cut,
}

/// Ends the stream, waits for replay, and tells the end.
pub(super) async fn detach(place: &PostgresPlace, sql: &mut Held<'_>) -> Result<LogEnd, EngineError> {
    follow::part(place, sql).await?;
    let replay = async {
        while until(sql, LOOK, "", REPLAYED, &[]).await.is_err() {
            if is_torn(place, sql).await? {
                break;
            }
            follow::end_readers(sql).await?;
        }
        Ok(())
    };
    tokio::time::timeout(REPLAY, replay).await.unwrap_or_else(|_| {
        Err(EngineError::NotAnswering(format!("what was received is not replayed yet (waited {REPLAY:?})")))
    })?;
    let end = LogEnd {
        timeline: identify::identify(place).await?.timeline,
        position: positions(sql).await?.replayed,
    };
    let seen = timelines::look(place)?;
    match timelines::lure(place, &seen, end.timeline, end.position)? {
        None => Ok(end),
        Some(to) => Err(timelines::lured("telling where the log ends", to)),
    }
}

/// Whether replay stands before a record that will never be whole.
async fn is_torn(place: &PostgresPlace, sql: &mut Held<'_>) -> Result<bool, EngineError> {
    let Positions { replayed, received, cut } = positions(sql).await?;
    if received <= replayed {
        // Done in the meantime, or nothing was received: the question itself tells.
        return Ok(false);
    }
    let known = identify::identify(place).await?;
    let timeline = if known.position == received {
        known.timeline
    } else {
        // It was received on another timeline, of which nothing is replayed yet: on the newest that there is.
        timelines::look(place)?.newest().unwrap_or(known.timeline)
    };
    tail::is_torn(place, cut, timeline, replayed, received)
}

async fn positions(sql: &mut Held<'_>) -> Result<Positions, EngineError> {
    let row = sql.row(QUICK, POSITIONS, &[]).await?;
    let (replayed, received): (Option<PgLsn>, Option<PgLsn>) = (row.get(0), row.get(1));
    let size = |column: &str| u64::try_from(row.get::<_, i32>(column)).unwrap_or_default().max(1);
    Ok(Positions {
        replayed: log_position(replayed),
        received: log_position(received),
        cut: Cut { page: size("wal_block_size"), segment: size("bytes_per_wal_segment") },
    })
}
