//! The processes that make volumes: which run on every node, which once beside the control plane.
//!
//! The driver itself is a program of its own; the sidecars are the stock ones. All of them are plain processes
//! with a certificate of their own, so that their requests can be told from other people's in the audit log.

use std::path::PathBuf;
use std::time::Duration;

use crate::addresses::{node_name, node_zone};
use crate::control_plane::kubectl;
use crate::error::Error;
use crate::layout::Layout;
use crate::network::in_control_plane;
use crate::node::Service;
use crate::process::{Daemon, run, tail};
use crate::setup::Setup;
use crate::wait;

/// The driver's name in classes, claims and volumes.
pub(crate) const DRIVER: &str = "local.csi.berth.dev";
/// The volumes' files, below a node's disk.
pub(crate) const VOLUMES: &str = "berth-volumes";

/// The driver's socket inside a node.
fn socket() -> String {
    format!("/var/lib/kubelet/plugins/{DRIVER}/csi.sock")
}

/// The driver and the sidecars that only work for volumes of their own node.
pub(crate) fn node_services(setup: &Setup, layout: &Layout, number: u8) -> Vec<Service> {
    let name = node_name(number);
    let kubeconfig = layout.node(number).join("storage.kubeconfig");
    let sidecar = |process: &str, program: &PathBuf, flags: &[&str]| {
        let mut argv = vec![
            program.display().to_string(),
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--csi-address={}", socket()),
            "--node-deployment".to_owned(),
        ];
        argv.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let environment = [
            ("NODE_NAME", name.as_str()),
            ("POD_NAME", &format!("{process}-{name}")),
            ("NAMESPACE", "kube-system"),
        ];
        Service {
            name: process.to_owned(),
            argv,
            environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            after: vec![socket().into(), layout.api_ready()],
            log: layout.log(&format!("{name}-{process}")),
        }
    };
    vec![
        Service {
            name: "csi-driver".to_owned(),
            argv: vec![
                setup.programs.csi_driver.display().to_string(),
                format!("--node={name}"),
                format!("--zone={}", node_zone(number)),
                format!("--endpoint={}", socket()),
                format!("--data=/var/lib/{VOLUMES}"),
            ],
            environment: Vec::new(),
            after: Vec::new(),
            log: layout.log(&format!("{name}-csi-driver")),
        },
        sidecar(
            "csi-provisioner",
            &setup.programs.csi_provisioner,
            &["--strict-topology", "--immediate-topology=false"],
        ),
        sidecar("csi-snapshotter", &setup.programs.csi_snapshotter, &[]),
    ]
}

/// The sidecars that work for the volumes of all nodes.
pub(crate) fn controllers(setup: &Setup, layout: &Layout) -> Vec<Daemon> {
    let kubeconfig = layout.config().join("storage.kubeconfig");
    let daemon = |name: &str, program: &PathBuf, flags: Vec<String>| {
        let mut argv = in_control_plane();
        argv.push(program.display().to_string());
        argv.extend(flags);
        Daemon::new(name, layout.log(name), argv)
    };
    let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
    // The resizer asks a driver only whether the node has to do the work, so it has one of its own that holds no
    // volumes: with a node's, no volume anywhere could grow while that node is off.
    let folder = layout.csi();
    let endpoint = folder.join("csi.sock");
    vec![
        daemon(
            "csi-driver",
            &setup.programs.csi_driver,
            vec![
                "--node=control-plane".to_owned(),
                format!("--endpoint={}", endpoint.display()),
                format!("--registration={}", folder.display()),
                format!("--data={}", folder.join("volumes").display()),
            ],
        ),
        daemon(
            "csi-resizer",
            &setup.programs.csi_resizer,
            vec![kubeconfig.clone(), format!("--csi-address={}", endpoint.display())],
        ),
        daemon(
            "snapshot-controller",
            &setup.programs.snapshot_controller,
            vec![kubeconfig, "--enable-distributed-snapshotting".to_owned()],
        ),
    ]
}

/// Waits until the kubelets of these nodes know the driver, so that the first claim is not scheduled into the void.
pub(crate) fn await_registered(setup: &Setup, layout: &Layout, numbers: &[u8]) -> Result<(), Error> {
    let first = numbers.first().copied().unwrap_or(1);
    let log = layout.log(&format!("{}-csi-driver", node_name(first)));
    wait::until(
        "the storage driver's registration",
        Duration::from_mins(1),
        || tail(&log),
        || {
            let path = "jsonpath={range .items[*]}{.metadata.name}={.spec.drivers[*].name}{\"\\n\"}{end}";
            let text = run(kubectl(setup, layout).args(["get", "csinodes", "-o", path]))?;
            let known =
                |number: &u8| text.lines().any(|line| line == format!("{}={DRIVER}", node_name(*number)));
            Ok(numbers.iter().all(known).then_some(()))
        },
    )
}
