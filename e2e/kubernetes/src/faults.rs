//! Broken edges of the network: which frames the bridge drops.
//!
//! All cuts live in the control plane's namespace, on the bridge, so they stay while a node is powered off and
//! on, and a node cannot notice them otherwise than by silence. The rules are rendered from the whole state and
//! replaced in one transaction. Delay and loss are not offered: the kernel of a plain machine may lack netem.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::addresses::{CONTROL, node_port};
use crate::error::Error;
use crate::network::namespace_path;
use crate::process::run_with_input;

/// One end of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Peer {
    /// The control plane: API server, cluster DNS and everything that comes in through a relay.
    ControlPlane,
    /// A worker node by its number.
    Node(u8),
}

impl From<u8> for Peer {
    /// Nodes count from 1, so 0 is the control plane.
    fn from(number: u8) -> Self {
        if number == 0 { Self::ControlPlane } else { Self::Node(number) }
    }
}

/// Which packets of a node are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Those that the node sends and those sent to it.
    Both,
    /// Only those that it sends.
    From,
    /// Only those sent to it.
    To,
}

/// All edges that are cut at the moment. An edge has a direction: `(a, b)` loses what `a` sends to `b`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Cuts {
    nodes_from: BTreeSet<u8>,
    nodes_to: BTreeSet<u8>,
    edges: BTreeSet<(Peer, Peer)>,
}

impl Cuts {
    /// Cuts a node off from everything, in one or both directions.
    pub(crate) fn cut_node(&mut self, node: u8, direction: Direction) {
        if matches!(direction, Direction::Both | Direction::From) {
            self.nodes_from.insert(node);
        }
        if matches!(direction, Direction::Both | Direction::To) {
            self.nodes_to.insert(node);
        }
    }

    /// Cuts the edge between two peers; `Direction` is seen from `a`.
    pub(crate) fn cut_edge(&mut self, a: Peer, b: Peer, direction: Direction) {
        if matches!(direction, Direction::Both | Direction::From) {
            self.edges.insert((a, b));
        }
        if matches!(direction, Direction::Both | Direction::To) {
            self.edges.insert((b, a));
        }
    }

    /// Heals a node: also each single edge that ends there.
    pub(crate) fn heal_node(&mut self, node: u8) {
        self.nodes_from.remove(&node);
        self.nodes_to.remove(&node);
        self.edges.retain(|(a, b)| *a != Peer::Node(node) && *b != Peer::Node(node));
    }

    /// Heals one edge, in both directions.
    pub(crate) fn heal_edge(&mut self, a: Peer, b: Peer) {
        self.edges.remove(&(a, b));
        self.edges.remove(&(b, a));
    }

    /// The complete table for `nft -f`, replacing what was there.
    fn render(&self) -> String {
        let mut forward = String::new();
        let mut input = String::new();
        let mut output = String::new();
        for node in &self.nodes_from {
            let port = node_port(*node);
            line(&mut forward, &format!("iifname \"{port}\" drop"));
            line(&mut input, &format!("iifname \"{port}\" drop"));
        }
        for node in &self.nodes_to {
            let port = node_port(*node);
            line(&mut forward, &format!("oifname \"{port}\" drop"));
            line(&mut output, &format!("oifname \"{port}\" drop"));
        }
        for edge in &self.edges {
            match edge {
                (Peer::Node(a), Peer::Node(b)) => {
                    let (a, b) = (node_port(*a), node_port(*b));
                    line(&mut forward, &format!("iifname \"{a}\" oifname \"{b}\" drop"));
                }
                (Peer::Node(a), Peer::ControlPlane) => {
                    line(&mut input, &format!("iifname \"{}\" drop", node_port(*a)));
                }
                (Peer::ControlPlane, Peer::Node(b)) => {
                    line(&mut output, &format!("oifname \"{}\" drop", node_port(*b)));
                }
                (Peer::ControlPlane, Peer::ControlPlane) => {}
            }
        }
        let chain = |hook: &str, rules: &str| {
            format!(" chain {hook} {{\n  type filter hook {hook} priority 0; policy accept;\n{rules} }}\n")
        };
        // The empty declaration makes the deletion succeed the first time too.
        format!(
            "table bridge berth-faults\ndelete table bridge berth-faults\ntable bridge berth-faults {{\n{}{}{}}}\n",
            chain("forward", &forward),
            chain("input", &input),
            chain("output", &output)
        )
    }

    /// Makes the bridge drop exactly these.
    pub(crate) fn apply(&self) -> Result<(), Error> {
        let net = format!("--net={}", namespace_path(CONTROL));
        run_with_input(Command::new("nsenter").args([&net, "nft", "-f", "-"]), &self.render()).map(drop)
    }
}

fn line(rules: &mut String, rule: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(rules, "  {rule}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(cuts: &Cuts) -> Vec<String> {
        let mut hook = String::new();
        let mut found = Vec::new();
        for line in cuts.render().lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("chain ") {
                name.trim_end_matches(" {").clone_into(&mut hook);
            } else if line.ends_with("drop") {
                found.push(format!("{hook}: {line}"));
            }
        }
        found
    }

    #[test]
    fn nothing_cut_drops_nothing() {
        assert!(rules(&Cuts::default()).is_empty());
    }

    #[test]
    fn one_direction_of_a_node_leaves_the_other() {
        let mut cuts = Cuts::default();
        cuts.cut_node(2, Direction::From);
        assert_eq!(rules(&cuts), ["forward: iifname \"vn2\" drop", "input: iifname \"vn2\" drop"]);
    }

    #[test]
    fn an_edge_between_nodes_touches_only_what_is_forwarded() {
        let mut cuts = Cuts::default();
        cuts.cut_edge(Peer::Node(1), Peer::Node(2), Direction::Both);
        assert_eq!(
            rules(&cuts),
            [
                "forward: iifname \"vn1\" oifname \"vn2\" drop",
                "forward: iifname \"vn2\" oifname \"vn1\" drop"
            ]
        );
    }

    #[test]
    fn an_edge_to_the_control_plane_leaves_the_peers_connected() {
        let mut cuts = Cuts::default();
        cuts.cut_edge(Peer::Node(3), Peer::ControlPlane, Direction::Both);
        assert_eq!(rules(&cuts), ["input: iifname \"vn3\" drop", "output: oifname \"vn3\" drop"]);
    }

    #[test]
    fn healing_a_node_heals_its_edges_and_no_others() {
        let mut cuts = Cuts::default();
        cuts.cut_node(1, Direction::Both);
        cuts.cut_edge(Peer::Node(1), Peer::Node(2), Direction::Both);
        cuts.cut_edge(Peer::Node(2), Peer::Node(3), Direction::To);
        cuts.heal_node(1);
        assert_eq!(rules(&cuts), ["forward: iifname \"vn3\" oifname \"vn2\" drop"]);
        cuts.heal_edge(Peer::Node(2), Peer::Node(3));
        assert_eq!(cuts, Cuts::default());
    }
}
