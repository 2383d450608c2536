//! The local Kubernetes as a machine room: which node a pod is on, and nodes that can be hurt.

use crate::database::text;
use anyhow::{Context, Result, ensure};
use berth_e2e_kubernetes::{Cluster, Progress, parts};
use serde_json::Value;

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

impl Room {
    /// The number of the node that a pod runs on.
    pub fn node_of(&self, pod: &Value) -> Result<u8> {
        let name = text(&pod["spec"]["nodeName"])?;
        name.trim_start_matches('n')
            .parse()
            .with_context(|| format!("{name} is no node of the local Kubernetes"))
    }

    /// Kills a container's processes with SIGKILL, as nothing in Kubernetes does by itself.
    pub fn kill_container(&self, node: u8, id: &str) -> Result<()> {
        let ctr = parts::ensure(&Progress::silent())?.ctr;
        let ctr = ctr.to_str().context("the path of ctr is not UTF-8")?;
        let words = [ctr, "-n", "k8s.io", "tasks", "kill", "-a", "-s", "SIGKILL", id];
        let ran = self.0.node(node).run(&words)?;
        ensure!(ran.code == Some(0), "container {id} on node {node} could not be killed: {}", ran.stderr);
        Ok(())
    }

    /// Does something while a node is without power, and gives the power back whatever came of it.
    pub fn without_power<T>(&self, node: u8, act: impl FnOnce() -> Result<T>) -> Result<T> {
        self.0.node(node).power_off()?;
        let outcome = act();
        self.0.node(node).power_on()?;
        outcome
    }

    /// Takes the power from every node, and gives it back to all of them.
    pub fn power_cut(&self) -> Result<()> {
        for node in 1..=self.0.workers() {
            self.0.node(node).power_off()?;
        }
        for node in 1..=self.0.workers() {
            self.0.node(node).power_on()?;
        }
        Ok(())
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
