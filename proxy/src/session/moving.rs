//! Making a session anew at another primary: a login with the key that the client's own login gave, then what the session had,
//! then the beginning of its transaction.
//!
//! Guarantees: nothing is sent here that has an effect outside of the new session, so that a move that fails can be tried again.

use super::relay::Replay;
use crate::backend::{Backend, BackendError, Credentials, LONGEST, answer};
use crate::context::Context;
use crate::route::Target;
use crate::wire::{Message, WireError, frame};
use bytes::{BufMut, Bytes, BytesMut};
use tokio::time::timeout;

/// How a session logs in, as often as it has to.
#[derive(Debug)]
pub(super) struct Way {
    /// As whom.
    pub(super) credentials: Credentials,
    /// The startup packet.
    pub(super) packet: Bytes,
}

/// Why a session could not be made anew.
#[derive(Debug, thiserror::Error)]
pub(super) enum MoveError {
    /// The database did not let it in.
    #[error("the database did not let the session in")]
    LogIn(#[source] BackendError),
    /// The database did not take what the session had before.
    #[error("the session could not be made anew")]
    Replay(#[source] BackendError),
}

impl MoveError {
    /// Whether it is worth trying again.
    pub(super) fn retryable(&self) -> Option<&BackendError> {
        let (Self::LogIn(error) | Self::Replay(error)) = self;
        error.retryable().then_some(error)
    }
}

/// Logs in and makes the session anew.
pub(super) async fn move_to(
    context: &Context,
    target: &Target,
    way: &Way,
    replay: &Replay,
) -> Result<Backend, MoveError> {
    let mut backend =
        context.connector.log_in(target, &way.credentials, &way.packet).await.map_err(MoveError::LogIn)?;
    timeout(context.settings.connect_limit, anew(&mut backend, replay))
        .await
        .unwrap_or_else(|_| Err(BackendError::TimedOut { address: target.address.clone() }))
        .map_err(MoveError::Replay)?;
    Ok(backend)
}

async fn anew(backend: &mut Backend, replay: &Replay) -> Result<(), BackendError> {
    let Backend { database, told, .. } = backend;
    let (messages, answers) = &replay.belongings;
    database.output().extend_from_slice(messages);
    database.flush().await?;
    for _ in 0..*answers {
        answer(database, told).await?;
    }
    let (messages, mut answers) = (&replay.beginning.0, replay.beginning.1);
    database.output().extend_from_slice(messages);
    database.flush().await?;
    // They were told before: the client must not hear them again, and nothing but the same may come.
    let mut last = None;
    while answers > 0 {
        let message = database.read(LONGEST).await?;
        match message.kind {
            b'E' => return Err(BackendError::refused(message.body)),
            b'S' => told.push(message),
            b'N' | b'A' => {}
            _ => {
                answers -= 1;
                last = Some(message);
            }
        }
    }
    match last {
        None => Ok(()),
        Some(Message { kind: b'Z', body }) if body[..] == *b"T" => Ok(()),
        Some(_) => Err(WireError::Malformed("a transaction does not begin as it did before").into()),
    }
}

/// What the client is told of the parameters of its new session, each once.
pub(super) fn parameters(told: &[Message]) -> BytesMut {
    let mut out = BytesMut::new();
    for (at, message) in told.iter().enumerate() {
        let name = name_of(message);
        let later = told[at + 1..].iter().any(|other| other.kind == b'S' && name_of(other) == name);
        if message.kind == b'S' && !later {
            frame(&mut out, b'S', |out| out.put_slice(&message.body));
        }
    }
    out
}

fn name_of(message: &Message) -> &[u8] {
    message.body.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_is_told_once_with_its_last_value() {
        let parameter = |kind, body: &'static [u8]| Message { kind, body: Bytes::from_static(body) };
        let told = [
            parameter(b'S', b"TimeZone\0Etc/UTC\0"),
            parameter(b'N', b"SNOTICE\0\0"),
            parameter(b'S', b"DateStyle\0ISO\0"),
            parameter(b'S', b"TimeZone\0Asia/Tokyo\0"),
        ];
        assert_eq!(&parameters(&told)[..], b"S\0\0\0\x12DateStyle\0ISO\0S\0\0\0\x18TimeZone\0Asia/Tokyo\0");
    }
}
