//! The two queries that the proxy itself sends, and the reading of their answers. No general client.

use super::BackendError;
use super::connect::BackendStream;
use super::login::{LONGEST, is_undefined_setting};
use crate::wire::{Conversation, Message, frame, put_cstr, row_value};
use berth_core::Term;
use bytes::Bytes;

/// A row as it came.
#[derive(Debug, Clone)]
pub struct Row(Bytes);

impl Row {
    /// A column's text; none is NULL.
    pub fn text(&self, column: u16) -> Result<Option<&str>, BackendError> {
        let value = row_value(&self.0, column)?;
        Ok(value
            .map(std::str::from_utf8)
            .transpose()
            .map_err(|_| crate::wire::WireError::Malformed("a value that is not UTF-8"))?)
    }
}

/// Runs one statement without parameters; gives its rows. What the server tells beside is put to `told`.
pub(super) async fn query(
    database: &mut Conversation<BackendStream>,
    statement: &str,
    told: &mut Vec<Message>,
) -> Result<Vec<Row>, BackendError> {
    frame(database.output(), b'Q', |out| put_cstr(out, statement));
    database.flush().await?;
    answer(database, told).await
}

/// Reads up to the end of an answer.
pub(crate) async fn answer(
    database: &mut Conversation<BackendStream>,
    told: &mut Vec<Message>,
) -> Result<Vec<Row>, BackendError> {
    let mut rows = Vec::new();
    let mut error = None;
    loop {
        let message = database.read(LONGEST).await?;
        match message.kind {
            b'D' => rows.push(Row(message.body)),
            b'E' => error = Some(BackendError::refused(message.body)),
            b'S' | b'N' => told.push(message),
            b'Z' => return error.map_or(Ok(rows), Err),
            _ => {}
        }
    }
}

/// The term out of an answer to `SHOW berth.term`; none if there is no such setting or no number in it.
pub(super) fn show(answer: Result<Vec<Row>, BackendError>) -> Result<Option<Term>, BackendError> {
    match answer {
        Ok(rows) => {
            let Some(row) = rows.first() else { return Ok(None) };
            Ok(row.text(0)?.and_then(|text| text.parse().ok()).map(Term))
        }
        Err(BackendError::Refused { body, .. }) if is_undefined_setting(&body) => Ok(None),
        Err(error) => Err(error),
    }
}
