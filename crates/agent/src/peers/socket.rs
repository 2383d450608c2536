//! What the TCP connections between agents are set to.

use rustix::net::sockopt;
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long sent bytes may stay unacknowledged. Below the silence after which a leader counts as lost (1.5 s), so that a connection that a
/// passing fault has stopped is replaced by a new one instead of waiting for the next, ever later, repetition; above two such repetitions.
const USER_TIMEOUT: Duration = Duration::from_secs(1);
/// When a silent peer is asked whether it is there, so that the place of one that vanished is given back. Nothing waits for that.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
/// How often it is asked after that.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// How often in all.
const KEEPALIVE_COUNT: u32 = 3;

/// A connection that we opened, to say something on. While nothing is said, nothing is lost by not knowing that the peer is gone.
pub(super) fn tune_outgoing(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_tcp_user_timeout(stream, u32::try_from(USER_TIMEOUT.as_millis()).unwrap_or(u32::MAX))?;
    Ok(())
}

/// A connection that was opened to us, to hear on.
pub(super) fn tune_incoming(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_COUNT)?;
    Ok(())
}
