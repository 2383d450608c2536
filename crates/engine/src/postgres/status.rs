//! What the server says of itself.

use super::access::OWN_ROLES;
use super::place::{PostgresPlace, parse_standby_name};
use super::sql::{Held, QUICK};
use crate::{EngineError, LocalStatus, Standby};
use berth_core::{LogPosition, Timeline};
use tokio_postgres::Row;
use tokio_postgres::types::PgLsn;

/// One row, whatever the role. A function that a standby refuses stands behind a CASE.
const STATUS: &str = "
SELECT in_recovery,
       CASE WHEN in_recovery THEN GREATEST(
                (SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver)::pg_catalog.int8,
                (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint())::pg_catalog.int8,
                (SELECT min_recovery_end_timeline FROM pg_catalog.pg_control_recovery())::pg_catalog.int8)
            ELSE (('x' OPERATOR(pg_catalog.||) pg_catalog.substr(
                pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8))::bit(32))::pg_catalog.int8
       END AS timeline,
       CASE WHEN in_recovery THEN GREATEST(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())
            ELSE pg_catalog.pg_current_wal_flush_lsn() END AS position,
       EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver WHERE status OPERATOR(pg_catalog.=) 'streaming') AS receiving,
       (SELECT GREATEST(0, pg_catalog.pg_wal_lsn_diff(latest_end_lsn, pg_catalog.pg_last_wal_replay_lsn()))::pg_catalog.int8
        FROM pg_catalog.pg_stat_wal_receiver) AS behind,
       CASE WHEN in_recovery THEN 0 ELSE
            (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity
             WHERE backend_type OPERATOR(pg_catalog.=) 'client backend'
               AND NOT (usename::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($1))
               AND (xact_start IS NOT NULL OR state OPERATOR(pg_catalog.=) 'active')) END AS transactions
FROM (SELECT pg_catalog.pg_is_in_recovery() AS in_recovery) AS role";

/// Those who take the log from this server. Where that ends is looked up after what they say, so that who says more holds another log.
const STANDBYS: &str = "
SELECT application_name, state OPERATOR(pg_catalog.=) 'streaming' AS streaming, flush_lsn,
       sync_priority OPERATOR(pg_catalog.>) 0 AS counted, pg_catalog.pg_current_wal_flush_lsn() AS position
FROM pg_catalog.pg_stat_replication WHERE state IS NOT NULL ORDER BY application_name";

/// Asks.
pub(super) async fn ask(place: &PostgresPlace, sql: &mut Held<'_>) -> Result<LocalStatus, EngineError> {
    let row = sql.row(QUICK, STATUS, &[&OWN_ROLES]).await?;
    let in_recovery: bool = row.get("in_recovery");
    let timeline: Option<i64> = row.get("timeline");
    let position: Option<PgLsn> = row.get("position");
    let behind: Option<i64> = row.get("behind");
    let standbys = if in_recovery { Vec::new() } else { sql.rows(QUICK, STANDBYS, &[]).await? };
    let position = standbys.iter().map(|row| row.get("position")).fold(position, Option::max);
    Ok(LocalStatus {
        in_recovery,
        timeline: Timeline(timeline.and_then(|number| u32::try_from(number).ok()).unwrap_or(0)),
        position: log_position(position),
        receiving: row.get("receiving"),
        behind: behind.and_then(|bytes| u64::try_from(bytes).ok()),
        transactions: u32::try_from(row.get::<_, i64>("transactions")).unwrap_or(u32::MAX),
        standbys: standbys.iter().filter_map(|row| standby(place, row)).collect(),
    })
}

/// A standby, or none: a copy that is under way and a tenant's logical subscriber take the log too.
fn standby(place: &PostgresPlace, row: &Row) -> Option<Standby> {
    let (short, term) = parse_standby_name(row.get("application_name"))?;
    Some(Standby {
        member: place.member_of(short)?,
        term,
        streaming: row.get("streaming"),
        flushed: log_position(row.get("flush_lsn")),
        counted: row.get("counted"),
    })
}

/// A position; 0 while it is not known.
pub(super) fn log_position(lsn: Option<PgLsn>) -> LogPosition {
    LogPosition(lsn.map_or(0, u64::from))
}

/// A position as PostgreSQL writes it: `1A/5000098`.
pub(super) fn parse(text: &str) -> Option<LogPosition> {
    let (high, low) = text.split_once('/')?;
    let half = |text| u32::from_str_radix(text, 16).ok().map(u64::from);
    Some(LogPosition(half(high)? << 32 | half(low)?))
}
