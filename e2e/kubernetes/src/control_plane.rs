//! The processes of the control plane: which, with which flags, in which order.
//!
//! They are plain processes in the control plane's network namespace. The API server's clients among them exit
//! when they find it not ready, hence the order; they run without leader election, because there is one of each.

mod flags;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub(crate) use flags::kube_proxy as kube_proxy_config;

use crate::addresses::{API, CONTROL_IP, node_name};
use crate::error::Error;
use crate::kubeconfig;
use crate::layout::Layout;
use crate::network::in_control_plane;
use crate::process::{Daemon, run, run_with_input};
use crate::setup::Setup;
use crate::{manifests, wait};

/// How long the API server may take until `/readyz`; 3-5 s on an idle machine.
const READY: Duration = Duration::from_secs(90);

/// The daemons of the control plane, in the order of their start.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    etcd: Daemon,
    api: Daemon,
    /// Those that need a ready API server.
    clients: Vec<Daemon>,
}

impl ControlPlane {
    /// Describes all processes and writes their configuration; starts nothing.
    pub(crate) fn prepare(setup: &Setup, layout: &Layout) -> Result<Self, Error> {
        let config = layout.config();
        fs::create_dir_all(&config).map_err(Error::io("create", &config))?;
        for identity in
            ["admin", "kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns", "storage"]
        {
            kubeconfig::write(&config.join(format!("{identity}.kubeconfig")), layout, identity, API)?;
        }
        write(&config.join("audit-policy.yaml"), manifests::AUDIT_POLICY)?;
        let corefile = flags::corefile(&config.join("coredns.kubeconfig"));
        write(&config.join("Corefile"), &corefile)?;
        // The rules of the control plane's kube-proxy wait for a Node of that name, so it takes the first one.
        let proxy = flags::kube_proxy(&config.join("kube-proxy.kubeconfig"), &node_name(1));
        write(&config.join("kube-proxy.json"), &proxy)?;

        let daemon = |name: &str, program: &Path, arguments: Vec<String>| {
            let mut argv = in_control_plane();
            argv.push(program.display().to_string());
            argv.extend(arguments);
            Daemon::new(name, layout.log(name), argv)
        };
        let multi_call =
            |name: &str, flags: Vec<String>| daemon(name, &setup.programs.kubernetes.join(name), flags);
        let mut clients = vec![
            multi_call("kube-controller-manager", flags::controller_manager(layout)),
            multi_call("kube-scheduler", flags::scheduler(layout)),
            multi_call("kube-proxy", vec![format!("--config={}", config.join("kube-proxy.json").display())]),
            daemon(
                "coredns",
                &setup.programs.coredns,
                vec!["-conf".to_owned(), config.join("Corefile").display().to_string()],
            ),
        ];
        clients.extend(crate::storage::controllers(setup, layout));
        Ok(Self {
            etcd: daemon("etcd", &setup.programs.etcd, flags::etcd(layout)),
            api: multi_call("kube-apiserver", flags::api_server(layout)),
            clients,
        })
    }

    /// Starts etcd and the API server and waits until it is ready.
    pub(crate) fn start_api(&self, setup: &Setup, layout: &Layout) -> Result<(), Error> {
        self.etcd.start()?;
        self.api.start()?;
        wait::until(
            "the API server to be ready",
            READY,
            || self.api.tail(),
            || {
                self.etcd.check()?;
                self.api.check()?;
                Ok(kubectl(setup, layout)
                    .args(["get", "--raw", "/readyz"])
                    .output()
                    .ok()
                    .and_then(|output| (output.status.success() && output.stdout == b"ok").then_some(())))
            },
        )?;
        write(&layout.api_ready(), "")
    }

    /// Starts everything that talks to the API server.
    pub(crate) fn start_clients(&self) -> Result<(), Error> {
        self.clients.iter().try_for_each(Daemon::start)
    }

    /// Applies our objects: roles, cluster DNS, storage classes and the CRDs of snapshots.
    pub(crate) fn apply_objects(setup: &Setup, layout: &Layout) -> Result<(), Error> {
        let apply = |manifests: &str| {
            let mut command = kubectl(setup, layout);
            command.args(["apply", "--server-side", "-f", "-"]);
            run_with_input(&mut command, manifests).map(drop)
        };
        apply(manifests::FIRST)?;
        let mut crds = kubectl(setup, layout);
        crds.args(["apply", "--server-side", "-f"]).arg(&setup.programs.snapshot_crds);
        run(&mut crds)?;
        let established = ["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"];
        run(kubectl(setup, layout).args(established))?;
        apply(manifests::AFTER_CRDS)
    }

    /// An error if any process ended on its own.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.all().try_for_each(Daemon::check)
    }

    /// A process by its name.
    pub(crate) fn find(&self, name: &str) -> Option<&Daemon> {
        self.all().find(|daemon| daemon.name() == name)
    }

    /// The names of all processes.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.all().map(Daemon::name).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Daemon> {
        [&self.etcd, &self.api].into_iter().chain(&self.clients)
    }
}

/// kubectl as administrator, run inside the control plane's network.
pub(crate) fn kubectl(setup: &Setup, layout: &Layout) -> Command {
    let mut words = in_control_plane().into_iter();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command.arg(setup.programs.kubernetes.join("kubectl"));
    // Its discovery cache would otherwise fall into the home folder of whoever runs this.
    command.arg(format!("--cache-dir={}", layout.config().join("kubectl-cache").display()));
    command.arg(format!("--kubeconfig={}", layout.config().join("admin.kubeconfig").display()));
    command
}

fn write(path: &Path, content: &str) -> Result<(), Error> {
    fs::write(path, content).map_err(Error::io("write", path))
}

/// The address that nodes use for the API server.
pub(crate) fn api_for_nodes() -> String {
    format!("{CONTROL_IP}:6443")
}
