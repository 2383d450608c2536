//! What the supervisor is told to bring up: written by the caller, read once by the supervisor.
//!
//! Everything that can be missing or too slow (building parts, packing images) has happened before; the paths
//! here exist.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// One cluster to bring up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Its name, see [`crate::layout::Layout::of`].
    pub name: String,
    /// Its folder.
    pub root: PathBuf,
    /// How many worker nodes.
    pub workers: u8,
    /// The programs.
    pub programs: Programs,
    /// Image archives that every node gets before the cluster counts as up; the pause image is among them.
    pub images: Vec<PathBuf>,
}

/// Where the programs are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Programs {
    /// The folder of kube-apiserver, kubelet, kubectl and the rest: one program under many names.
    pub kubernetes: PathBuf,
    /// etcd.
    pub etcd: PathBuf,
    /// containerd; its shim lies beside it.
    pub containerd: PathBuf,
    /// containerd's command line.
    pub ctr: PathBuf,
    /// The cluster's DNS server.
    pub coredns: PathBuf,
    /// Our storage driver.
    pub csi_driver: PathBuf,
    /// Makes volumes for claims.
    pub csi_provisioner: PathBuf,
    /// Grows volumes.
    pub csi_resizer: PathBuf,
    /// Takes snapshots.
    pub csi_snapshotter: PathBuf,
    /// Binds snapshots to their contents.
    pub snapshot_controller: PathBuf,
    /// The folder with the CRDs of snapshots.
    pub snapshot_crds: PathBuf,
}

/// Reads a JSON file of ours.
pub(crate) fn read<T: serde::de::DeserializeOwned>(path: &Path, what: &'static str) -> Result<T, Error> {
    let text = std::fs::read(path).map_err(Error::io("read", path))?;
    serde_json::from_slice(&text).map_err(|source| Error::Malformed {
        what,
        path: path.to_path_buf(),
        source,
    })
}

/// Writes a JSON file of ours, so that a reader sees the old content or the new one.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let json = serde_json::to_string_pretty(value).map_err(|source| Error::Malformed {
        what: "JSON",
        path: path.to_path_buf(),
        source,
    })?;
    let temporary = path.with_extension("new");
    std::fs::write(&temporary, json).map_err(Error::io("write", &temporary))?;
    std::fs::rename(&temporary, path).map_err(Error::io("replace", path))
}
