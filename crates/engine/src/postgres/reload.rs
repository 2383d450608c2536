//! Having the server read its configuration again, and knowing that it has.
//!
//! The postmaster reads the files, signals its children one after the other, and then reads who may connect. A session that has
//! seen the new configuration proves neither that the others were signalled nor that the doors changed; but the postmaster
//! begins a second reload only after it has finished the first. So everything is done when a session has seen the second.

use super::sql::{Held, QUICK};
use crate::EngineError;
use std::time::{Duration, SystemTime};
use tokio_postgres::types::ToSql;

/// How long a reload may take: it is a signal and the reading of small files.
const LIMIT: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Reloads, and returns when this session has seen it. Other processes may see it a moment later.
pub(super) async fn begin(sql: &mut Held<'_>) -> Result<(), EngineError> {
    let before: SystemTime = sql.row(QUICK, "SELECT pg_catalog.pg_conf_load_time()", &[]).await?.get(0);
    sql.rows(QUICK, "SELECT pg_catalog.pg_reload_conf()", &[]).await?;
    let loaded = "SELECT pg_catalog.pg_conf_load_time() OPERATOR(pg_catalog.<>) $1";
    until(sql, LIMIT, "the server does not reload its configuration", loaded, &[&before]).await
}

/// Reloads, and returns when every process was told and new connections meet the new doors.
pub(super) async fn complete(sql: &mut Held<'_>) -> Result<(), EngineError> {
    begin(sql).await?;
    begin(sql).await
}

/// Asks a question of one boolean again and again until the answer is yes.
pub(super) async fn until(
    sql: &mut Held<'_>,
    limit: Duration,
    otherwise: &str,
    question: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<(), EngineError> {
    let wait = async {
        while !sql.row(QUICK, question, parameters).await?.get::<_, bool>(0) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    };
    tokio::time::timeout(limit, wait)
        .await
        .unwrap_or_else(|_| Err(EngineError::NotAnswering(format!("{otherwise} (waited {limit:?})"))))
}
