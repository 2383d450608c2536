//! Copies bytes between two connections until both are done, keeping ends and resets what they were.
//!
//! One thread and one `poll` for both directions, because only a single owner can close a connection with a
//! reset at the right moment.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd as _;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::sockopt::set_socket_linger;

/// How much one direction holds: the size of a large protocol message, so that bulk data moves in few steps.
const BUFFER: usize = 64 * 1024;

/// One direction.
struct Flow {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The source has ended; what is buffered still goes out.
    Ending,
    /// The end has been passed on.
    Ended,
}

/// The connection broke, as opposed to ended.
struct Broken;

impl Flow {
    fn new() -> Self {
        Self { buffer: vec![0; BUFFER], start: 0, end: 0, state: State::Open }
    }

    fn wants_input(&self) -> bool {
        self.state == State::Open && self.start == self.end
    }

    fn has_output(&self) -> bool {
        self.start < self.end
    }

    fn read(&mut self, mut source: &TcpStream) -> Result<(), Broken> {
        match source.read(&mut self.buffer) {
            Ok(0) => self.state = State::Ending,
            Ok(count) => (self.start, self.end) = (0, count),
            Err(error) if waits(error.kind()) => {}
            Err(_) => return Err(Broken),
        }
        Ok(())
    }

    fn write(&mut self, mut sink: &TcpStream) -> Result<(), Broken> {
        if self.has_output() {
            match sink.write(&self.buffer[self.start..self.end]) {
                Ok(count) => self.start += count,
                Err(error) if waits(error.kind()) => {}
                Err(_) => return Err(Broken),
            }
        }
        if self.state == State::Ending && !self.has_output() {
            // It fails only when the connection is broken, which the next poll tells.
            let _ = sink.shutdown(Shutdown::Write);
            self.state = State::Ended;
        }
        Ok(())
    }
}

fn waits(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Copies until both directions have ended; a break of one side resets the other.
pub(super) fn pump(client: &TcpStream, server: &TcpStream) {
    for side in [client, server] {
        // Small messages go out at once; a failure costs only time.
        let _ = side.set_nodelay(true);
        if side.set_nonblocking(true).is_err() {
            return;
        }
    }
    let mut up = Flow::new();
    let mut down = Flow::new();
    while up.state != State::Ended || down.state != State::Ended {
        if step(client, server, &mut up, &mut down).is_err() {
            reset_on_close(client);
            reset_on_close(server);
            return;
        }
    }
}

fn step(client: &TcpStream, server: &TcpStream, up: &mut Flow, down: &mut Flow) -> Result<(), Broken> {
    let interest = |input: &Flow, output: &Flow| {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, input.wants_input());
        flags.set(PollFlags::OUT, output.has_output());
        flags
    };
    let mut fds = [
        PollFd::from_borrowed_fd(client.as_fd(), interest(up, down)),
        PollFd::from_borrowed_fd(server.as_fd(), interest(down, up)),
    ];
    match poll(&mut fds, None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(_) => return Err(Broken),
    }
    let (client_events, server_events) = (fds[0].revents(), fds[1].revents());
    for (side, events) in [(client, client_events), (server, server_events)] {
        // A reset is told even when nothing is asked for; the error of an unread connection must not be lost.
        if events.contains(PollFlags::ERR) && side.take_error().ok().flatten().is_some() {
            return Err(Broken);
        }
    }
    if up.wants_input() && client_events.intersects(PollFlags::IN | PollFlags::HUP) {
        up.read(client)?;
    }
    if down.wants_input() && server_events.intersects(PollFlags::IN | PollFlags::HUP) {
        down.read(server)?;
    }
    up.write(server)?;
    down.write(client)?;
    // Both directions of a connection have gone while bytes for it are left: nobody will ever take them.
    let dead = |events: PollFlags, output: &Flow| events.contains(PollFlags::HUP) && output.has_output();
    if dead(client_events, down) || dead(server_events, up) { Err(Broken) } else { Ok(()) }
}

/// Makes the coming close of this connection a reset.
pub(super) fn reset_on_close(side: &TcpStream) {
    // It fails only on a connection that is gone.
    let _ = set_socket_linger(side, Some(Duration::ZERO));
}

#[cfg(test)]
mod tests;
