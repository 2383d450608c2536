//! What every TCP connection of the proxy is set to.
//!
//! Keepalive, and no `TCP_USER_TIMEOUT`: Linux counts the time of a closed window too, though the other side answers every probe
//! (seen on 6.18). A client that reads a large result slowly, or a server that cannot take the data of a COPY because it waits
//! for a lock, would be taken for dead. What keepalive does not see, bytes that nobody has acknowledged, the system gives up
//! after a quarter of an hour; a primary that is gone is left much earlier, as soon as the route says so.

use rustix::net::sockopt;
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;

/// When and how often a silent peer is asked whether it is there.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    idle: Duration,
    interval: Duration,
    count: u32,
}

/// With clients: well below the idle limits of common firewalls (5 minutes); one that vanished costs at most a minute.
pub const CLIENT: Patience =
    Patience { idle: Duration::from_secs(30), interval: Duration::from_secs(10), count: 3 };

/// With databases, which are near: somebody waits for the answer of one that vanished, at most 25 seconds.
pub const DATABASE: Patience =
    Patience { idle: Duration::from_secs(10), interval: Duration::from_secs(5), count: 3 };

/// Sends at once, and finds out about a peer that is gone.
pub fn tune(stream: &TcpStream, patience: Patience) -> io::Result<()> {
    let Patience { idle, interval, count } = patience;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, idle)?;
    sockopt::set_tcp_keepintvl(stream, interval)?;
    sockopt::set_tcp_keepcnt(stream, count)?;
    Ok(())
}
