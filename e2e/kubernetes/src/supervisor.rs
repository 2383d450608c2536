//! The process that owns a running cluster, and with it every process, mount and network namespace.
//!
//! It is process 1 of a PID namespace and has a mount namespace of its own, so its end, however it comes, is the
//! end of everything it started. It deliberately cleans nothing up: that is the guard's work, who is still there
//! when everything else is gone.

mod bring_up;
mod serve;

use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::control_plane::ControlPlane;
use crate::error::Error;
use crate::faults::Cuts;
use crate::layout::Layout;
use crate::node::Node;
use crate::protocol::Event;
use crate::setup::{self, Setup};

/// A cluster as its supervisor holds it.
#[derive(Debug)]
struct Running {
    setup: Setup,
    layout: Layout,
    control_plane: ControlPlane,
    nodes: Vec<Node>,
    cuts: Mutex<Cuts>,
    /// Archives that a node gets when it boots.
    images: Mutex<Vec<PathBuf>>,
}

impl Running {
    fn node(&self, number: u8) -> Result<&Node, Error> {
        self.nodes.iter().find(|node| node.number() == number).ok_or_else(|| Error::Refused {
            reason: format!("there is no node {number}; this cluster has nodes 1 to {}", self.setup.workers),
        })
    }

    fn images(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Brings up the cluster that is described in that folder and serves requests until it is asked to end.
///
/// Returns an error if the cluster could not be brought up; the caller's end then takes down what was started.
///
/// # Assumptions
/// It is process 1 of its own PID namespace, has its own mount namespace, and stdout is read by whoever wants the
/// cluster.
pub fn run(root: &Path) -> Result<(), Error> {
    let layout = Layout::at(root.to_path_buf());
    let brought_up = bring_up(&layout);
    let (running, socket) = match brought_up {
        Ok(up) => up,
        Err(error) => {
            tell(&Event::Failed(error.chain()));
            return Err(error);
        }
    };
    serve::serve(&running, &socket);
    Ok(())
}

fn bring_up(layout: &Layout) -> Result<(Arc<Running>, UnixListener), Error> {
    let setup: Setup = setup::read(&layout.setup(), "a cluster's setup")?;
    let running = Arc::new(bring_up::prepare(setup, layout.clone())?);
    let state = bring_up::bring_up(&running)?;
    let path = layout.socket();
    let socket = UnixListener::bind(&path).map_err(Error::io("listen on", &path))?;
    setup::write(&layout.state(), &state)?;
    tell(&Event::Ready(state));
    Ok((running, socket))
}

/// Tells the one who wants the cluster, who may have stopped listening.
fn tell(event: &Event) {
    if let Ok(json) = serde_json::to_string(event) {
        let mut out = std::io::stdout();
        let _ = writeln!(out, "{json}").and_then(|()| out.flush());
    }
}
