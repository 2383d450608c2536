//! The agent's end of the socket to the warden.
//!
//! Only framing: a writer of requests and a reader of reports. The end of the stream means that the warden is gone, and with
//! it the container; the agent then exits.

use super::protocol::{LONGEST_LINE, PROTOCOL, Report, Request};
use futures::{SinkExt, StreamExt};
use std::os::fd::{AsFd, OwnedFd};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::codec::{FramedRead, FramedWrite, LinesCodec, LinesCodecError};

/// Why the agent cannot go on speaking with its warden.
#[derive(Debug, thiserror::Error)]
pub enum WardenError {
    /// stdin is not the socket: the agent was started by hand.
    #[error("stdin is not the warden's socket; the agent is started by `berth-agent warden`, not by hand")]
    NoSocket(#[source] std::io::Error),
    /// A line could not be carried.
    #[error("the socket to the warden broke")]
    Broken(#[source] LinesCodecError),
    /// A line was not a report.
    #[error(
        "the warden said something that this agent does not understand; replace the pod, so that both are of one version"
    )]
    NotAReport(#[source] serde_json::Error),
    /// The warden is of another version.
    #[error(
        "the warden speaks protocol {0}, this agent {PROTOCOL}; replace the pod, so that both are of one version"
    )]
    Protocol(u32),
    /// The warden closed the socket.
    #[error("the warden is gone")]
    Gone,
}

/// Reads what the warden reports.
#[derive(Debug)]
pub struct Reports(FramedRead<OwnedReadHalf, LinesCodec>);

/// Writes what the agent requests.
#[derive(Debug)]
pub struct Requests(FramedWrite<OwnedWriteHalf, LinesCodec>);

/// Takes the socket that the warden gave this process as stdin. Must run inside the tokio runtime.
pub fn from_stdin() -> Result<(Requests, Reports), WardenError> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned().map_err(WardenError::NoSocket)?;
    from_socket(socket)
}

/// Takes a connected Unix stream socket. Must run inside the tokio runtime.
pub fn from_socket(socket: OwnedFd) -> Result<(Requests, Reports), WardenError> {
    rustix::net::sockopt::socket_domain(&socket).map_err(|errno| WardenError::NoSocket(errno.into()))?;
    let socket = std::os::unix::net::UnixStream::from(socket);
    socket.set_nonblocking(true).map_err(WardenError::NoSocket)?;
    let (read, write) = UnixStream::from_std(socket).map_err(WardenError::NoSocket)?.into_split();
    Ok((
        Requests(FramedWrite::new(write, LinesCodec::new())),
        Reports(FramedRead::new(read, LinesCodec::new_with_max_length(LONGEST_LINE))),
    ))
}

impl Reports {
    /// The next report. The first one is `Hello`.
    ///
    /// *Cancel safety*: a report is lost only together with the reader.
    pub async fn next(&mut self) -> Result<Report, WardenError> {
        let line = self.0.next().await.ok_or(WardenError::Gone)?.map_err(WardenError::Broken)?;
        let report = serde_json::from_str(&line).map_err(WardenError::NotAReport)?;
        match report {
            Report::Hello { protocol, .. } if protocol != PROTOCOL => Err(WardenError::Protocol(protocol)),
            Report::Hello { .. }
            | Report::Started(_)
            | Report::NotStarted { .. }
            | Report::Exited(_)
            | Report::Fenced
            | Report::Stopping { .. } => Ok(report),
        }
    }
}

impl Requests {
    /// Sends a request.
    ///
    /// *Cancel safety*: none; a cancelled send may leave half a line. Await it, or end the process.
    pub async fn send(&mut self, request: &Request) -> Result<(), WardenError> {
        let line = serde_json::to_string(request).map_err(WardenError::NotAReport)?;
        self.0.send(line).await.map_err(WardenError::Broken)
    }
}
