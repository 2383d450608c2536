//! Pointing a running standby at its source, or at nobody.
//!
//! That a receiver is not seen proves little: one that was asked for and not yet born, or that is still connecting, shows up nowhere.
//! Who starts and ends receivers is the startup process. So it is told of the new setting by a signal of its own, and then asked to
//! pause replay, which it does only after it has read what it was signalled; paused and let go a second time, it has ended the
//! receiver in between. From then on there is none and none comes.

use super::access::OWN_ROLES;
use super::place::{PostgresPlace, standby_name};
use super::reload::{self, until};
use super::sql::{Held, QUICK};
use super::{keys, settings, slots};
use crate::{EngineError, Peer};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a new source may take to be streamed from. A try is made every 200 ms; after this the caller looks around and asks again.
const STREAM: Duration = Duration::from_secs(5);
/// How long the startup process may take to come to a pause: it finishes the record that it is at. Milliseconds, if nothing holds it up.
const PAUSE: Duration = Duration::from_secs(3);
/// How long replay may seem to be held up before it is looked by whom.
const HELD_UP: Duration = Duration::from_millis(20);

/// The process that replays, and that has receivers started.
const STARTUP: &str =
    "SELECT pid FROM pg_catalog.pg_stat_activity WHERE backend_type OPERATOR(pg_catalog.=) 'startup'";

/// Whether it has come to a pause.
const PAUSED: &str = "SELECT pg_catalog.pg_get_wal_replay_pause_state() OPERATOR(pg_catalog.=) 'paused'";

/// Goes on with replay; harmless if nothing was paused.
const RESUME: &str = "SELECT pg_catalog.pg_wal_replay_resume()";

/// Whether no receiver is there: as a process, or as one that streams.
const NO_RECEIVER: &str = "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver) AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_stat_activity WHERE backend_type OPERATOR(pg_catalog.=) 'walreceiver')";

/// Ends tenants' sessions, if replay waits for one of them.
const END_READERS: &str =
    "SELECT pg_catalog.pg_terminate_backend(reader.pid) FROM pg_catalog.pg_stat_activity AS reader
    WHERE reader.backend_type OPERATOR(pg_catalog.=) 'client backend'
      AND NOT (reader.usename::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($1))
      AND EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS replay
          WHERE replay.backend_type OPERATOR(pg_catalog.=) 'startup'
            AND (replay.wait_event_type OPERATOR(pg_catalog.=) ANY ('{BufferPin,Lock}')
                OR pg_catalog.starts_with(replay.wait_event, 'RecoveryConflict')))";

/// Whether the receiver streams from the peer, under the name of its term.
const STREAMS: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver
    WHERE status OPERATOR(pg_catalog.=) 'streaming' AND pg_catalog.strpos(conninfo, $1) OPERATOR(pg_catalog.>) 0
      AND pg_catalog.strpos(conninfo, $2) OPERATOR(pg_catalog.>) 0)";

/// Points the standby at a peer, or at nobody: on disk first, then in force. Then waits for the stream, or for its end.
pub(super) async fn follow(
    place: &PostgresPlace,
    sql: &mut Held<'_>,
    peer: Option<&Peer>,
) -> Result<(), EngineError> {
    match peer {
        Some(peer) => attach(place, sql, peer).await,
        None => part(place, sql).await,
    }
}

async fn attach(place: &PostgresPlace, sql: &mut Held<'_>, peer: &Peer) -> Result<(), EngineError> {
    keys::refresh(place)?;
    // An end of the stream that was itself broken off may have left replay paused.
    sql.rows(QUICK, RESUME, &[]).await?;
    slots::keep(place, sql, &BTreeSet::new()).await?;
    settings::write_source(place, Some(peer))?;
    reload::begin(sql).await?;
    let name = format!("application_name={} ", standby_name(&place.member, peer.term));
    let host = format!("host={} ", place.identity_of(&peer.member));
    let otherwise = format!("nothing streams from {} at {} yet", peer.member, peer.address);
    until(sql, STREAM, &otherwise, STREAMS, &[&name, &host]).await
}

/// Ends the stream, for good: durably on disk, and in the process that would start another.
pub(super) async fn part(place: &PostgresPlace, sql: &mut Held<'_>) -> Result<(), EngineError> {
    settings::write_source(place, None)?;
    // For everybody else to know. Nothing waits for it: the one that matters is told below.
    sql.rows(QUICK, "SELECT pg_catalog.pg_reload_conf()", &[]).await?;
    let startup = sql.rows(QUICK, STARTUP, &[]).await?;
    let Some(startup) = startup.first().and_then(|row| Pid::from_raw(row.get(0))) else {
        return Err(EngineError::Step {
            step: "ending the stream".to_owned(),
            reason: "the server is no standby".to_owned(),
        });
    };
    kill_process(startup, Signal::HUP).map_err(|errno| {
        EngineError::NotAnswering(format!("replay cannot be told of its source: {errno}"))
    })?;
    for _ in 0..2 {
        pause_and_go_on(sql).await?;
        until(sql, STREAM, "the receiver does not stop", NO_RECEIVER, &[]).await?;
    }
    Ok(())
}

/// Returns after the startup process has read all that it was signalled before.
async fn pause_and_go_on(sql: &mut Held<'_>) -> Result<(), EngineError> {
    sql.rows(QUICK, "SELECT pg_catalog.pg_wal_replay_pause()", &[]).await?;
    let wait = async {
        while until(sql, HELD_UP, "", PAUSED, &[]).await.is_err() {
            end_readers(sql).await?;
        }
        Ok(())
    };
    let paused = tokio::time::timeout(PAUSE, wait).await.unwrap_or_else(|_| {
        Err(EngineError::NotAnswering(format!("replay does not come to a pause (waited {PAUSE:?})")))
    });
    sql.rows(QUICK, RESUME, &[]).await?;
    paused
}

/// Ends the tenants' sessions on this standby, if replay waits for one of them. Their queries can be asked elsewhere, and an election
/// waits for the replay.
pub(super) async fn end_readers(sql: &mut Held<'_>) -> Result<(), EngineError> {
    sql.rows(QUICK, END_READERS, &[&OWN_ROLES]).await.map(drop)
}
