//! The database on the volume: what is there, a new one, a copy of the primary's, and what a dead server left.
//!
//! A database is made beside its place and renamed into it when it is whole and on disk, so that `pgdata` is always a database.
//! Nothing here removes a `pgdata`.

use super::control::{self, Ended};
use super::place::{PostgresPlace, slot_name, text};
use super::{conninfo, files, keys, orphans, program, rewind};
use crate::{EngineError, Peer, Volume};
use std::path::Path;
use std::time::Duration;
use tokio::process::Command;

/// initdb takes a second; a starved machine may take a minute.
const INITDB: Duration = Duration::from_mins(5);
/// The longest base backup: a terabyte at 20 MB a second. The agent shows that it is under way, and dropping the call ends it.
const COPY: Duration = Duration::from_hours(14);

/// Reads what is there.
pub(super) async fn inspect(place: &PostgresPlace) -> Result<Volume, EngineError> {
    let pgdata = place.pgdata();
    let mut entries = match std::fs::read_dir(&pgdata) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Volume::Empty),
        Err(error) => return Err(files::failed("reading", &pgdata)(error)),
    };
    if entries.next().is_none() {
        return Ok(Volume::Empty);
    }
    if files::read(&pgdata.join("PG_VERSION"))?.is_none() {
        let pgdata = pgdata.display();
        return Err(EngineError::Volume(format!(
            "{pgdata} holds something that is no PostgreSQL database; move it away, or give the member a new claim"
        )));
    }
    let control = control::read(place).await?;
    let torn = rewind::begun(place)?.is_some();
    let closed = match control.ended {
        // Beside a rewind that was broken off it says nothing of what the data is now.
        Ended::Primary(at) if !torn => Some(at),
        Ended::Primary(_) | Ended::Standby | Ended::Otherwise => None,
    };
    Ok(Volume::Present { system: control.system, timeline: control.timeline, closed, torn })
}

/// Makes a new database.
pub(super) async fn initialize(place: &PostgresPlace) -> Result<(), EngineError> {
    make_room(place).await?;
    let unfinished = place.unfinished();
    let mut command = Command::new(place.program("initdb"));
    command
        .arg("-D")
        .arg(&unfinished)
        .args(["--username=berth", "--encoding=UTF8", "--data-checksums", "--no-instructions"])
        // The builtin provider's order never changes with the C library, so that an image's update breaks no index.
        .args(["--locale-provider=builtin", "--locale=C.UTF-8"])
        // Only for the file that initdb writes, which the server never reads.
        .args(["--auth-local=reject", "--auth-host=reject"]);
    program::run(&mut command, "making the database", INITDB).await?;
    settle(place)
}

/// Copies a peer's database.
pub(super) async fn clone_from(place: &PostgresPlace, peer: &Peer) -> Result<(), EngineError> {
    make_room(place).await?;
    keys::refresh(place)?;
    let mut command = Command::new(place.program("pg_basebackup"));
    command
        .arg("-D")
        .arg(place.unfinished())
        .arg("--dbname")
        // Under a name without a term: the copy's own stream of the log must not be counted as a standby's.
        .arg(conninfo::to(place, peer, &format!("{}_copy", place.member.short()))?)
        .arg(format!("--slot={}", slot_name(&place.member)))
        .args(["--wal-method=stream", "--checkpoint=fast", "--no-password"]);
    let step = format!("the base backup from {}", peer.member);
    program::run(&mut command, &step, COPY).await?;
    settle(place)
}

/// Clears an unfinished database, after having made sure that there is no finished one.
async fn make_room(place: &PostgresPlace) -> Result<(), EngineError> {
    match inspect(place).await? {
        Volume::Empty => {}
        Volume::Present { system, .. } => {
            return Err(EngineError::Volume(format!(
                "there is a database already (system {system}); it is never overwritten"
            )));
        }
    }
    files::remove_folder(&place.unfinished())?;
    files::folder(&place.data)
}

/// Puts a finished database into its place. initdb and `pg_basebackup` have synced its files.
fn settle(place: &PostgresPlace) -> Result<(), EngineError> {
    let unfinished = place.unfinished();
    // Settings that the source was given by ALTER SYSTEM would come before ours.
    files::write(&unfinished.join("postgresql.auto.conf"), b"")?;
    files::rename(&unfinished, &place.pgdata())
}

/// Removes the pid and lock files of a dead server, after having made sure that nothing works on its data: a rewind outlives the agent
/// that began it, if that is killed.
pub(super) async fn clear_remains(place: &PostgresPlace) -> Result<(), EngineError> {
    orphans::end(place).await?;
    files::remove(&place.pgdata().join("postmaster.pid"))?;
    // A promotion that was asked of the dead server must not happen to the next.
    files::remove(&place.pgdata().join("promote"))?;
    let sockets = place.sockets();
    match std::fs::read_dir(&sockets) {
        Ok(entries) => entries.flatten().try_for_each(|entry| files::remove(&entry.path()).map(|_there| ())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(files::failed("reading", &sockets)(error)),
    }
}

/// The first process of the running server, as its pid file says.
pub(super) fn postmaster(pgdata: &Path) -> Result<rustix::process::Pid, EngineError> {
    let path = pgdata.join("postmaster.pid");
    let content = files::read(&path)?;
    let first = content.as_deref().and_then(|content| content.lines().next()?.trim().parse().ok());
    first
        .and_then(rustix::process::Pid::from_raw)
        .ok_or_else(|| EngineError::NotAnswering(format!("{} names no process", text(&path))))
}
