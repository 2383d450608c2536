//! `up`, `down`, `env`, `node` and `image`: the local Kubernetes by hand.
//!
//! Arguments and words for people only; everything that happens is in the library that the tests use too.

mod image;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use berth_e2e_kubernetes::{Cluster, Direction, Options, Peer, Progress, image as images, packages};
use clap::{Args, ValueEnum};

use crate::run::say;

pub(crate) use image::{Image, load as image};

/// Which local Kubernetes is meant.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Its name; clusters of different names run side by side.
    #[arg(long, default_value = "main", value_name = "NAME")]
    name: String,
}

/// What `up` brings up.
#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    which: Which,
    /// How many worker nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    workers: u8,
    /// Image archives that every node gets at once, besides postgres:17.
    #[arg(long = "image", value_name = "ARCHIVE")]
    images: Vec<PathBuf>,
    /// Install Berth on it, from this tree.
    #[arg(long)]
    install: bool,
}

/// What happens to a node.
#[derive(Debug, Args)]
pub(crate) struct Node {
    /// Its number, from 1.
    number: u8,
    /// What happens to it.
    #[arg(value_enum)]
    what: What,
    /// Cut only what the node sends.
    #[arg(long, conflicts_with = "to")]
    from: bool,
    /// Cut only what is sent to the node.
    #[arg(long)]
    to: bool,
    /// Only the edge to this node; 0 is the control plane.
    #[arg(long, value_name = "NUMBER")]
    peer: Option<u8>,
    #[command(flatten)]
    which: Which,
}

/// What can happen to a node.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// Power loss: everything on it is gone at once; its disk stays.
    Off,
    /// Boot, until it is Ready.
    On,
    /// Its packets are lost, silently.
    Cut,
    /// Packets pass again.
    Heal,
}

/// Brings a cluster up and lets it live on.
pub(crate) fn up(arguments: Up) -> Result<()> {
    let Up { which: Which { name }, workers, mut images, install } = arguments;
    let began = Instant::now();
    let progress = Progress::stderr();
    // The images are made before the cluster is: on a fresh machine nothing has looked for the packages yet.
    packages::ensure(&progress)?;
    images.push(images::postgres17(&progress)?.archive);
    let cluster = Cluster::up(Options { name: name.clone(), workers, images, progress })?;
    if install {
        crate::install::install(&cluster)?;
    }
    let logs = cluster.layout().logs();
    cluster.detach()?;
    let flag = if name == "main" { String::new() } else { format!(" --name {name}") };
    say(&format!(
        "The local Kubernetes is up after {:.1} s; logs are in {}.\n\
         To use it:   eval \"$(cargo xtask env{flag})\"; kubectl get nodes\n\
         To end it:   cargo xtask down{flag}",
        began.elapsed().as_secs_f64(),
        logs.display()
    ));
    Ok(())
}

/// Ends a cluster, and removes what a crashed one left.
pub(crate) fn down(which: &Which) -> Result<()> {
    let began = Instant::now();
    if Cluster::remove(&which.name)? {
        say(&format!("The local Kubernetes is down after {:.1} s.", began.elapsed().as_secs_f64()));
    } else {
        say("No local Kubernetes was running; what an earlier one may have left is removed.");
    }
    Ok(())
}

/// Prints shell commands for `eval`.
pub(crate) fn env(which: &Which) -> Result<()> {
    let cluster = Cluster::attach_to(&which.name)?;
    let text = format!(
        "export KUBECONFIG={}\nexport BERTH_PROXY={}\nexport PATH={}:\"$PATH\"\n",
        quoted(&cluster.kubeconfig().display().to_string()),
        cluster.proxy(),
        quoted(&cluster.layout().bin().display().to_string()),
    );
    std::io::stdout().write_all(text.as_bytes()).context("cannot print the environment")
}

/// Does something to a node or to one of its edges.
pub(crate) fn node(arguments: &Node) -> Result<()> {
    let Node { number, what, from, to, peer, which } = arguments;
    let cluster = Cluster::attach_to(&which.name)?;
    let node = cluster.node(*number);
    let direction = match (from, to) {
        (true, _) => Direction::From,
        (false, true) => Direction::To,
        (false, false) => Direction::Both,
    };
    let edge = peer.map(|peer| cluster.edge(Peer::from(*number), Peer::from(peer)));
    match (what, edge) {
        (What::Off, _) => node.power_off()?,
        (What::On, _) => node.power_on()?,
        (What::Cut, None) => node.partition(direction)?,
        (What::Cut, Some(edge)) => edge.cut_direction(direction)?,
        (What::Heal, None) => node.heal()?,
        (What::Heal, Some(edge)) => edge.heal()?,
    }
    Ok(())
}

/// A word that a shell reads as one.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
