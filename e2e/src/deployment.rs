//! Berth's own deployments: stopped and started as a whole, or killed in the middle of their work.

use crate::database::{UNHURRIED, is_ready, text};
use crate::kubectl::{self, kubectl};
use crate::{eventually, kubernetes};
use anyhow::{Context, Result};
use serde_json::Value;
use std::time::{Duration, Instant};

/// The namespace of Berth's own deployments.
pub const NAMESPACE: &str = "berth-system";

/// A deployment that was stopped, with the number of replicas that it had.
#[must_use = "start it again"]
#[derive(Debug)]
pub struct Stopped {
    name: String,
    replicas: u64,
}

/// Scales a deployment to nothing and waits until its pods are gone.
pub fn stop(name: &str) -> Result<Stopped> {
    let deployment = kubectl::json(&["get", "deployment", name, "-n", NAMESPACE])?;
    let replicas =
        deployment["spec"]["replicas"].as_u64().context("a deployment has a number of replicas")?;
    scale(name, 0)?;
    eventually(UNHURRIED, &format!("{name} is gone"), || Ok(pods(name)?.is_empty().then_some(())))?;
    Ok(Stopped { name: name.to_owned(), replicas })
}

impl Stopped {
    /// Scales it back and waits until it is ready.
    pub fn start(self) -> Result<()> {
        scale(&self.name, self.replicas)?;
        eventually(UNHURRIED, &format!("{} is ready", self.name), || {
            let pods = pods(&self.name)?;
            Ok((pods.len() as u64 == self.replicas && pods.iter().all(is_ready)).then_some(()))
        })
    }
}

fn scale(name: &str, replicas: u64) -> Result<()> {
    kubectl(&["scale", "deployment", name, "-n", NAMESPACE, &format!("--replicas={replicas}")]).map(drop)
}

/// The pods of a deployment.
pub fn pods(name: &str) -> Result<Vec<Value>> {
    kubectl::items(&["get", "pods", "-n", NAMESPACE, "-l", &format!("app.kubernetes.io/name={name}")])
}

/// Waits until a pod of a deployment holds the Lease of the same name.
pub fn leader(name: &str) -> Result<Value> {
    eventually(UNHURRIED, &format!("{name} leads"), || {
        let lease = kubectl::json(&["get", "lease", name, "-n", NAMESPACE])?;
        let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned();
        Ok(pods(name)?.into_iter().find(|p| p["metadata"]["name"] == holder.as_str() && is_ready(p)))
    })
}

/// Deletes one of its pods without grace.
pub fn delete_at_once(pod: &str) -> Result<()> {
    kubectl(&["delete", "pod", pod, "-n", NAMESPACE, "--grace-period=0", "--force", "--wait=false"]).map(drop)
}

/// SIGKILLs at moments from a seeded sequence, so that a failing run can be told again.
#[derive(Debug)]
pub struct Kills {
    seed: u64,
    moments: Vec<Duration>,
}

impl Kills {
    /// A sequence of moments that the seed determines.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, moments: Vec::new() }
    }

    /// The times that passed before each kill.
    pub fn moments(&self) -> &[Duration] {
        &self.moments
    }

    /// Lets a part of `within` pass while a process of the deployment holds the Lease of the same name, and then kills it
    /// without warning. The pod is replaced too, because the kubelet would restart its container later each time.
    pub fn strike(&mut self, name: &str, within: Duration) -> Result<()> {
        // Constants of Knuth's MMIX generator; the high bits are the good ones.
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let share = f64::from(u32::try_from(self.seed >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        let pause = within.mul_f64(share);
        self.moments.push(pause);
        let leader = leader(name)?;
        let pod = text(&leader["metadata"]["name"])?;
        let container = text(&leader["status"]["containerStatuses"][0]["containerID"])?
            .trim_start_matches("containerd://");
        let node = kubernetes::attach()?.node_of(&leader)?;
        let until = Instant::now() + pause;
        eventually(within + Duration::from_secs(1), "the moment of the kill", || {
            Ok((Instant::now() >= until).then_some(()))
        })?;
        kubernetes::attach()?.kill_container(node, container)?;
        kubectl(&["delete", "pod", pod, "-n", NAMESPACE, "--grace-period=0", "--force"]).map(drop)
    }
}
