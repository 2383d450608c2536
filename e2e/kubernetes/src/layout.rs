//! Where a cluster keeps its files.
//!
//! One folder per cluster, `$XDG_STATE_HOME/berth/kubernetes/<name>` or `~/.local/state/berth/kubernetes/<name>`:
//! it lies on a real disk, since images and volumes need room, and outside of the folders that a node replaces
//! by its own (`/run`, `/tmp`, `/var/lib`, `/var/log`), since node processes read their configuration from it.
//! Everything but `logs/` is removed by `down`; the logs stay for reading until the next `up`.

use std::path::{Path, PathBuf};

use crate::error::Error;

/// Folders that a node hides behind its own.
const HIDDEN_IN_NODES: [&str; 4] = ["/run", "/tmp", "/var/lib", "/var/log"];

/// How long a cluster's folder may be: a socket's path has at most 107 bytes, and our longest one adds
/// `/csi/local.csi.berth.dev-reg.sock`.
const LONGEST: usize = 107 - 33;

/// The paths of one cluster.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout of the cluster of that name. Names are short words of `a-z`, `0-9` and `-`.
    pub fn of(name: &str) -> Result<Self, Error> {
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 30 || !name.chars().all(word) {
            let reason = format!("`{name}` cannot name a cluster; use at most 30 of a-z, 0-9 and `-`");
            return Err(Error::Refused { reason });
        }
        let state = match std::env::var_os("XDG_STATE_HOME") {
            Some(folder) if Path::new(&folder).is_absolute() => PathBuf::from(folder),
            Some(_) | None => {
                PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".local/state")
            }
        };
        visible_in_nodes(&state, "XDG_STATE_HOME")?;
        let root = state.join("berth/kubernetes").join(name);
        if root.as_os_str().len() > LONGEST {
            let reason = format!(
                "{} is too long for the sockets in it; set XDG_STATE_HOME to a folder with a shorter name",
                root.display()
            );
            return Err(Error::Refused { reason });
        }
        Ok(Self { root })
    }

    /// The layout whose folder is known.
    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// The cluster's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Logs of all processes, one file each, and the API server's audit log.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// One process's log file.
    pub fn log(&self, process: &str) -> PathBuf {
        self.logs().join(format!("{process}.log"))
    }

    /// The API server's audit log, one JSON object per line.
    pub fn audit_log(&self) -> PathBuf {
        self.logs().join("audit.json")
    }

    /// The administrator's kubeconfig for use on the machine, through the relay.
    pub fn kubeconfig(&self) -> PathBuf {
        self.root.join("kubeconfig")
    }

    /// Programs for people: `kubectl`.
    pub fn bin(&self) -> PathBuf {
        self.root.join("bin")
    }

    /// What a client of the running cluster needs to know.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("state.json")
    }

    /// What the supervisor is to bring up.
    pub(crate) fn setup(&self) -> PathBuf {
        self.root.join("setup.json")
    }

    /// Held by the guard for as long as it lives.
    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Held by whoever brings the cluster up or removes its remains.
    pub(crate) fn turn(&self) -> PathBuf {
        self.root.join("turn")
    }

    /// The guard's process: number and start time.
    pub(crate) fn guardian(&self) -> PathBuf {
        self.root.join("guardian.json")
    }

    /// The supervisor's socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.root.join("control.sock")
    }

    /// Certificates and keys.
    pub(crate) fn pki(&self) -> PathBuf {
        self.root.join("pki")
    }

    /// A certificate by its name.
    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.pki().join(format!("{name}.crt"))
    }

    /// A key by its name.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.pki().join(format!("{name}.key"))
    }

    /// Configuration files of the control plane.
    pub(crate) fn config(&self) -> PathBuf {
        self.root.join("config")
    }

    /// etcd's data, on a tmpfs in the supervisor's mount namespace.
    pub(crate) fn memory(&self) -> PathBuf {
        self.root.join("memory")
    }

    /// Appears once the API server is ready; kubelets wait for it.
    pub(crate) fn api_ready(&self) -> PathBuf {
        self.root.join("config/api-ready")
    }

    /// The sockets of the control plane's storage driver.
    pub(crate) fn csi(&self) -> PathBuf {
        self.root.join("csi")
    }

    /// Everything of one node.
    pub(crate) fn node(&self, number: u8) -> PathBuf {
        self.root.join("nodes").join(crate::addresses::node_name(number))
    }

    /// The node's `/var/lib`: images, volumes, the kubelet's state. This is its disk.
    pub(crate) fn node_disk(&self, number: u8) -> PathBuf {
        self.node(number).join("lib")
    }

    /// The supervisor's own program, copied so that a rebuild cannot pull it away.
    pub(crate) fn program(&self) -> PathBuf {
        self.root.join("berth-kubernetes")
    }
}

/// Refuses a folder that node processes could not see.
pub(crate) fn visible_in_nodes(folder: &Path, variable: &str) -> Result<(), Error> {
    match HIDDEN_IN_NODES.iter().find(|hidden| folder.starts_with(hidden)) {
        None => Ok(()),
        Some(hidden) => {
            let folder = folder.display();
            let reason = format!(
                "{folder} is below {hidden}, which every node replaces by its own; set {variable} to a folder elsewhere"
            );
            Err(Error::Refused { reason })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_the_folder_are_refused() {
        for name in ["", "..", "a/b", "Main", "a b"] {
            assert!(Layout::of(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn folders_hidden_in_nodes_are_refused_by_whole_components() {
        assert!(visible_in_nodes(Path::new("/var/lib/berth"), "X").is_err());
        assert!(visible_in_nodes(Path::new("/tmp"), "X").is_err());
        assert!(visible_in_nodes(Path::new("/var/library"), "X").is_ok());
    }
}
