//! What there is to build: for each component its packages, flags and names.
//!
//! The versions are in the go.mod files, except where a program wants to be told its own.

use std::time::Duration;

/// One Go module under `components/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// kube-apiserver, kube-controller-manager, kube-scheduler, kube-proxy, kubelet and kubectl in one binary.
    Kubernetes,
    /// etcd, etcdctl and etcdutl in one binary.
    Etcd,
    /// containerd, its runc shim, ctr.
    Containerd,
    /// CoreDNS with the plugins that a cluster needs.
    CoreDns,
    /// Our own CSI driver.
    CsiDriver,
    /// The external provisioner.
    CsiProvisioner,
    /// The external resizer and snapshotter, the snapshot controller and its CRDs.
    CsiSidecars,
}

/// How a component is built.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe {
    /// The folder below `components/`, and the entry's name in the cache.
    pub(super) name: &'static str,
    /// What to compile; a binary is named after the last element, for `.` after the module's.
    pub(super) packages: &'static [&'static str],
    /// Build tags, which leave out what needs C libraries.
    pub(super) tags: &'static str,
    /// Linker flags beyond those that all share.
    pub(super) ldflags: &'static str,
    /// Further names, `(name, binary)`, by which a multi-call binary knows what to be.
    pub(super) links: &'static [(&'static str, &'static str)],
    /// Files that come along, `(module, folder in it, folder in the entry)`, YAML only.
    pub(super) manifests: Option<(&'static str, &'static str, &'static str)>,
    /// How long a cold build took on two cores.
    pub(super) usually: Duration,
}

impl Component {
    /// Every component.
    pub const ALL: [Self; 7] = [
        Self::Kubernetes,
        Self::Etcd,
        Self::Containerd,
        Self::CoreDns,
        Self::CsiDriver,
        Self::CsiProvisioner,
        Self::CsiSidecars,
    ];

    pub(super) const fn recipe(self) -> Recipe {
        match self {
            Self::Kubernetes => Recipe {
                name: "kubernetes",
                packages: &["."],
                tags: "",
                ldflags: "-X k8s.io/component-base/version.gitVersion=v1.35.4 \
                          -X k8s.io/component-base/version.gitMajor=1 \
                          -X k8s.io/component-base/version.gitMinor=35",
                links: &[
                    ("kube-apiserver", "kubernetes"),
                    ("kube-controller-manager", "kubernetes"),
                    ("kube-scheduler", "kubernetes"),
                    ("kube-proxy", "kubernetes"),
                    ("kubelet", "kubernetes"),
                    ("kubectl", "kubernetes"),
                ],
                manifests: None,
                usually: Duration::from_mins(5),
            },
            Self::Etcd => Recipe {
                name: "etcd",
                packages: &["."],
                tags: "",
                ldflags: "",
                links: &[("etcdctl", "etcd"), ("etcdutl", "etcd")],
                manifests: None,
                usually: Duration::from_secs(25),
            },
            Self::Containerd => Recipe {
                name: "containerd",
                packages: &[
                    "github.com/containerd/containerd/v2/cmd/containerd",
                    "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
                    "github.com/containerd/containerd/v2/cmd/ctr",
                ],
                tags: "no_btrfs no_devmapper no_zfs",
                ldflags: "-X github.com/containerd/containerd/v2/version.Version=v2.2.9",
                links: &[],
                manifests: None,
                usually: Duration::from_secs(50),
            },
            Self::CoreDns => Recipe {
                name: "coredns",
                packages: &["."],
                tags: "",
                ldflags: "",
                links: &[],
                manifests: None,
                usually: Duration::from_secs(50),
            },
            Self::CsiDriver => Recipe {
                name: "csi-driver",
                packages: &["."],
                tags: "",
                ldflags: "",
                links: &[],
                manifests: None,
                usually: Duration::from_secs(15),
            },
            Self::CsiProvisioner => Recipe {
                name: "csi-provisioner",
                packages: &["github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner"],
                tags: "",
                ldflags: "",
                links: &[],
                manifests: None,
                usually: Duration::from_secs(115),
            },
            Self::CsiSidecars => Recipe {
                name: "csi-sidecars",
                packages: &[
                    "github.com/kubernetes-csi/external-resizer/v2/cmd/csi-resizer",
                    "github.com/kubernetes-csi/external-snapshotter/v8/cmd/csi-snapshotter",
                    "github.com/kubernetes-csi/external-snapshotter/v8/cmd/snapshot-controller",
                ],
                tags: "",
                ldflags: "",
                links: &[],
                manifests: Some((
                    "github.com/kubernetes-csi/external-snapshotter/client/v8",
                    "config/crd",
                    "crds",
                )),
                usually: Duration::from_secs(150),
            },
        }
    }
}
