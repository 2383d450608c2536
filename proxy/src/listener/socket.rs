//! What every TCP connection of the proxy is set to, on both sides.

use rustix::net::sockopt;
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;

/// When a silent peer is first asked whether it is there: well below the idle limits of common firewalls (5 minutes).
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// How often it is asked after that.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// How often in all: a vanished peer costs at most a minute.
const KEEPALIVE_COUNT: u32 = 3;
/// How long sent bytes may stay unacknowledged, which keepalive does not look at.
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends at once, and finds out about a peer that is gone.
pub fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_COUNT)?;
    sockopt::set_tcp_user_timeout(stream, u32::try_from(USER_TIMEOUT.as_millis()).unwrap_or(u32::MAX))?;
    Ok(())
}
