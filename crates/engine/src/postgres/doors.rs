//! Who may connect: Berth's own roles always, tenants while the gate is open.
//!
//! The gate is a file that the list of doors includes if it exists. It lies in memory, so that a new pod begins shut. Berth's
//! roles are named before tenants, and everything else about them is refused there: no password ever lets anybody be one of them.

use super::access::{OWN_ROLES, PROXY_ROLE};
use super::conninfo::REPLICATION_ROLE;
use super::place::PostgresPlace;
use super::reload::{self, until};
use super::sql::{Held, QUICK, SUPERUSER};
use super::{files, volume};
use crate::EngineError;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// The common name of the proxies' certificate.
const PROXY_NAME: &str = "berth-proxy";
/// How long ended sessions may take to go. One that does not, does not listen to signals, and is for the fence.
const SESSIONS: Duration = Duration::from_secs(5);

fn gate(place: &PostgresPlace) -> PathBuf {
    place.doors().join("gate.conf")
}

/// Writes the list of doors, with the gate shut.
pub(super) fn write(place: &PostgresPlace) -> Result<(), EngineError> {
    files::folder(&place.doors())?;
    files::folder(&place.sockets())?;
    files::remove(&gate(place))?;
    let own = format!("{SUPERUSER},{REPLICATION_ROLE},{PROXY_ROLE}");
    let hba = format!(
        "# Written by berth-agent; changes are lost.\n\
         local all {SUPERUSER} trust\n\
         hostssl replication {REPLICATION_ROLE} all cert map=berth\n\
         hostssl postgres {REPLICATION_ROLE} all cert map=berth\n\
         hostssl postgres {PROXY_ROLE} all cert map=berth\n\
         host all {own} all reject\n\
         host replication all all reject\n\
         include_if_exists gate.conf\n"
    );
    let ident = format!("berth \"{}\" {REPLICATION_ROLE}\nberth {PROXY_NAME} {PROXY_ROLE}\n", place.cluster);
    files::update(&place.doors().join("hba.conf"), hba.as_bytes())?;
    files::update(&place.doors().join("ident.conf"), ident.as_bytes())?;
    Ok(())
}

/// Lets tenants in.
pub(super) async fn open(place: &PostgresPlace, sql: &mut Held<'_>) -> Result<(), EngineError> {
    // A certificate of the cell's authority as well as the password: a pod that is no part of Berth cannot even try one.
    files::update(&gate(place), b"hostssl all all all scram-sha-256 clientcert=verify-ca\n")?;
    reload::complete(sql).await?;
    let faults = sql
        .rows(QUICK, "SELECT error FROM pg_catalog.pg_hba_file_rules WHERE error IS NOT NULL", &[])
        .await?;
    match faults.first() {
        None => Ok(()),
        Some(row) => Err(EngineError::Step { step: "opening the gate".to_owned(), reason: row.get(0) }),
    }
}

/// Keeps tenants out, and ends their sessions.
pub(super) async fn close(place: &PostgresPlace, sql: &mut Held<'_>) -> Result<(), EngineError> {
    files::remove(&gate(place))?;
    reload::complete(sql).await?;
    // Those that the postmaster had let to the door before: they show up nowhere in SQL until they are in.
    end_unknown(place, sql).await?;
    let end = "SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(pid)) OPERATOR(pg_catalog.=) 0 FROM pg_catalog.pg_stat_activity
        WHERE backend_type OPERATOR(pg_catalog.=) ANY ('{client backend,walsender}')
          AND NOT (usename::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($1)) AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()";
    until(sql, SESSIONS, "sessions of tenants do not end", end, &[&OWN_ROLES]).await
}

/// Ends the postmaster's children that have not said yet who they are.
async fn end_unknown(place: &PostgresPlace, sql: &mut Held<'_>) -> Result<(), EngineError> {
    let postmaster = volume::postmaster(&place.pgdata())?.as_raw_nonzero();
    let children = format!("/proc/{postmaster}/task/{postmaster}/children");
    let children = std::fs::read_to_string(&children)
        .map_err(|error| EngineError::NotAnswering(format!("{children} cannot be read: {error}")))?;
    let known = sql.rows(QUICK, "SELECT pid FROM pg_catalog.pg_stat_activity", &[]).await?;
    let known: BTreeSet<i32> = known.iter().map(|row| row.get(0)).collect();
    let unknown =
        children.split_whitespace().filter_map(|pid| pid.parse().ok()).filter(|pid| !known.contains(pid));
    for pid in unknown.filter_map(Pid::from_raw) {
        // SIGTERM: an ordinary end, also for a worker that has just begun and was taken for a client.
        let _gone = kill_process(pid, Signal::TERM);
    }
    Ok(())
}
