//! The warden's end of the socket to the agent: whole lines in and out, never waiting.

use super::protocol::{LONGEST_LINE, Report, Request};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// Why the agent can no longer be spoken with. It is killed and started anew, and learns from `Hello` how things stand.
#[derive(Debug, thiserror::Error)]
pub(super) enum SocketError {
    /// It closed its end.
    #[error("the agent closed its socket")]
    Closed,
    /// It reads too slowly, or not at all.
    #[error("the agent does not read its socket")]
    Stuck,
    /// It sent something else than a request.
    #[error("the agent sent a line that is no request: {0}")]
    NotARequest(String),
    /// The socket failed.
    #[error("the agent's socket failed: {0}")]
    Io(std::io::Error),
}

/// The warden's end.
#[derive(Debug)]
pub(super) struct Socket {
    stream: UnixStream,
    unread: Vec<u8>,
}

impl Socket {
    /// A pair: the warden's end, and the stream that becomes the agent's stdin.
    pub(super) fn pair() -> std::io::Result<(Self, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        Ok((Self { stream: ours, unread: Vec::new() }, theirs))
    }

    /// What to poll.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Sends a report, or finds that the agent is stuck: the socket's buffer holds hundreds of reports.
    pub(super) fn send(&mut self, report: &Report) -> Result<(), SocketError> {
        let mut line = serde_json::to_vec(report).map_err(|error| SocketError::Io(error.into()))?;
        line.push(b'\n');
        match self.stream.write(&line) {
            Ok(length) if length == line.len() => Ok(()),
            Ok(_) => Err(SocketError::Stuck),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(SocketError::Stuck),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(SocketError::Closed),
            Err(error) => Err(SocketError::Io(error)),
        }
    }

    /// Takes the requests that have arrived whole.
    pub(super) fn receive(&mut self) -> Result<VecDeque<Request>, SocketError> {
        let mut requests = VecDeque::new();
        let mut chunk = [0; 4096];
        loop {
            match self.stream.read(&mut chunk) {
                // Requests that came before the end are still meant.
                Ok(0) if requests.is_empty() => return Err(SocketError::Closed),
                Ok(0) => return Ok(requests),
                Ok(length) => self.unread.extend_from_slice(chunk.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(requests),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(SocketError::Io(error)),
            }
            while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let request = serde_json::from_slice(&line)
                    .map_err(|error| SocketError::NotARequest(error.to_string()))?;
                requests.push_back(request);
            }
            if self.unread.len() > LONGEST_LINE {
                return Err(SocketError::NotARequest(format!(
                    "more than {LONGEST_LINE} bytes without an end"
                )));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_in_pieces_is_taken_once_it_is_whole() {
        let (mut ours, mut theirs) = Socket::pair().unwrap();
        theirs.write_all(b"\"fen").unwrap();
        assert!(ours.receive().unwrap().is_empty());
        theirs.write_all(b"ce\"\n").unwrap();
        assert_eq!(ours.receive().unwrap(), [Request::Fence]);
        drop(theirs);
        assert!(matches!(ours.receive(), Err(SocketError::Closed)));
    }

    #[test]
    fn what_is_no_request_ends_the_conversation() {
        let (mut ours, mut theirs) = Socket::pair().unwrap();
        theirs.write_all(b"{}\n").unwrap();
        assert!(matches!(ours.receive(), Err(SocketError::NotARequest(_))));
    }

    #[test]
    fn an_agent_that_does_not_read_is_found_stuck() {
        let (mut ours, _theirs) = Socket::pair().unwrap();
        let error = std::iter::repeat_with(|| ours.send(&Report::Fenced)).take(100_000).find_map(Result::err);
        assert!(matches!(error, Some(SocketError::Stuck)), "{error:?}");
    }
}
