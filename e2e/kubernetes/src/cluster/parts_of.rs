//! Handles for the parts of a cluster to which things happen: nodes and edges.

use super::Cluster;
use crate::error::Error;
use crate::faults::{Direction, Peer};
use crate::protocol::{Ran, Request};

/// A worker node of a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    cluster: &'a Cluster,
    number: u8,
}

impl<'a> Node<'a> {
    pub(super) fn new(cluster: &'a Cluster, number: u8) -> Self {
        Self { cluster, number }
    }

    /// Its name in Kubernetes.
    pub fn name(self) -> String {
        crate::addresses::node_name(self.number)
    }

    /// Takes its power away; returns when nothing of it runs. Its disk stays.
    ///
    /// # Caveats
    /// Writes that were never synced survive, since the machine's page cache is not lost.
    pub fn power_off(self) -> Result<(), Error> {
        self.cluster.ask(&Request::PowerOff(self.number))
    }

    /// Boots it and waits until Kubernetes says that it is Ready.
    pub fn power_on(self) -> Result<(), Error> {
        self.cluster.ask(&Request::PowerOn(self.number))
    }

    /// Boots it without waiting for Ready, for a node that is cut off.
    pub fn boot(self) -> Result<(), Error> {
        self.cluster.ask(&Request::Boot(self.number))
    }

    /// Loses its packets without a word, in that direction. Stays over power off and on.
    pub fn partition(self, direction: Direction) -> Result<(), Error> {
        self.cluster.ask(&Request::CutNode(self.number, direction))
    }

    /// Heals it, and every single edge that ends at it.
    pub fn heal(self) -> Result<(), Error> {
        self.cluster.ask(&Request::HealNode(self.number))
    }

    /// Runs a command inside, with its processes, mounts and network, as root.
    pub fn run(self, words: &[&str]) -> Result<Ran, Error> {
        self.cluster.run_at(Peer::Node(self.number), words)
    }
}

/// The network between two peers.
#[derive(Debug, Clone, Copy)]
pub struct Edge<'a> {
    cluster: &'a Cluster,
    a: Peer,
    b: Peer,
}

impl<'a> Edge<'a> {
    pub(super) fn new(cluster: &'a Cluster, a: Peer, b: Peer) -> Self {
        Self { cluster, a, b }
    }

    /// Loses all packets between the two, while both reach everybody else.
    pub fn cut(self) -> Result<(), Error> {
        self.cut_direction(Direction::Both)
    }

    /// Loses packets in one direction, seen from the first of the two.
    pub fn cut_direction(self, direction: Direction) -> Result<(), Error> {
        self.cluster.ask(&Request::CutEdge(self.a, self.b, direction))
    }

    /// Lets packets pass again.
    pub fn heal(self) -> Result<(), Error> {
        self.cluster.ask(&Request::HealEdge(self.a, self.b))
    }
}
