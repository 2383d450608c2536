//! The programs of the local Kubernetes: built once from Go modules, kept in the user's cache, found in milliseconds
//! from then on.
//!
//! There is no registry to pull from and nothing is downloaded as a binary. Each component is a Go module of its own
//! under `components/`, with its versions pinned and their checksums committed, because their dependencies disagree.
//! What is built is known by its inputs alone (sources, flags, compiler), so a change of any of them builds anew.
//! This module does not start anything.

mod build;
pub(crate) mod cache;
mod component;

use std::path::{Path, PathBuf};

pub use build::PartsError;
pub use cache::CacheError;
pub use component::Component;

use crate::progress::Progress;
use cache::Cache;

/// Where each program is. All of them are statically linked and may be copied or bind-mounted anywhere.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The folder of the Kubernetes programs, for a `PATH` that finds `kubectl`.
    pub kubernetes_bin: PathBuf,
    /// `kube-apiserver`.
    pub kube_apiserver: PathBuf,
    /// `kube-controller-manager`.
    pub kube_controller_manager: PathBuf,
    /// `kube-scheduler`.
    pub kube_scheduler: PathBuf,
    /// `kube-proxy`.
    pub kube_proxy: PathBuf,
    /// `kubelet`.
    pub kubelet: PathBuf,
    /// `kubectl`.
    pub kubectl: PathBuf,
    /// `etcd`.
    pub etcd: PathBuf,
    /// `etcdctl`.
    pub etcdctl: PathBuf,
    /// `etcdutl`.
    pub etcdutl: PathBuf,
    /// The folder of containerd's programs. containerd finds its shim by `PATH`, so this must be on it.
    pub containerd_bin: PathBuf,
    /// `containerd`.
    pub containerd: PathBuf,
    /// `containerd-shim-runc-v2`.
    pub containerd_shim: PathBuf,
    /// `ctr`.
    pub ctr: PathBuf,
    /// `coredns`.
    pub coredns: PathBuf,
    /// Our CSI driver, `local.csi.berth.dev`.
    pub csi_driver: PathBuf,
    /// `csi-provisioner`.
    pub csi_provisioner: PathBuf,
    /// `csi-resizer`.
    pub csi_resizer: PathBuf,
    /// `csi-snapshotter`.
    pub csi_snapshotter: PathBuf,
    /// `snapshot-controller`.
    pub snapshot_controller: PathBuf,
    /// A folder with the CRDs of volume snapshots, one YAML file each, groups included.
    pub snapshot_crds: PathBuf,
}

/// Builds what is missing and tells where everything is.
///
/// With everything built this costs about 20 ms. On two cores a cold build takes about 12 minutes and downloads
/// about 400 MB of modules; runs at the same time wait for each other.
pub fn ensure(progress: &Progress) -> Result<Parts, PartsError> {
    let cache = Cache::open()?;
    let go = build::Go::find()?;
    let folder = |component| build::component(&cache, &go, component, progress);
    // The slowest first: when it fails, nobody has waited for the others.
    let kubernetes = folder(Component::Kubernetes)?;
    let etcd = folder(Component::Etcd)?;
    let containerd = folder(Component::Containerd)?;
    let coredns = folder(Component::CoreDns)?;
    let csi_driver = folder(Component::CsiDriver)?;
    let csi_provisioner = folder(Component::CsiProvisioner)?;
    let csi_sidecars = folder(Component::CsiSidecars)?;
    Ok(Parts {
        kube_apiserver: kubernetes.join("kube-apiserver"),
        kube_controller_manager: kubernetes.join("kube-controller-manager"),
        kube_scheduler: kubernetes.join("kube-scheduler"),
        kube_proxy: kubernetes.join("kube-proxy"),
        kubelet: kubernetes.join("kubelet"),
        kubectl: kubernetes.join("kubectl"),
        kubernetes_bin: kubernetes,
        etcd: etcd.join("etcd"),
        etcdctl: etcd.join("etcdctl"),
        etcdutl: etcd.join("etcdutl"),
        containerd: containerd.join("containerd"),
        containerd_shim: containerd.join("containerd-shim-runc-v2"),
        ctr: containerd.join("ctr"),
        containerd_bin: containerd,
        coredns: coredns.join("coredns"),
        csi_driver: csi_driver.join("csi-driver"),
        csi_provisioner: csi_provisioner.join("csi-provisioner"),
        csi_resizer: csi_sidecars.join("csi-resizer"),
        csi_snapshotter: csi_sidecars.join("csi-snapshotter"),
        snapshot_controller: csi_sidecars.join("snapshot-controller"),
        snapshot_crds: csi_sidecars.join("crds"),
    })
}

/// Builds one component if it is missing and tells its folder, for who needs no whole Kubernetes: a test against a
/// real etcd, for one.
pub fn component(component: Component, progress: &Progress) -> Result<PathBuf, PartsError> {
    build::component(&Cache::open()?, &build::Go::find()?, component, progress)
}

/// Where the Go modules are: in the source tree that this crate was compiled in, because the harness runs there.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("components")
}

#[cfg(test)]
mod tests;
