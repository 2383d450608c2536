//! The local Kubernetes as a machine room: which node a pod is on, and nodes that can be hurt.

use crate::database::text;
use anyhow::{Context, Result, ensure};
pub use berth_e2e_kubernetes::Direction;
use berth_e2e_kubernetes::{Cluster, Peer, Progress, parts};
use serde_json::Value;
use std::fmt;

/// The running local Kubernetes.
#[derive(Debug)]
pub struct Room(Cluster);

/// Finds the Kubernetes that `cargo xtask up` or `cargo xtask test` brought up.
pub fn attach() -> Result<Room> {
    Ok(Room(
        Cluster::attach()
            .context("no local Kubernetes runs; run the stories by `make test`, or after `make up`")?,
    ))
}

/// A mounted volume of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The number of its node.
    pub node: u8,
    path: String,
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on n{}", self.path, self.node)
    }
}

/// A running container, as containerd has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The number of its node.
    pub node: u8,
    id: String,
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "container {:.12} on n{}", self.id, self.node)
    }
}

impl Room {
    /// The number of the node that a pod runs on.
    pub fn node_of(&self, pod: &Value) -> Result<u8> {
        let name = text(&pod["spec"]["nodeName"])?;
        name.trim_start_matches('n')
            .parse()
            .with_context(|| format!("{name} is no node of the local Kubernetes"))
    }

    /// The numbers of all nodes.
    pub fn nodes(&self) -> std::ops::RangeInclusive<u8> {
        1..=self.0.workers()
    }

    /// The running container of that name in a pod.
    pub fn container(&self, pod: &Value, name: &str) -> Result<Container> {
        let all = pod["status"]["containerStatuses"].as_array().map(Vec::as_slice).unwrap_or_default();
        let found = all.iter().find(|c| c["name"] == name && !c["state"]["running"].is_null());
        let found =
            found.with_context(|| format!("no container {name} runs in {}", pod["metadata"]["name"]))?;
        let id = text(&found["containerID"])?.trim_start_matches("containerd://").to_owned();
        Ok(Container { node: self.node_of(pod)?, id })
    }

    /// Kills a container's processes with SIGKILL, as nothing in Kubernetes does by itself.
    pub fn kill_container(&self, node: u8, id: &str) -> Result<()> {
        self.tasks(node, id, &["kill", "-a", "-s", "SIGKILL"])
    }

    /// The same for one that was found.
    pub fn kill(&self, container: &Container) -> Result<()> {
        self.kill_container(container.node, &container.id)
    }

    /// Stops all processes of a container with the freezer.
    pub fn freeze(&self, container: &Container) -> Result<()> {
        self.tasks(container.node, &container.id, &["pause"])
    }

    /// Lets them go on.
    pub fn thaw(&self, container: &Container) -> Result<()> {
        self.tasks(container.node, &container.id, &["resume"])
    }

    /// Where the volume of a claim is mounted for a pod.
    pub fn disk(&self, pod: &Value, claim: &Value) -> Result<Disk> {
        let (uid, volume) = (text(&pod["metadata"]["uid"])?, text(&claim["spec"]["volumeName"])?);
        let path = format!("/var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~csi/{volume}/mount");
        Ok(Disk { node: self.node_of(pod)?, path })
    }

    /// Lets no write to a volume end until it is released: reads go on, and no call fails.
    pub fn hang(&self, disk: &Disk) -> Result<()> {
        self.fsfreeze(disk, "--freeze")
    }

    /// Lets writes end again.
    pub fn release(&self, disk: &Disk) -> Result<()> {
        self.fsfreeze(disk, "--unfreeze")
    }

    fn fsfreeze(&self, disk: &Disk, what: &str) -> Result<()> {
        let ran = self.0.node(disk.node).run(&["fsfreeze", what, &disk.path])?;
        ensure!(ran.code == Some(0), "fsfreeze {what} of {disk}: {}", ran.stderr);
        Ok(())
    }

    /// Does something while a volume takes no write, and releases it whatever came of it.
    pub fn with_hanging<T>(&self, disk: &Disk, act: impl FnOnce() -> Result<T>) -> Result<T> {
        self.hang(disk)?;
        let outcome = act();
        self.release(disk)?;
        outcome
    }

    /// Loses a node's packets without a word.
    pub fn cut(&self, node: u8, direction: Direction) -> Result<()> {
        Ok(self.0.node(node).partition(direction)?)
    }

    /// Loses what passes between a node and another one, or the control plane, which is 0; the direction is seen from the first.
    pub fn cut_edge(&self, node: u8, peer: u8, direction: Direction) -> Result<()> {
        Ok(self.0.edge(Peer::from(node), Peer::from(peer)).cut_direction(direction)?)
    }

    /// Lets all packets of a node pass again.
    pub fn heal(&self, node: u8) -> Result<()> {
        Ok(self.0.node(node).heal()?)
    }

    /// Takes a node's power away.
    pub fn power_off(&self, node: u8) -> Result<()> {
        Ok(self.0.node(node).power_off()?)
    }

    /// Boots a node, unless it is on, and waits until it is Ready.
    pub fn power_on(&self, node: u8) -> Result<()> {
        Ok(self.0.node(node).power_on()?)
    }

    fn tasks(&self, node: u8, id: &str, what: &[&str]) -> Result<()> {
        let ctr = parts::ensure(&Progress::silent())?.ctr;
        let ctr = ctr.to_str().context("the path of ctr is not UTF-8")?;
        let words = [&[ctr, "-n", "k8s.io", "tasks"], what, &[id]].concat();
        let ran = self.0.node(node).run(&words)?;
        ensure!(ran.code == Some(0), "{} of container {id} on node {node}: {}", what.join(" "), ran.stderr);
        Ok(())
    }

    /// Does something while a node is without power, and gives the power back whatever came of it.
    pub fn without_power<T>(&self, node: u8, act: impl FnOnce() -> Result<T>) -> Result<T> {
        self.power_off(node)?;
        let outcome = act();
        self.power_on(node)?;
        outcome
    }

    /// Takes the power from every node, and gives it back to all of them.
    pub fn power_cut(&self) -> Result<()> {
        self.nodes().try_for_each(|node| self.power_off(node))?;
        self.nodes().try_for_each(|node| self.power_on(node))
    }

    /// Does something while the API server does not run, and starts it again whatever came of it.
    pub fn without_api_server<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<T> {
        self.stop_api_server()?;
        let outcome = act();
        self.start_api_server()?;
        outcome
    }

    /// Kills the API server, and keeps it down.
    pub fn stop_api_server(&self) -> Result<()> {
        Ok(self.0.stop_component("kube-apiserver")?)
    }

    /// Starts it again.
    pub fn start_api_server(&self) -> Result<()> {
        Ok(self.0.start_component("kube-apiserver")?)
    }
}
