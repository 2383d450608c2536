//! Answers requests on the supervisor's socket: one per connection, each on a thread of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, PoisonError};
use std::thread;

use super::Running;
use crate::error::Error;
use crate::faults::{Cuts, Peer};
use crate::network::in_control_plane;
use crate::process::line;
use crate::protocol::{Ran, Reply, Request};
use crate::{node, relay};

/// Serves until a request to end has been answered.
pub(super) fn serve(running: &Arc<Running>, socket: &UnixListener) {
    let (ended, end) = std::sync::mpsc::channel();
    let (Ok(socket), running) = (socket.try_clone(), Arc::clone(running)) else { return };
    thread::spawn(move || {
        for connection in socket.incoming().flatten() {
            let (running, ended) = (Arc::clone(&running), ended.clone());
            thread::spawn(move || {
                if let Some(()) = converse(&running, &connection) {
                    // It fails only when the end is coming already.
                    let _ = ended.send(());
                }
            });
        }
    });
    // An error means that the socket is broken, and then nobody can ask for anything any more.
    let _ = end.recv();
}

/// One request, one reply. Something only if it was the request to end.
fn converse(running: &Running, connection: &UnixStream) -> Option<()> {
    let mut text = String::new();
    BufReader::new(connection).read_line(&mut text).ok()?;
    let request: Result<Request, _> = serde_json::from_str(&text);
    let (reply, end) = match request {
        Ok(Request::Down) => (Ok(Reply::Done), Some(())),
        Ok(request) => (answer(running, request), None),
        Err(error) => {
            (Err(Error::Refused { reason: format!("a request does not read as one: {error}") }), None)
        }
    };
    let reply = reply.unwrap_or_else(|error| Reply::Failed(error.chain()));
    if let Ok(json) = serde_json::to_string(&reply) {
        let mut connection = connection;
        // The one who asked may have gone meanwhile.
        let _ = writeln!(connection, "{json}");
    }
    end
}

fn answer(running: &Running, request: Request) -> Result<Reply, Error> {
    let Running { setup, layout, .. } = running;
    match request {
        Request::PowerOff(number) => running.node(number)?.power_off(setup, layout)?,
        Request::Boot(number) => boot(running, number)?,
        Request::PowerOn(number) => {
            if !running.node(number)?.is_on() {
                let before = node::last_renewal(setup, layout, number);
                boot(running, number)?;
                node::await_renewal(setup, layout, number, before.as_deref())?;
            }
            node::await_ready(setup, layout, &[number])?;
        }
        Request::CutNode(number, direction) => {
            running.node(number)?;
            cut(running, |cuts| cuts.cut_node(number, direction))?;
        }
        Request::HealNode(number) => {
            running.node(number)?;
            cut(running, |cuts| cuts.heal_node(number))?;
        }
        Request::CutEdge(a, b, direction) => {
            edge(running, a, b)?;
            cut(running, |cuts| cuts.cut_edge(a, b, direction))?;
        }
        Request::HealEdge(a, b) => {
            edge(running, a, b)?;
            cut(running, |cuts| cuts.heal_edge(a, b))?;
        }
        Request::LoadImage(archive) => load(running, &archive)?,
        Request::Relay(target) => return relay::start(target).map(Reply::Relay),
        Request::Run(place, words) => return inside(running, place, &words).map(Reply::Ran),
        Request::StopComponent(name) => component(running, &name)?.stop(),
        Request::StartComponent(name) => component(running, &name)?.start()?,
        // Answered by the caller, since it ends the conversation.
        Request::Down => {}
    }
    Ok(Reply::Done)
}

fn boot(running: &Running, number: u8) -> Result<(), Error> {
    let Running { setup, layout, .. } = running;
    let node = running.node(number)?;
    node.power_on(setup, layout)?;
    let images = running.images().clone();
    images.iter().try_for_each(|archive| node.import(setup, layout, archive))
}

/// Gives an archive to all nodes at once.
fn load(running: &Running, archive: &Path) -> Result<(), Error> {
    let Running { setup, layout, nodes, .. } = running;
    {
        let mut images = running.images();
        if !images.iter().any(|known| known == archive) {
            images.push(archive.to_path_buf());
        }
    }
    thread::scope(|scope| {
        let imports: Vec<_> = nodes
            .iter()
            .map(|node| {
                scope.spawn(move || {
                    // The same path may hold a newer build.
                    node.forget_image(archive);
                    if node.is_on() { node.import(setup, layout, archive) } else { Ok(()) }
                })
            })
            .collect();
        // Every thread is waited for before the first failure is told.
        let results: Vec<_> = imports.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        results.into_iter().try_for_each(|result| {
            result.unwrap_or_else(|_| refused("an import's thread panicked".to_owned()))
        })
    })
}

fn cut(running: &Running, change: impl FnOnce(&mut Cuts)) -> Result<(), Error> {
    let mut cuts = running.cuts.lock().unwrap_or_else(PoisonError::into_inner);
    change(&mut cuts);
    cuts.apply()
}

fn edge(running: &Running, a: Peer, b: Peer) -> Result<(), Error> {
    for peer in [a, b] {
        if let Peer::Node(number) = peer {
            running.node(number)?;
        }
    }
    if a == b { refused("an edge has two different ends".to_owned()) } else { Ok(()) }
}

fn component<'a>(running: &'a Running, name: &str) -> Result<&'a crate::process::Daemon, Error> {
    let control_plane = &running.control_plane;
    control_plane.find(name).ok_or_else(|| Error::Refused {
        reason: format!("there is no component {name}; there are {}", control_plane.names().join(", ")),
    })
}

/// Runs a command in the control plane's network, or inside a node with everything that is its own.
fn inside(running: &Running, place: Peer, words: &[String]) -> Result<Ran, Error> {
    let mut command = match place {
        Peer::ControlPlane => {
            let words = in_control_plane();
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]);
            command
        }
        Peer::Node(number) => running.node(number)?.enter().ok_or_else(|| Error::Refused {
            reason: format!("node {number} is off; power it on before running anything there"),
        })?,
    };
    command.args(words).stdin(Stdio::null());
    let output = command.output().map_err(|source| Error::Start { command: line(&command), source })?;
    Ok(Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn refused<T>(reason: String) -> Result<T, Error> {
    Err(Error::Refused { reason })
}
