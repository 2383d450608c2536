//! One direction of a session: reads into memory that all sessions of a thread share, and keeps only what the other side did
//! not take, or may not have yet.
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
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stopped<E, L> {
    /// The reading side has ended; all of it was passed on.
    Ended,
    /// Reading failed.
    Read,
    /// Writing failed.
    Write,
    /// The bytes were refused.
    Refused(E),
    /// What was read last is kept and not passed on.
    Kept,
    /// Nothing more is to be read. What goes before is kept for [`Pump::poll_drain`].
    Last(L),
}

/// What is to be passed on of a chunk.
pub(super) enum Pass<L> {
    /// All of it, as it came.
    Whole,
    /// This instead.
    Instead(BytesMut),
    /// Nothing yet: it is kept.
    Later,
    /// This, and nothing after it.
    Last(BytesMut, L),
}

/// What was read and not yet taken by the other side.
#[derive(Debug, Default)]
pub(super) struct Pump {
    pending: BytesMut,
    unflushed: bool,
}

impl Pump {
    /// Puts bytes that shall go behind what is kept.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Takes back what the other side has not taken yet.
    pub(super) fn take(&mut self) -> BytesMut {
        std::mem::take(&mut self.pending)
    }

    /// The first byte that is kept.
    pub(super) fn peek(&self) -> Option<u8> {
        self.pending.first().copied()
    }

    /// Moves bytes until one of the sides has to be waited for. `look` sees each chunk before it is passed on.
    pub(super) fn poll<R, W, E, L>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        mut look: impl FnMut(&[u8]) -> Result<Pass<L>, E>,
    ) -> Poll<Stopped<E, L>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            if ready!(self.poll_drain(cx, writer)).is_err() {
                return Poll::Ready(Stopped::Write);
            }
            let stopped = ready!(poll_chunk(cx, reader, |cx, chunk| match look(chunk) {
                Ok(Pass::Whole) => self.pass(cx, writer, chunk).err().map(|_| Stopped::Write),
                Ok(Pass::Instead(bytes)) => {
                    self.pending = bytes;
                    None
                }
                Ok(Pass::Later) => {
                    self.put(chunk);
                    Some(Stopped::Kept)
                }
                Ok(Pass::Last(bytes, last)) => {
                    self.pending = bytes;
                    Some(Stopped::Last(last))
                }
                Err(error) => Some(Stopped::Refused(error)),
            }));
            match stopped {
                Ok(None) => {}
                Ok(Some(stopped)) | Err(stopped) => return Poll::Ready(stopped),
            }
        }
    }

    /// Reads, and keeps what was read, up to `most` bytes.
    pub(super) fn poll_keep<R, E, L>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        most: usize,
    ) -> Poll<Stopped<E, L>>
    where
        R: AsyncRead + Unpin,
    {
        if self.pending.len() >= most {
            return Poll::Pending;
        }
        match ready!(poll_chunk(cx, reader, |_, chunk| self.put(chunk))) {
            Ok(()) => Poll::Ready(Stopped::Kept),
            Err(stopped) => Poll::Ready(stopped),
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
    pub(super) fn poll_drain<W: AsyncWrite + Unpin>(
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

/// Reads once and shows what was read; or how the reading ended.
fn poll_chunk<R, T, E, L>(
    cx: &mut Context<'_>,
    reader: &mut R,
    show: impl FnOnce(&mut Context<'_>, &[u8]) -> T,
) -> Poll<Result<T, Stopped<E, L>>>
where
    R: AsyncRead + Unpin,
{
    BUFFER.with_borrow_mut(|scratch| {
        let mut buffer = ReadBuf::new(scratch);
        match Pin::new(&mut *reader).poll_read(cx, &mut buffer) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_)) => return Poll::Ready(Err(Stopped::Read)),
            Poll::Ready(Ok(())) => {}
        }
        let chunk = buffer.filled();
        if chunk.is_empty() { Poll::Ready(Err(Stopped::Ended)) } else { Poll::Ready(Ok(show(cx, chunk))) }
    })
}
