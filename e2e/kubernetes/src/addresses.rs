//! The fixed address plan: who has which address, interface and name.
//!
//! The whole cluster lives in network namespaces without a way out, so fixed numbers collide with nothing on
//! the machine, not even with a second cluster.

/// Name of the control plane's network namespace.
pub(crate) const CONTROL: &str = "berth-cp";
/// The bridge in the control plane's namespace to which every node is plugged.
pub(crate) const BRIDGE: &str = "br0";
/// The control plane's address: API server, cluster DNS, etcd's neighbour.
pub(crate) const CONTROL_IP: &str = "10.88.0.1";
/// The bridge's hardware address. By itself a bridge takes the lowest of its ports' addresses: it would change
/// when a node is unplugged, and everybody else would lose the control plane until they have asked anew.
pub(crate) const CONTROL_MAC: &str = "02:be:27:00:00:00";
/// All pods of all nodes.
pub(crate) const PODS: &str = "10.90.0.0/16";
/// All Services.
pub(crate) const SERVICES: &str = "10.91.0.0/16";
/// The Service `default/kubernetes`: the first address of the range, by definition.
pub(crate) const API_SERVICE_IP: &str = "10.91.0.1";
/// The Service `kube-system/kube-dns`.
pub(crate) const DNS_IP: &str = "10.91.0.10";
/// The Service `berth-system/berth-proxy`, whose manifest asks for this very address, so that a relay can be
/// made before anything is installed.
pub const PROXY_SERVICE: &str = "10.91.0.32:5432";
/// Where the API server listens, inside the control plane's namespace.
pub(crate) const API: &str = "127.0.0.1:6443";
/// The most nodes the plan has room for: the third byte of a pod's address is the node's number, and more
/// than nine kubelets are of no use on one machine.
pub(crate) const MOST_NODES: u8 = 9;

/// Name of node `number`, both in Kubernetes and as a network namespace's suffix.
pub fn node_name(number: u8) -> String {
    format!("n{number}")
}

/// The node's network namespace.
pub(crate) fn node_namespace(number: u8) -> String {
    format!("berth-n{number}")
}

/// The node's own address.
pub(crate) fn node_ip(number: u8) -> String {
    format!("10.88.0.{}", 10 + number)
}

/// The node's hardware address: the same after a power loss, as a machine's is.
pub(crate) fn node_mac(number: u8) -> String {
    format!("02:be:27:00:00:{number:02x}")
}

/// The addresses of the pods on the node.
pub(crate) fn node_pods(number: u8) -> String {
    format!("10.90.{number}.0/24")
}

/// The bridge's end of the cable to the node.
pub(crate) fn node_port(number: u8) -> String {
    format!("vn{number}")
}

/// The zone label of the node: three zones, dealt in turn.
pub fn node_zone(number: u8) -> &'static str {
    ["c", "a", "b"][usize::from(number % 3)]
}
