//! The row that proves a term inside the data itself.

use super::sql::{Held, QUICK, SLOW};
use super::status::log_position;
use crate::{EngineError, TermRow};
use berth_core::topology::Identity;
use berth_core::{LogPosition, Term};
use std::collections::BTreeSet;
use tokio_postgres::types::PgLsn;

/// The schema with Berth's objects, closed to everybody.
pub(super) const SCHEMA: &str = "
CREATE SCHEMA IF NOT EXISTS berth;
REVOKE ALL ON SCHEMA berth FROM PUBLIC;
CREATE TABLE IF NOT EXISTS berth.term (
    term pg_catalog.int8 PRIMARY KEY,
    voters pg_catalog.text NOT NULL,
    acks pg_catalog.int8 NOT NULL,
    written pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now()
);
REVOKE ALL ON berth.term FROM PUBLIC;";

/// Writes the row, and returns the position that voters must have flushed for it to count.
pub(super) async fn write(sql: &mut Held<'_>, row: &TermRow) -> Result<LogPosition, EngineError> {
    if !exists(sql).await? {
        sql.execute(SLOW, SCHEMA).await?;
    }
    let voters = serde_json::to_string(&row.voters).map_err(|error| unreadable(&error.to_string()))?;
    let term = i64::try_from(row.term.0).map_err(|error| unreadable(&error.to_string()))?;
    // Written again also when it is there: the position must lie after this call.
    let insert = "INSERT INTO berth.term (term, voters, acks) VALUES ($1, $2, $3)
        ON CONFLICT (term) DO UPDATE SET voters = EXCLUDED.voters, acks = EXCLUDED.acks";
    sql.rows(SLOW, insert, &[&term, &voters, &i64::from(row.acks)]).await?;
    let flushed: Option<PgLsn> =
        sql.row(QUICK, "SELECT pg_catalog.pg_current_wal_flush_lsn()", &[]).await?.get(0);
    Ok(log_position(flushed))
}

/// The newest row.
pub(super) async fn read(sql: &mut Held<'_>) -> Result<Option<TermRow>, EngineError> {
    if !exists(sql).await? {
        return Ok(None);
    }
    let rows =
        sql.rows(QUICK, "SELECT term, voters, acks FROM berth.term ORDER BY term DESC LIMIT 1", &[]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (term, voters, acks): (i64, String, i64) = (row.get(0), row.get(1), row.get(2));
    let voters: BTreeSet<Identity> =
        serde_json::from_str(&voters).map_err(|error| unreadable(&error.to_string()))?;
    Ok(Some(TermRow {
        term: Term(u64::try_from(term).map_err(|error| unreadable(&error.to_string()))?),
        voters,
        acks: u32::try_from(acks).map_err(|error| unreadable(&error.to_string()))?,
    }))
}

/// Whether this database has the table: a standby may be asked before its source made it.
async fn exists(sql: &mut Held<'_>) -> Result<bool, EngineError> {
    Ok(sql.row(QUICK, "SELECT pg_catalog.to_regclass('berth.term') IS NOT NULL", &[]).await?.get(0))
}

fn unreadable(reason: &str) -> EngineError {
    EngineError::Volume(format!("the table berth.term holds what no agent of this version writes: {reason}"))
}
