//! Reading and writing whole messages, for the steps before a session: login of a client, login to a database, lookups.
//!
//! A session itself does not go through here: the relay forwards runs of bytes.

use super::message::Message;
use super::report::Report;
use super::startup::LONGEST_STARTUP;
use bytes::{Buf, Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Why the other side could not be understood or reached.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[from] io::Error),
    /// The other side closed.
    #[error("the other side closed the connection")]
    Closed,
    /// Not the protocol.
    #[error("the other side does not keep to the protocol: {0}")]
    Malformed(&'static str),
    /// More than is allowed here.
    #[error("a message of {length} bytes where at most {limit} are allowed")]
    TooLong {
        /// As announced.
        length: usize,
        /// As allowed.
        limit: usize,
    },
}

/// A connection in the steps before a session.
pub struct Conversation<S> {
    stream: S,
    input: BytesMut,
    output: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    /// Begins with nothing read.
    pub fn new(stream: S) -> Self {
        Self { stream, input: BytesMut::new(), output: BytesMut::new() }
    }

    /// The connection.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// The connection, and what was read of it beyond the last message.
    pub fn into_parts(self) -> (S, Bytes) {
        (self.stream, self.input.freeze())
    }

    /// Where messages are put; [`Self::flush`] sends them.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// Sends what was put.
    pub async fn flush(&mut self) -> Result<(), WireError> {
        self.stream.write_all(&self.output).await?;
        self.output.clear();
        self.stream.flush().await?;
        Ok(())
    }

    /// Tells the other side that nothing more comes.
    pub async fn shutdown(&mut self) -> Result<(), WireError> {
        Ok(self.stream.shutdown().await?)
    }

    /// Sends an error, with whatever was put before it.
    pub async fn refuse(&mut self, report: &Report) -> Result<(), WireError> {
        report.put(&mut self.output);
        self.flush().await
    }

    /// Reads a packet without a type, without its length; never a byte beyond it, because what follows a request for TLS
    /// must not be taken for plaintext.
    pub async fn read_opening(&mut self) -> Result<Vec<u8>, WireError> {
        let mut length = [0; 4];
        if let Err(error) = self.stream.read_exact(&mut length).await {
            return Err(closed(error));
        }
        let length = (u32::from_be_bytes(length) as usize)
            .checked_sub(4)
            .ok_or(WireError::Malformed("a length below 4"))?;
        if length > LONGEST_STARTUP {
            return Err(WireError::TooLong { length, limit: LONGEST_STARTUP });
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.map_err(closed)?;
        Ok(body)
    }

    /// Reads one message with at most `limit` bytes.
    pub async fn read(&mut self, limit: usize) -> Result<Message, WireError> {
        self.fill(5).await?;
        let length = (u32::from_be_bytes([self.input[1], self.input[2], self.input[3], self.input[4]])
            as usize)
            .checked_sub(4)
            .ok_or(WireError::Malformed("a length below 4"))?;
        if length > limit {
            return Err(WireError::TooLong { length, limit });
        }
        self.fill(5 + length).await?;
        let kind = self.input[0];
        self.input.advance(5);
        Ok(Message { kind, body: self.input.split_to(length).freeze() })
    }

    /// Reads until so many bytes are there.
    async fn fill(&mut self, wanted: usize) -> Result<(), WireError> {
        while self.input.len() < wanted {
            self.input.reserve(wanted - self.input.len());
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(WireError::Closed);
            }
        }
        Ok(())
    }
}

fn closed(error: io::Error) -> WireError {
    if error.kind() == io::ErrorKind::UnexpectedEof { WireError::Closed } else { WireError::Io(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn messages_split_into_single_bytes_are_whole_again() {
        let (mut far, near) = tokio::io::duplex(1);
        let write = async {
            for byte in b"\0\0\0\x08\x04\xd2\x16\x2fp\0\0\0\x06ab" {
                far.write_all(&[*byte]).await.unwrap();
            }
            drop(far);
        };
        let read = async {
            let mut near = Conversation::new(near);
            assert_eq!(near.read_opening().await.unwrap(), b"\x04\xd2\x16\x2f");
            let message = near.read(16).await.unwrap();
            assert_eq!((message.kind, &message.body[..]), (b'p', &b"ab"[..]));
            assert!(matches!(near.read(16).await, Err(WireError::Closed)));
        };
        tokio::join!(write, read);
    }

    #[tokio::test]
    async fn what_is_too_long_is_refused_before_it_is_read() {
        for bytes in [&b"\x7f\0\0\0"[..], b"\0\0\0\x02"] {
            let (mut far, near) = tokio::io::duplex(64);
            far.write_all(bytes).await.unwrap();
            assert!(Conversation::new(near).read_opening().await.is_err());
        }
        let (mut far, near) = tokio::io::duplex(64);
        far.write_all(b"p\0\0\x10\0").await.unwrap();
        assert!(matches!(Conversation::new(near).read(100).await, Err(WireError::TooLong { .. })));
    }
}
