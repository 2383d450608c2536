//! Pointing a running standby at its source.

use super::keys;
use super::place::{PostgresPlace, standby_name};
use super::reload::{self, until};
use super::settings;
use super::sql::Held;
use crate::{EngineError, Peer};
use std::time::Duration;

/// How long a new source may take to be streamed from. A try is made every 200 ms; after this the caller looks around and asks again.
const STREAM: Duration = Duration::from_secs(5);

/// Points the standby at a peer, or at nobody: on disk first, then in force. Then waits for the stream, or for its end.
pub(super) async fn follow(
    place: &PostgresPlace,
    sql: &mut Held<'_>,
    peer: Option<&Peer>,
) -> Result<(), EngineError> {
    keys::refresh(place)?;
    settings::write_source(place, peer)?;
    reload::complete(sql).await?;
    match peer {
        None => {
            let none = "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver)";
            until(sql, STREAM, "the receiver does not stop", none, &[]).await
        }
        Some(peer) => {
            let streams = "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver
                WHERE status OPERATOR(pg_catalog.=) 'streaming' AND pg_catalog.strpos(conninfo, $1) OPERATOR(pg_catalog.>) 0
                  AND pg_catalog.strpos(conninfo, $2) OPERATOR(pg_catalog.>) 0)";
            let name = format!("application_name={} ", standby_name(&place.member, peer.term));
            let host = format!("host={} ", place.identity_of(&peer.member));
            let otherwise = format!("nothing streams from {} at {} yet", peer.member, peer.address);
            until(sql, STREAM, &otherwise, streams, &[&name, &host]).await
        }
    }
}
