//! The public face: a running cluster as tests and commands see it.
//!
//! Every call here is a request to the supervisor, so that several processes can use one cluster. A cluster that was
//! brought up by this process ends with it, unless it is detached.

mod launch;
mod parts_of;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use parts_of::{Edge, Node};

use crate::error::Error;
use crate::faults::Peer;
use crate::layout::Layout;
use crate::process::{run, run_with_input};
use crate::progress::Progress;
use crate::protocol::{Ran, Reply, Request, State};
use crate::{addresses, setup, teardown};
use launch::Owned;

/// The name of the cluster that `cargo xtask up` brings up.
const MAIN: &str = "main";

/// What kind of cluster is wanted.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name: clusters of different names run side by side.
    pub name: String,
    /// How many worker nodes, 1 to 9.
    pub workers: u8,
    /// Image archives that every node has before the cluster counts as up.
    pub images: Vec<PathBuf>,
    /// Where lines about slow steps go.
    pub progress: Progress,
}

impl Default for Options {
    /// The main cluster with three workers, no images but its own, silent.
    fn default() -> Self {
        Self { name: MAIN.to_owned(), workers: 3, images: Vec::new(), progress: Progress::silent() }
    }
}

/// A running cluster.
///
/// # Guarantees
/// One that came from [`Cluster::up`] is torn down when this value is dropped or when this process ends in whatever
/// way, unless [`Cluster::detach`] let go of it. One that came from [`Cluster::attach`] is never torn down by a drop.
#[derive(Debug)]
pub struct Cluster {
    layout: Layout,
    state: State,
    owned: Option<Owned>,
}

impl Cluster {
    /// Builds what is missing, brings a cluster up, and returns when its nodes are Ready, cluster DNS and storage
    /// work, and the images are there.
    pub fn up(options: Options) -> Result<Self, Error> {
        launch::launch(options)
    }

    /// Finds the main cluster.
    pub fn attach() -> Result<Self, Error> {
        Self::attach_to(MAIN)
    }

    /// Finds a running cluster by its name.
    pub fn attach_to(name: &str) -> Result<Self, Error> {
        let layout = Layout::of(name)?;
        if !teardown::is_running(&layout)? || !layout.state().exists() {
            return Err(Error::NotRunning { name: name.to_owned() });
        }
        let state = setup::read(&layout.state(), "a cluster's state")?;
        Ok(Self { layout, state, owned: None })
    }

    /// Ends the cluster of that name and removes what is left of one that crashed. Says whether one was running.
    pub fn remove(name: &str) -> Result<bool, Error> {
        let layout = Layout::of(name)?;
        let was_running = teardown::is_running(&layout)?;
        if was_running {
            // A cluster that still comes up, or hangs, has no ear; its guard's end is its own too.
            if request(&layout, &Request::Down).is_err() {
                teardown::kill_guardian(&layout)?;
            }
            teardown::await_end(&layout)?;
        }
        let _turn = launch::turn(&layout, name)?;
        teardown::clear(&layout, name, addresses::MOST_NODES)?;
        Ok(was_running)
    }

    /// Lets the cluster live on after this process.
    pub fn detach(mut self) -> Result<(), Error> {
        self.owned.take().map_or(Ok(()), Owned::release)
    }

    /// Ends the cluster; nothing of it is left but its logs.
    pub fn down(mut self) -> Result<(), Error> {
        self.end()
    }

    fn end(&mut self) -> Result<(), Error> {
        let asked = request(&self.layout, &Request::Down);
        match self.owned.take() {
            // Letting go of the pipe ends it also when it could not be asked.
            Some(owned) => owned.end(&self.layout),
            None => asked.map(drop).and_then(|()| teardown::await_end(&self.layout)),
        }
    }

    /// The folder with its files: logs, kubeconfig, programs.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The administrator's kubeconfig, for use on the machine.
    pub fn kubeconfig(&self) -> PathBuf {
        self.layout.kubeconfig()
    }

    /// How many worker nodes there are.
    pub fn workers(&self) -> u8 {
        self.state.workers
    }

    /// The loopback port that leads to the API server.
    pub fn api(&self) -> SocketAddr {
        self.state.api
    }

    /// The loopback port that leads to the Service `berth-system/berth-proxy`.
    pub fn proxy(&self) -> SocketAddr {
        self.state.proxy
    }

    /// A worker node by its number, from 1. A number that does not exist is refused by the first request.
    pub fn node(&self, number: u8) -> Node<'_> {
        Node::new(self, number)
    }

    /// The network edge between two peers: nodes by their number, or [`Peer::ControlPlane`].
    pub fn edge(&self, a: impl Into<Peer>, b: impl Into<Peer>) -> Edge<'_> {
        Edge::new(self, a.into(), b.into())
    }

    /// kubectl as administrator, with these arguments; returns what it wrote to stdout.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, Error> {
        run(self.kubectl_command().args(arguments))
    }

    /// `kubectl apply` of manifests, server-side.
    pub fn apply(&self, manifests: &str) -> Result<String, Error> {
        let mut command = self.kubectl_command();
        run_with_input(command.args(["apply", "--server-side", "--force-conflicts", "-f", "-"]), manifests)
    }

    /// kubectl as administrator, for the caller to complete and run.
    pub fn kubectl_command(&self) -> Command {
        let mut command = Command::new(self.layout.bin().join("kubectl"));
        command.arg(format!("--cache-dir={}", self.layout.config().join("kubectl-cache").display()));
        command.env("KUBECONFIG", self.kubeconfig());
        command
    }

    /// Gives an image archive to all nodes that are on, in parallel; the others get it when they boot.
    pub fn load_image(&self, archive: &Path) -> Result<(), Error> {
        let archive = archive.canonicalize().map_err(Error::io("find", archive))?;
        self.ask(&Request::LoadImage(archive))
    }

    /// Opens one more loopback port that leads to an address inside: a pod's, a Service's or a node's.
    pub fn relay(&self, target: SocketAddr) -> Result<SocketAddr, Error> {
        match request(&self.layout, &Request::Relay(target))? {
            Reply::Relay(address) => Ok(address),
            other @ (Reply::Done | Reply::Ran(_) | Reply::Failed(_)) => Err(unexpected(&other)),
        }
    }

    /// Runs a command in the control plane's network, where every pod's and Service's address answers.
    pub fn run_inside(&self, words: &[&str]) -> Result<Ran, Error> {
        self.run_at(Peer::ControlPlane, words)
    }

    /// Kills a process of the control plane, such as `kube-apiserver` or `etcd`, and keeps it down.
    pub fn stop_component(&self, name: &str) -> Result<(), Error> {
        self.ask(&Request::StopComponent(name.to_owned()))
    }

    /// Starts it again.
    pub fn start_component(&self, name: &str) -> Result<(), Error> {
        self.ask(&Request::StartComponent(name.to_owned()))
    }

    fn run_at(&self, place: Peer, words: &[&str]) -> Result<Ran, Error> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        match request(&self.layout, &Request::Run(place, words))? {
            Reply::Ran(ran) => Ok(ran),
            other @ (Reply::Done | Reply::Relay(_) | Reply::Failed(_)) => Err(unexpected(&other)),
        }
    }

    fn ask(&self, wanted: &Request) -> Result<(), Error> {
        match request(&self.layout, wanted)? {
            Reply::Done => Ok(()),
            other @ (Reply::Relay(_) | Reply::Ran(_) | Reply::Failed(_)) => Err(unexpected(&other)),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.owned.is_some() {
            // A drop has nobody to tell; what is left is removed by the next `up` or `down`.
            let _ = self.end();
        }
    }
}

/// Sends one request and waits for its reply; a reply of failure is an error.
fn request(layout: &Layout, request: &Request) -> Result<Reply, Error> {
    let path = layout.socket();
    let mut stream = UnixStream::connect(&path).map_err(Error::io("reach the supervisor at", &path))?;
    let json = serde_json::to_string(request).map_err(malformed(&path))?;
    writeln!(stream, "{json}").map_err(Error::io("write to", &path))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(Error::io("read from", &path))?;
    match serde_json::from_str(&line).map_err(malformed(&path))? {
        Reply::Failed(message) => Err(Error::Supervisor { message }),
        reply @ (Reply::Done | Reply::Relay(_) | Reply::Ran(_)) => Ok(reply),
    }
}

fn malformed(path: &Path) -> impl FnOnce(serde_json::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Malformed { what: "the supervisor's protocol", path, source }
}

fn unexpected(reply: &Reply) -> Error {
    Error::Supervisor {
        message: format!("the supervisor answered {reply:?}, which does not fit the request"),
    }
}
