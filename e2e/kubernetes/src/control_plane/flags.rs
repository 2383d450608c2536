//! Command lines and configuration files of the control plane's processes.
//!
//! Text only, no effects. Why a flag is there is said where it is not plain from its name.

use std::path::Path;

use serde_json::json;

use crate::addresses::{CONTROL_IP, PODS, SERVICES};
use crate::layout::Layout;

/// etcd without fsync: its data is on a tmpfs anyway and lives as long as the cluster.
pub(super) fn etcd(layout: &Layout) -> Vec<String> {
    vec![
        "--name=local".to_owned(),
        format!("--data-dir={}", layout.memory().join("etcd").display()),
        "--unsafe-no-fsync".to_owned(),
        "--listen-client-urls=http://127.0.0.1:2379".to_owned(),
        "--advertise-client-urls=http://127.0.0.1:2379".to_owned(),
        "--listen-peer-urls=http://127.0.0.1:2380".to_owned(),
        "--initial-advertise-peer-urls=http://127.0.0.1:2380".to_owned(),
        "--initial-cluster=local=http://127.0.0.1:2380".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}

pub(super) fn api_server(layout: &Layout) -> Vec<String> {
    let certificate = |name: &str| layout.certificate(name).display().to_string();
    let key = |name: &str| layout.key(name).display().to_string();
    vec![
        "--etcd-servers=http://127.0.0.1:2379".to_owned(),
        format!("--service-cluster-ip-range={SERVICES}"),
        "--bind-address=0.0.0.0".to_owned(),
        "--secure-port=6443".to_owned(),
        format!("--advertise-address={CONTROL_IP}"),
        format!("--tls-cert-file={}", certificate("apiserver")),
        format!("--tls-private-key-file={}", key("apiserver")),
        format!("--client-ca-file={}", certificate("ca")),
        format!("--kubelet-client-certificate={}", certificate("apiserver-kubelet")),
        format!("--kubelet-client-key={}", key("apiserver-kubelet")),
        format!("--kubelet-certificate-authority={}", certificate("ca")),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        format!("--service-account-key-file={}", layout.pki().join("service-accounts.pub").display()),
        format!("--service-account-signing-key-file={}", key("service-accounts")),
        // Without these the controllers wait for ever for "missing content for CA bundle".
        format!("--requestheader-client-ca-file={}", certificate("ca")),
        "--requestheader-allowed-names=front-proxy".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        format!("--proxy-client-cert-file={}", certificate("front-proxy")),
        format!("--proxy-client-key-file={}", key("front-proxy")),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--allow-privileged=true".to_owned(),
        format!("--audit-policy-file={}", layout.config().join("audit-policy.yaml").display()),
        format!("--audit-log-path={}", layout.audit_log().display()),
        // Megabytes; a test reads one file, so it should not be rotated below it.
        "--audit-log-maxsize=2000".to_owned(),
    ]
}

pub(super) fn controller_manager(layout: &Layout) -> Vec<String> {
    let mut flags = kubeconfigs(layout, "kube-controller-manager");
    flags.extend([
        "--leader-elect=false".to_owned(),
        "--use-service-account-credentials".to_owned(),
        format!("--service-account-private-key-file={}", layout.key("service-accounts").display()),
        format!("--root-ca-file={}", layout.certificate("ca").display()),
        format!("--cluster-signing-cert-file={}", layout.certificate("ca").display()),
        format!("--cluster-signing-key-file={}", layout.key("ca").display()),
        "--allocate-node-cidrs=false".to_owned(),
        // Its default is a folder of the machine, which it would make.
        format!("--flex-volume-plugin-dir={}", layout.config().join("volume-plugins").display()),
        "--kube-api-qps=200".to_owned(),
        "--kube-api-burst=400".to_owned(),
        // A lost node is declared so after 10-14 s instead of a minute: tests wait for it.
        "--node-monitor-grace-period=12s".to_owned(),
        "--node-monitor-period=1s".to_owned(),
    ]);
    flags
}

pub(super) fn scheduler(layout: &Layout) -> Vec<String> {
    let mut flags = kubeconfigs(layout, "kube-scheduler");
    flags.extend([
        "--leader-elect=false".to_owned(),
        "--kube-api-qps=200".to_owned(),
        "--kube-api-burst=400".to_owned(),
    ]);
    flags
}

fn kubeconfigs(layout: &Layout, identity: &str) -> Vec<String> {
    let path = layout.config().join(format!("{identity}.kubeconfig"));
    let flag = |name: &str| format!("--{name}={}", path.display());
    vec![flag("kubeconfig"), flag("authentication-kubeconfig"), flag("authorization-kubeconfig")]
}

/// kube-proxy's configuration. It must leave the connection tracking limits alone: they belong to the machine.
pub(crate) fn kube_proxy(kubeconfig: &Path, hostname: &str) -> String {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": kubeconfig},
        "hostnameOverride": hostname,
        "mode": "nftables",
        "clusterCIDR": PODS,
        "detectLocalMode": "ClusterCIDR",
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    })
    .to_string()
}

pub(super) fn corefile(kubeconfig: &Path) -> String {
    format!(
        ".:53 {{\n    bind {CONTROL_IP}\n    errors\n    ready {CONTROL_IP}:8181\n    \
         kubernetes cluster.local in-addr.arpa {{\n        kubeconfig {}\n    }}\n    cache 5\n}}\n",
        kubeconfig.display()
    )
}
