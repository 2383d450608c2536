//! Taking back what a former primary's data has and its successor's history has not.
//!
//! `pg_rewind` leaves the data unusable if it is broken off, so it runs only after a run that writes nothing has found that it can
//! be done. From then on until a server on it answers a note lies beside the data: what lies there is no database by itself. With the note
//! lies what is needed to begin anew, with the same leader or the next ([`aside`]).
//!
//! `pg_rewind` wants a database that was stopped in order. It would make one of any other by `postgres --single`, which refuses to be a
//! standby, and is a primary otherwise: it adds to the log. Here the server is started as the standby that it always is, pointed
//! at nobody and reachable by nobody, and stopped.
//!
//! A checkpoint at the source, without which older versions took a server that was just promoted for one on the timeline before, is not
//! needed: since version 16 `pg_rewind` asks its control file for the timeline of its last recovery as well.

mod aside;
mod note;

pub(super) use note::{forget, read as begun};

use super::control::{self, Ended};
use super::place::{PostgresPlace, text};
use super::{conninfo, files, keys, orphans, program, settings, start, status, volume};
use crate::{EngineError, Peer};
use berth_core::LogPosition;
use note::Note;
use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// The longest rewind: that of a large database copies what changed, and syncs all of it.
const LIMIT: Duration = Duration::from_hours(14);
/// How many servers may be started on rewound data before it counts as of no use: leaders may be lost one after the other, and agents restart.
const TRIES: u32 = 5;
/// Between two looks whether the server has recovered.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What a run that writes nothing found.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// All of the data is in the peer's history.
    Agreed,
    /// The histories parted; this checkpoint is the last that they share.
    Parted(LogPosition),
}

/// Ends a rewind that was begun: a server starts on the data now.
pub(super) async fn settle(place: &PostgresPlace) -> Result<(), EngineError> {
    match begun(place)? {
        // Half of one history and half of another: nothing starts on it before it is whole.
        Some(before) if !before.done => rewind(place, &before.peer()).await,
        Some(_) | None => Ok(()),
    }
}

/// The files are as the rewind left them, and no server on them has come to answer. None of them was promoted, so that they go on with
/// any history that holds all they were filled from; PostgreSQL refuses one that left it before. As nothing tells beforehand which it is, a few starts are tried.
fn go_on(place: &PostgresPlace, before: Note, peer: &Peer) -> Result<(), EngineError> {
    let tries = before.tries + 1;
    if tries > TRIES {
        return Err(EngineError::Volume(format!(
            "after a rewind to {} in term {} no server on the data became whole ({TRIES} were started, the last behind {} in term {}): give the member a new claim",
            before.member, before.term, peer.member, peer.term
        )));
    }
    note::write(place, &Note { tries, ..before })
}

/// Rewinds the data to where its history left the peer's, or goes on with that.
pub(super) async fn rewind(place: &PostgresPlace, peer: &Peer) -> Result<(), EngineError> {
    keys::refresh(place)?;
    volume::clear_remains(place).await?;
    match begun(place)? {
        None => first(place, peer).await,
        Some(before) if before.done => go_on(place, before, peer),
        Some(before) => again(place, before, peer).await,
    }
}

async fn first(place: &PostgresPlace, peer: &Peer) -> Result<(), EngineError> {
    let mut control = control::read(place).await?;
    if control.ended == Ended::Otherwise {
        stop_in_order(place).await?;
        control = control::read(place).await?;
    }
    match look(place, peer).await? {
        Verdict::Agreed => Ok(()),
        Verdict::Parted(shared) => {
            aside::keep(place, &control, shared)?;
            cut_back(place, Note::begun(peer, shared), peer).await
        }
    }
}

/// Goes on with a rewind that was broken off; the peer need not be the one that it was begun with.
async fn again(place: &PostgresPlace, before: Note, peer: &Peer) -> Result<(), EngineError> {
    if control::read(place).await?.ended == Ended::Otherwise {
        // The control file is written last: only the syncing was broken off.
        let mut command = Command::new(place.program("initdb"));
        command.arg("--sync-only").arg("-D").arg(place.pgdata());
        program::run(&mut command, "syncing the rewound data", LIMIT).await?;
        return note::write(place, &Note { done: true, ..before });
    }
    aside::restore(place)?;
    match look(place, peer).await? {
        // All that was replaced is replaced again, and what was kept of the log suffices.
        Verdict::Parted(shared) if shared == before.shared => {
            cut_back(place, Note::begun(peer, shared), peer).await
        }
        Verdict::Parted(_) | Verdict::Agreed => Err(EngineError::Volume(format!(
            "a rewind to {} in term {} was broken off, and {} in term {} shares another part of the history: give the member a new claim",
            before.member, before.term, peer.member, peer.term
        ))),
    }
}

async fn cut_back(place: &PostgresPlace, begun: Note, peer: &Peer) -> Result<(), EngineError> {
    note::write(place, &begun)?;
    pg_rewind(place, peer, &[]).await?;
    note::write(place, &Note { done: true, ..begun })
}

/// Asks what a rewind would do; writes nothing.
async fn look(place: &PostgresPlace, peer: &Peer) -> Result<Verdict, EngineError> {
    let said = pg_rewind(place, peer, &["--dry-run"]).await?;
    verdict(&said).ok_or_else(|| EngineError::Step {
        step: step(peer),
        reason: format!("it said neither that the histories parted nor that they did not: {said}"),
    })
}

fn step(peer: &Peer) -> String {
    format!("the rewind to {}", peer.member)
}

async fn pg_rewind(place: &PostgresPlace, peer: &Peer, more: &[&str]) -> Result<String, EngineError> {
    let source = conninfo::to(place, peer, &format!("{}_rewind", place.member.short()))?;
    let mut command = Command::new(place.program("pg_rewind"));
    command
        .arg("--target-pgdata")
        .arg(place.pgdata())
        .arg("--source-server")
        .arg(format!("{source} dbname=postgres"))
        .arg("--no-ensure-shutdown")
        .args(more)
        // By which it is found if the agent dies before it.
        .current_dir(place.pgdata());
    program::words(&mut command, &step(peer), LIMIT).await
}

fn verdict(said: &str) -> Option<Verdict> {
    if said.contains("no rewind required") {
        return Some(Verdict::Agreed);
    }
    let (_, rest) = said.split_once("rewinding from last common checkpoint at ")?;
    status::parse(rest.split_whitespace().next()?).map(Verdict::Parted)
}

/// Recovers the data of a server that was killed, and ends it in order.
async fn stop_in_order(place: &PostgresPlace) -> Result<(), EngineError> {
    let failed = |reason: String| EngineError::Step {
        step: "recovering the data before its rewind".to_owned(),
        reason,
    };
    start::prepare(place, None).await?;
    let sockets = orphans::sockets(place);
    files::folder(&sockets)?;
    let mut command = Command::new(place.program("postgres"));
    let config = place.config_file(settings::SERVER);
    for setting in [
        format!("config_file={}", text(&config)),
        format!("unix_socket_directories={}", text(&sockets)),
        "listen_addresses=".to_owned(),
        "log_line_prefix=".to_owned(),
    ] {
        command.arg("-c").arg(setting);
    }
    command.env("LC_ALL", "C.UTF-8").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let server = command.spawn().map_err(|error| failed(format!("it cannot be run: {error}")))?;
    let process = server.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    let recovered = async {
        let mut ended = std::pin::pin!(server.wait_with_output());
        tokio::select! {
            early = &mut ended => return early,
            () = recovery(place) => {}
        }
        if let Some(process) = process {
            let _gone = kill_process(process, Signal::INT);
        }
        ended.await
    };
    match tokio::time::timeout(LIMIT, recovered).await {
        Err(_elapsed) => Err(failed(format!("it did not end within {LIMIT:?}"))),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => Err(failed(program::why(&output))),
    }
}

/// Waits until the server has recovered as far as a standby that is pointed at nobody does; it says so in its pid file.
async fn recovery(place: &PostgresPlace) {
    let path = place.pgdata().join("postmaster.pid");
    loop {
        let told = files::read(&path).ok().flatten().unwrap_or_default();
        // The eighth line. "standby" would be said by one that lets nobody read.
        if told.lines().nth(7).is_some_and(|state| ["ready", "standby"].contains(&state.trim())) {
            return;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_writes_nothing_tells_whether_the_histories_parted_and_what_they_share() {
        let parted = "pg_rewind: servers diverged at WAL location 0/5000148 on timeline 2\n\
            pg_rewind: rewinding from last common checkpoint at 0/5000060 on timeline 2\npg_rewind: Done!\n";
        assert_eq!(verdict(parted), Some(Verdict::Parted(LogPosition(0x0500_0060))));
        let agreed =
            "pg_rewind: source and target cluster are on the same timeline\npg_rewind: no rewind required\n";
        assert_eq!(verdict(agreed), Some(Verdict::Agreed));
        let none = "pg_rewind: servers diverged at WAL location 0/5000148 on timeline 2\npg_rewind: no rewind required\n";
        assert_eq!(verdict(none), Some(Verdict::Agreed));
        assert_eq!(verdict("pg_rewind: connected to server"), None);
    }
}
