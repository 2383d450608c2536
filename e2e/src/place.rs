//! A namespace of its own for each story, so that stories cannot see each other's clusters.

use crate::kubectl::{self, kubectl};
use anyhow::Result;

/// A namespace under the `restricted` Pod Security standard. Dropping it deletes it with all that is in it, volumes included:
/// what Berth retains for people is of no use after a story.
#[derive(Debug)]
pub struct Place {
    name: String,
}

impl Place {
    /// Makes the namespace; one that is left from an interrupted run is removed first.
    pub fn new(name: &str) -> Result<Self> {
        let place = Self { name: name.to_owned() };
        place.remove()?;
        kubectl::apply(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels:\n    pod-security.kubernetes.io/enforce: restricted\n"
        ))?;
        Ok(place)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The persistent volumes that are or were bound to claims of this namespace.
    pub fn volumes(&self) -> Result<Vec<serde_json::Value>> {
        Ok(kubectl::items(&["get", "persistentvolumes"])?
            .into_iter()
            .filter(|v| v["spec"]["claimRef"]["namespace"] == self.name)
            .collect())
    }

    fn remove(&self) -> Result<()> {
        // Clusters first: their pods are gone in seconds, while the namespace's deletion would come back for them in ever longer turns.
        kubectl(&["delete", "databaseclusters", "--all", "-n", &self.name, "--wait=true", "--timeout=120s"])?;
        kubectl(&["delete", "namespace", &self.name, "--ignore-not-found", "--wait=true", "--timeout=120s"])?;
        for volume in self.volumes()? {
            if let Some(name) = volume["metadata"]["name"].as_str() {
                // Retained volumes are given back to the provisioner, which then removes the data too.
                kubectl(&[
                    "patch",
                    "pv",
                    name,
                    "--type=merge",
                    "-p",
                    r#"{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}"#,
                ])?;
            }
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The next run of the same story removes what could not be removed now; a failing story must show its own error.
        let _ = self.remove();
    }
}
