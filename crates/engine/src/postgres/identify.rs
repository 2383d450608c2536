//! What the server says of its log by the replication protocol: on a standby no SQL function tells the timeline of the last record that
//! was replayed, `IDENTIFY_SYSTEM` does.
//!
//! `pg_stat_wal_receiver` knows the timeline that was asked for, which is another until its first record has come; the control file
//! knows that of some moment before; the newest history file knows what others did.

use super::place::PostgresPlace;
use super::sql::{DATABASE, QUICK, SUPERUSER};
use super::status;
use crate::{EngineError, LogEnd};
use berth_core::Timeline;
use bytes::BytesMut;
use postgres_protocol::message::frontend;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// The messages that matter, and the columns of the one row: system, timeline, position, database.
const DATA_ROW: u8 = b'D';
const ERROR: u8 = b'E';
const TIMELINE: usize = 1;
const POSITION: usize = 2;

/// A session that was begun and not asked yet: making one takes the server longer than answering.
pub(super) struct Session(UnixStream);

/// Begins a session.
pub(super) async fn open(place: &PostgresPlace) -> Result<Session, EngineError> {
    let path = place.sockets().join(format!(".s.PGSQL.{}", place.port));
    let mut stream = UnixStream::connect(path).await.map_err(|error| odd(&error.to_string()))?;
    let mut said = BytesMut::new();
    // With a database: such a session comes in by the line that lets the superuser in.
    let who = [("user", SUPERUSER), ("database", DATABASE), ("replication", "database")];
    frontend::startup_message(who, &mut said).map_err(|error| odd(&error.to_string()))?;
    stream.write_all(&said).await.map_err(|error| odd(&error.to_string()))?;
    Ok(Session(stream))
}

impl Session {
    /// Asks, and ends the session. A standby answers with the timeline of the last record that it replayed, and with the furthest position
    /// that it holds on that timeline: beyond the replayed one only if its receiver last received on the same timeline.
    pub(super) async fn ask(self) -> Result<LogEnd, EngineError> {
        match tokio::time::timeout(QUICK, exchange(self.0)).await {
            Ok(Ok(heard)) => answer(&heard).map_err(|reason| odd(&reason)),
            Ok(Err(error)) => Err(odd(&error.to_string())),
            Err(_elapsed) => Err(odd(&format!("nothing within {QUICK:?}"))),
        }
    }
}

/// Begins a session and asks.
pub(super) async fn identify(place: &PostgresPlace) -> Result<LogEnd, EngineError> {
    open(place).await?.ask().await
}

fn odd(reason: &str) -> EngineError {
    EngineError::NotAnswering(format!("no answer by the replication protocol: {reason}"))
}

/// Says all that there is to say at once, and hears the answers to their end.
async fn exchange(mut stream: UnixStream) -> io::Result<Vec<u8>> {
    let mut said = BytesMut::new();
    frontend::query("IDENTIFY_SYSTEM", &mut said)?;
    frontend::terminate(&mut said);
    stream.write_all(&said).await?;
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await?;
    Ok(heard)
}

/// Finds the row among the messages, or why there is none.
fn answer(mut heard: &[u8]) -> Result<LogEnd, String> {
    while let Some((tag, body, rest)) = message(heard) {
        match tag {
            DATA_ROW => return end(body).ok_or_else(|| "the row is not that of IDENTIFY_SYSTEM".to_owned()),
            ERROR => return Err(String::from_utf8_lossy(body).replace('\0', " ").trim().to_owned()),
            _ => heard = rest,
        }
    }
    Err("the server ended the session before it answered".to_owned())
}

/// The first message, and what comes after it.
fn message(heard: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = heard.split_first()?;
    let (length, _) = rest.split_first_chunk()?;
    let (message, rest) = rest.split_at_checked(usize::try_from(i32::from_be_bytes(*length)).ok()?)?;
    Some((*tag, message.get(4..)?, rest))
}

fn end(row: &[u8]) -> Option<LogEnd> {
    let mut columns = Vec::new();
    let (_, mut rest) = row.split_first_chunk::<2>()?;
    while let Some((length, after)) = rest.split_first_chunk() {
        // A value that is absent has the length -1.
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
        let (column, after) = after.split_at_checked(length)?;
        columns.push(std::str::from_utf8(column).ok()?);
        rest = after;
    }
    Some(LogEnd {
        timeline: Timeline(columns.get(TIMELINE)?.parse().ok()?),
        position: status::parse(columns.get(POSITION)?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_core::LogPosition;

    fn framed(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[tag], &length[..], body].concat()
    }

    fn row(columns: &[Option<&str>]) -> Vec<u8> {
        let mut body = u16::try_from(columns.len()).unwrap().to_be_bytes().to_vec();
        for column in columns {
            let length = column.map_or(-1, |text| i32::try_from(text.len()).unwrap());
            body.extend(length.to_be_bytes());
            body.extend(column.unwrap_or_default().as_bytes());
        }
        framed(DATA_ROW, &body)
    }

    #[test]
    fn the_row_is_found_among_what_a_server_says() {
        let columns = row(&[Some("7387"), Some("4"), Some("1A/5000098"), None]);
        let heard = [framed(b'R', &[0; 4]), framed(b'S', b"a\0b\0"), columns, framed(b'Z', b"I")].concat();
        let end = LogEnd { timeline: Timeline(4), position: LogPosition(0x1A_0500_0098) };
        assert_eq!(answer(&heard), Ok(end));
    }

    #[test]
    fn what_is_no_answer_is_said_so() {
        let refused = framed(ERROR, b"SFATAL\0C53300\0Msorry, too many clients already\0\0");
        assert!(answer(&refused).unwrap_err().contains("too many clients"));
        for odd in
            [vec![], framed(DATA_ROW, b""), row(&[Some("7"), Some("x"), Some("0/1")]), vec![b'D', 0, 0]]
        {
            assert!(answer(&odd).is_err(), "{odd:?}");
        }
    }
}
