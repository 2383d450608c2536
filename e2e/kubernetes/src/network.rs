//! Network namespaces, the bridge and the cables of the local Kubernetes.
//!
//! The control plane's namespace holds a bridge; each node is a namespace on one cable to it. Routes lead to the
//! other nodes' pods; nothing leads out. The namespaces are pinned below `/run/netns` of the supervisor's own
//! mount namespace, so they vanish with the supervisor however it ends.

use std::process::Command;

use crate::addresses::{
    BRIDGE, CONTROL, CONTROL_IP, CONTROL_MAC, SERVICES, node_ip, node_mac, node_namespace, node_pods,
    node_port,
};
use crate::error::Error;
use crate::process::{run, run_with_input};

/// Makes the control plane's namespace with the bridge.
pub(crate) fn add_control_plane(workers: u8) -> Result<(), Error> {
    run(ip().args(["netns", "add", CONTROL]))?;
    let mut lines = format!(
        "link set lo up\n\
         link add {BRIDGE} address {CONTROL_MAC} type bridge\n\
         addr add {CONTROL_IP}/24 dev {BRIDGE}\n\
         link set {BRIDGE} up\n\
         route add {SERVICES} dev {BRIDGE}\n"
    );
    for node in 1..=workers {
        lines.push_str(&route(node));
    }
    batch(CONTROL, &lines)?;
    forwarding(CONTROL)
}

/// Makes a node's namespace and plugs its cable in.
pub(crate) fn add_node(node: u8, workers: u8) -> Result<(), Error> {
    let (namespace, port) = (node_namespace(node), node_port(node));
    run(ip().args(["netns", "add", &namespace]))?;
    batch(
        CONTROL,
        &format!(
            "link add {port} type veth peer name eth0 address {} netns {namespace}\n\
             link set {port} master {BRIDGE}\n\
             link set {port} up\n",
            node_mac(node)
        ),
    )?;
    let mut lines = format!(
        "link set lo up\n\
         addr add {}/24 dev eth0\n\
         link set eth0 up\n\
         route add {SERVICES} dev eth0\n",
        node_ip(node)
    );
    for other in (1..=workers).filter(|other| *other != node) {
        lines.push_str(&route(other));
    }
    batch(&namespace, &lines)?;
    forwarding(&namespace)
}

/// Takes a node's cable away, and with it every packet that its dying processes would still send.
pub(crate) fn unplug_node(node: u8) -> Result<(), Error> {
    run(ip().args(["-n", CONTROL, "link", "set", &node_port(node), "down"])).map(drop)
}

/// Removes a node's namespace. Its cable goes at once too, so that the same name can be used again.
pub(crate) fn remove_node(node: u8) -> Result<(), Error> {
    run(ip().args(["-n", CONTROL, "link", "del", &node_port(node)]))?;
    run(ip().args(["netns", "del", &node_namespace(node)])).map(drop)
}

/// The path that pins a namespace, for `nsenter --net=` and for relays.
pub(crate) fn namespace_path(namespace: &str) -> String {
    format!("/run/netns/{namespace}")
}

/// The first words of a command that runs in the control plane's network.
pub(crate) fn in_control_plane() -> Vec<String> {
    vec!["nsenter".to_owned(), format!("--net={}", namespace_path(CONTROL))]
}

/// The way to a node's pods.
fn route(node: u8) -> String {
    format!("route add {} via {}\n", node_pods(node), node_ip(node))
}

fn ip() -> Command {
    Command::new("ip")
}

fn batch(namespace: &str, lines: &str) -> Result<(), Error> {
    run_with_input(ip().args(["-n", namespace, "-batch", "-"]), lines).map(drop)
}

/// Nodes route for their pods, and answers may come back another way than the requests went.
fn forwarding(namespace: &str) -> Result<(), Error> {
    const SCRIPT: &str = "echo 1 > /proc/sys/net/ipv4/ip_forward; \
         for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done";
    let net = format!("--net={}", namespace_path(namespace));
    run(Command::new("nsenter").args([&net, "sh", "-ec", SCRIPT])).map(drop)
}
