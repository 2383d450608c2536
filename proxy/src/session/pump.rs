//! One direction of a session: reads into memory that all sessions of a thread share, and keeps only what the other side did
//! not take.
//!
//! An idle session therefore holds no buffer. The system calls are the cost; the bytes are looked at once and copied only when
//! the receiver is slower than the sender.

use bytes::{Buf, BytesMut};
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is read at once: a few TLS records, and enough that a big result costs few system calls.
const SCRATCH: usize = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// How a direction ended. Why a read or a write failed is told to nobody: to the session it is all the same.
#[derive(Debug)]
pub(super) enum Stopped<E> {
    /// The reading side has ended; all of it was passed on.
    Ended,
    /// Reading failed.
    Read,
    /// Writing failed.
    Write,
    /// The bytes were refused.
    Refused(E),
}

/// What is to be passed on of a chunk.
pub(super) enum Pass {
    /// All of it, as it came.
    Whole,
    /// This instead.
    Instead(BytesMut),
}

/// What was read and not yet taken by the other side.
#[derive(Debug, Default)]
pub(super) struct Pump {
    pending: BytesMut,
    unflushed: bool,
}

impl Pump {
    /// Puts bytes that shall go first.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Takes back what the other side has not taken yet.
    pub(super) fn take(&mut self) -> BytesMut {
        std::mem::take(&mut self.pending)
    }

    /// Moves bytes until one of the sides has to be waited for.  `look` sees each chunk before it is passed on.
    pub(super) fn poll<R, W, E>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        mut look: impl FnMut(&[u8]) -> Result<Pass, E>,
    ) -> Poll<Stopped<E>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            if ready!(self.poll_drain(cx, writer)).is_err() {
                return Poll::Ready(Stopped::Write);
            }
            let stopped = BUFFER.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                match Pin::new(&mut *reader).poll_read(cx, &mut buffer) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(_)) => return Poll::Ready(Some(Stopped::Read)),
                    Poll::Ready(Ok(())) => {}
                }
                let chunk = buffer.filled();
                if chunk.is_empty() {
                    return Poll::Ready(Some(Stopped::Ended));
                }
                match look(chunk) {
                    Ok(Pass::Whole) => {
                        Poll::Ready(self.pass(cx, writer, chunk).err().map(|_| Stopped::Write))
                    }
                    Ok(Pass::Instead(bytes)) => {
                        self.pending = bytes;
                        Poll::Ready(None)
                    }
                    Err(error) => Poll::Ready(Some(Stopped::Refused(error))),
                }
            });
            if let Some(stopped) = ready!(stopped) {
                return Poll::Ready(stopped);
            }
        }
    }

    /// Hands a chunk to the writer, and keeps what it does not take.
    fn pass<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut W,
        mut chunk: &[u8],
    ) -> io::Result<()> {
        while !chunk.is_empty() {
            match Pin::new(&mut *writer).poll_write(cx, chunk) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => {
                    self.unflushed = true;
                    chunk = &chunk[written..];
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    self.pending.extend_from_slice(chunk);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Writes and flushes what is left of before.
    fn poll_drain<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut W,
    ) -> Poll<io::Result<()>> {
        while self.pending.has_remaining() {
            let written = ready!(Pin::new(&mut *writer).poll_write(cx, &self.pending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            self.pending.advance(written);
        }
        if self.unflushed {
            ready!(Pin::new(&mut *writer).poll_flush(cx))?;
            self.unflushed = false;
            self.pending = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}
