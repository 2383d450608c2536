//! The files of one node: containerd, CNI, kubelet, kube-proxy, and what its init runs.
//!
//! Text only. Paths below `/run`, `/tmp`, `/var/lib` and `/var/log` mean the node's own.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::CONTAINERD_SOCKET;
use super::init::{Plan, Service};
use crate::addresses::{DNS_IP, node_ip, node_name, node_pods, node_zone};
use crate::control_plane::{api_for_nodes, kube_proxy_config};
use crate::error::Error;
use crate::layout::Layout;
use crate::setup::Setup;
use crate::{cgroups, kubeconfig, setup as files, storage};

/// Where Debian's runc is.
const RUNC: &str = "/usr/sbin/runc";
/// Where Debian's CNI plugins are.
const CNI_PLUGINS: &str = "/usr/lib/cni";

/// Writes them all, below the node's folder.
pub(super) fn write(setup: &Setup, layout: &Layout, number: u8) -> Result<(), Error> {
    let folder = layout.node(number);
    let name = node_name(number);
    for sub in ["lib", "log", "sys", "cni"] {
        let path = folder.join(sub);
        fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
    }
    let text = |file: &str, content: &str| {
        let path = folder.join(file);
        fs::write(&path, content).map_err(Error::io("write", &path))
    };
    kubeconfig::write(
        &folder.join("kubelet.kubeconfig"),
        layout,
        &format!("kubelet-{name}"),
        &api_for_nodes(),
    )?;
    kubeconfig::write(&folder.join("kube-proxy.kubeconfig"), layout, "kube-proxy", &api_for_nodes())?;
    kubeconfig::write(&folder.join("storage.kubeconfig"), layout, "storage", &api_for_nodes())?;
    text("containerd.toml", &containerd(&folder))?;
    text("cni/10-ptp.conflist", &cni(number))?;
    text("resolv.conf", "")?;
    text("kubelet.json", &kubelet(setup, layout, number))?;
    text("kube-proxy.json", &kube_proxy_config(&folder.join("kube-proxy.kubeconfig"), &name))?;
    files::write(&folder.join("init.json"), &plan(setup, layout, number))
}

fn plan(setup: &Setup, layout: &Layout, number: u8) -> Plan {
    let folder = layout.node(number);
    let name = node_name(number);
    let programs = &setup.programs;
    let file = |name: &str| folder.join(name).display().to_string();
    let log = |process: &str| layout.log(&format!("{name}-{process}"));
    let socket = Path::new(CONTAINERD_SOCKET).to_path_buf();
    let mut services = vec![
        Service {
            name: "containerd".to_owned(),
            argv: vec![
                programs.containerd.display().to_string(),
                "--config".to_owned(),
                file("containerd.toml"),
                "--log-level".to_owned(),
                "warn".to_owned(),
            ],
            environment: vec![("PATH".to_owned(), search_path(&programs.containerd))],
            after: Vec::new(),
            log: log("containerd"),
        },
        Service {
            name: "kubelet".to_owned(),
            argv: vec![
                programs.kubernetes.join("kubelet").display().to_string(),
                format!("--config={}", file("kubelet.json")),
                format!("--kubeconfig={}", file("kubelet.kubeconfig")),
                format!("--hostname-override={name}"),
                format!("--node-ip={}", node_ip(number)),
                "--root-dir=/var/lib/kubelet".to_owned(),
                format!("--node-labels=topology.kubernetes.io/zone={}", node_zone(number)),
            ],
            environment: Vec::new(),
            // A kubelet that finds no API server tries again after ever longer pauses, so it starts when there is one.
            after: vec![socket, layout.api_ready()],
            log: log("kubelet"),
        },
        Service {
            name: "kube-proxy".to_owned(),
            argv: vec![
                programs.kubernetes.join("kube-proxy").display().to_string(),
                format!("--config={}", file("kube-proxy.json")),
            ],
            environment: Vec::new(),
            after: vec![layout.api_ready()],
            log: log("kube-proxy"),
        },
    ];
    services.extend(storage::node_services(setup, layout, number));
    Plan { hostname: name, folder, services }
}

/// containerd finds its shim by `PATH`, and the shim the programs that mount and route.
fn search_path(containerd: &Path) -> String {
    let folder = containerd.parent().unwrap_or(Path::new("/"));
    format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", folder.display())
}

/// containerd's configuration, version 3.
///
/// `restrict_oom_score_adj`: lowering the score needs a right that root in a container may lack, and without it no
/// container starts. `opt` and the volume plugins of the kubelet are moved, because by default both make folders
/// outside of the node.
fn containerd(folder: &Path) -> String {
    let cni = folder.join("cni");
    format!(
        r#"version = 3
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "localhost/pause:1"

[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  disable_apparmor = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true

[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["{CNI_PLUGINS}"]
  conf_dir = "{}"

[plugins."io.containerd.cri.v1.runtime".containerd]
  default_runtime_name = "runc"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  BinaryName = "{RUNC}"
  SystemdCgroup = false
"#,
        cni.display()
    )
}

/// Addresses are kept on the node's tmpfs, so that none leaks at a power loss.
fn cni(number: u8) -> String {
    json!({
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [{
            "type": "ptp",
            "mtu": 1500,
            "ipMasq": false,
            "ipam": {
                "type": "host-local",
                "dataDir": "/run/cni-ipam",
                "ranges": [[{"subnet": node_pods(number)}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }],
    })
    .to_string()
}

fn kubelet(setup: &Setup, layout: &Layout, number: u8) -> String {
    let name = node_name(number);
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": layout.certificate("ca")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": layout.certificate(&format!("serving-{name}")),
        "tlsPrivateKeyFile": layout.key(&format!("serving-{name}")),
        "containerRuntimeEndpoint": format!("unix://{CONTAINERD_SOCKET}"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroups::node_group(&setup.name, number),
        "failSwapOn": false,
        "failCgroupV1": false,
        "enforceNodeAllocatable": [],
        "makeIPTablesUtilChains": false,
        "clusterDNS": [DNS_IP],
        "clusterDomain": "cluster.local",
        "resolvConf": layout.node(number).join("resolv.conf"),
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "imageGCHighThresholdPercent": 100,
        // The disk is the machine's own: how full it is says nothing about this node.
        "evictionHard": {
            "memory.available": "100Mi", "nodefs.available": "0%", "nodefs.inodesFree": "0%",
            "imagefs.available": "0%", "imagefs.inodesFree": "0%",
        },
        "nodeLeaseDurationSeconds": 16,
        "nodeStatusUpdateFrequency": "4s",
        "syncFrequency": "10s",
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
    })
    .to_string()
}
