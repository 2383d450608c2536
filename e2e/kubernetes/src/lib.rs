//! A real Kubernetes on one machine, for tests and demonstrations.
//!
//! One control plane and several worker nodes, each a real kubelet with containerd in namespaces of its own, built
//! from Go modules and Debian packages, without a container engine or a registry. Nodes lose power, networks are
//! cut, and at the end nothing is left on the machine:
//!
//! ```no_run
//! use berth_e2e_kubernetes::{Cluster, Direction, Options};
//!
//! # fn main() -> Result<(), berth_e2e_kubernetes::Error> {
//! let cluster = Cluster::up(Options { workers: 3, ..Options::default() })?;
//! cluster.kubectl(&["get", "nodes"])?;
//! cluster.node(1).power_off()?;
//! cluster.node(1).power_on()?;
//! cluster.node(2).partition(Direction::From)?;
//! cluster.node(2).heal()?;
//! cluster.edge(1, 2).cut()?;
//! cluster.edge(1, 2).heal()?;
//! cluster.down()?;
//! # Ok(())
//! # }
//! ```
//!
//! Needs root on Linux. It does not simulate anything: no fake kubelet, no fake clock. It makes no claim to be a
//! Kubernetes for production either; etcd keeps its data in memory.

mod addresses;
mod certificates;
mod cgroups;
mod cluster;
mod control_plane;
mod error;
mod faults;
pub mod guard;
pub mod image;
mod kubeconfig;
mod layout;
mod loops;
mod manifests;
mod network;
pub mod node;
pub mod packages;
pub mod parts;
mod process;
pub mod progress;
mod protocol;
mod relay;
mod setup;
mod storage;
pub mod supervisor;
mod teardown;
mod wait;

pub use addresses::{PROXY_SERVICE, node_name, node_zone};
pub use cluster::{Cluster, Edge, Node, Options};
pub use error::Error;
pub use faults::{Direction, Peer};
pub use layout::Layout;
pub use progress::Progress;
pub use protocol::Ran;
