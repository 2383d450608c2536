//! A loopback port of the machine that leads to an address inside the cluster's network.
//!
//! The listener belongs to the machine's network; the thread that accepts enters the control plane's network
//! namespace first, so everything it connects lives there. Half-closes and resets are passed on, since clients and
//! servers under test must see what the other side did. Bytes are not looked at.

mod pump;

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::addresses::CONTROL;
use crate::error::Error;
use crate::network::namespace_path;

/// How long a connection to the target may take: longer than the three attempts of a lost first packet.
const CONNECT: Duration = Duration::from_secs(10);

/// Starts a relay to `target` and returns the port that it listens on. It lives as long as the process.
pub(crate) fn start(target: SocketAddr) -> Result<SocketAddr, Error> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("listen on", "127.0.0.1"))?;
    let address = listener.local_addr().map_err(Error::io("name", "a relay's port"))?;
    let (entered, outcome) = channel();
    std::thread::spawn(move || {
        let inside = enter();
        let is_inside = inside.is_ok();
        // It fails only when the caller is gone; then nobody knows the port either.
        let _ = entered.send(inside);
        if is_inside {
            accept(&listener, target);
        }
    });
    outcome
        .recv()
        .map_err(|_| Error::Refused { reason: "a relay's thread ended at its start".to_owned() })??;
    Ok(address)
}

/// Moves the calling thread, and those it starts, into the control plane's network.
fn enter() -> Result<(), Error> {
    let path = namespace_path(CONTROL);
    let namespace = File::open(&path).map_err(Error::io("open", &path))?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .map_err(Error::sys("enter network namespace", &path))
}

fn accept(listener: &TcpListener, target: SocketAddr) {
    loop {
        match listener.accept() {
            Ok((client, _)) => {
                std::thread::spawn(move || relay(&client, target));
            }
            // Out of file descriptors, or the client gave up before it was accepted: a later one may fare better.
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn relay(client: &TcpStream, target: SocketAddr) {
    match TcpStream::connect_timeout(&target, CONNECT) {
        Ok(server) => pump::pump(client, &server),
        // The client's connection stands already, so a refusal can only be told by a reset.
        Err(_) => pump::reset_on_close(client),
    }
}
