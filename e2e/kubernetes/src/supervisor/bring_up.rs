//! From nothing to a cluster whose nodes are Ready, step by step, each timed.
//!
//! The nodes boot and import their images while the control plane starts; their kubelets wait for it.

use std::fs;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use rustix::mount::{MountFlags, mount};

use super::{Running, tell};
use crate::addresses::{API, PROXY_SERVICE};
use crate::control_plane::ControlPlane;
use crate::error::Error;
use crate::faults::Cuts;
use crate::layout::Layout;
use crate::node::{self, Node};
use crate::protocol::{Event, State};
use crate::setup::Setup;
use crate::{certificates, kubeconfig, network, relay, storage, wait};

/// Writes all files; starts nothing but makes the folder in memory.
pub(super) fn prepare(setup: Setup, layout: Layout) -> Result<Running, Error> {
    let start = wait::now();
    for folder in [layout.memory(), layout.bin(), layout.csi()] {
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    }
    tmpfs(&layout.memory())?;
    // `ip netns` pins namespaces here. A tmpfs of our own mount namespace keeps even the names off the machine.
    fs::create_dir_all("/run/netns").map_err(Error::io("create", "/run/netns"))?;
    tmpfs("/run/netns".as_ref())?;
    let kubectl = layout.bin().join("kubectl");
    std::os::unix::fs::symlink(setup.programs.kubernetes.join("kubectl"), &kubectl)
        .map_err(Error::io("link", &kubectl))?;

    certificates::make(&layout, setup.workers)?;
    let control_plane = ControlPlane::prepare(&setup, &layout)?;
    let nodes = (1..=setup.workers)
        .map(|number| Node::prepare(&setup, &layout, number))
        .collect::<Result<Vec<_>, _>>()?;
    step("certificates and configuration", start);
    let images = Mutex::new(setup.images.clone());
    Ok(Running { setup, layout, control_plane, nodes, cuts: Mutex::new(Cuts::default()), images })
}

/// Starts everything and waits until it is usable.
pub(super) fn bring_up(running: &Running) -> Result<State, Error> {
    let Running { setup, layout, nodes, .. } = running;
    let start = wait::now();
    network::add_control_plane(setup.workers)?;
    nodes.iter().try_for_each(|node| node.power_on(setup, layout))?;
    step("network and nodes' namespaces", start);

    thread::scope(|scope| {
        let imports: Vec<_> = nodes
            .iter()
            .map(|node| {
                scope.spawn(move || {
                    let start = wait::now();
                    setup.images.iter().try_for_each(|archive| node.import(setup, layout, archive))?;
                    step(&format!("containerd and images on n{}", node.number()), start);
                    Ok(())
                })
            })
            .collect();
        let result = control(running);
        // Looked at also when the control plane failed, so that no thread outlives this call.
        let imported: Vec<_> = imports.into_iter().map(joined).collect();
        let state = result?;
        imported.into_iter().collect::<Result<(), _>>()?;
        Ok(state)
    })
}

fn control(running: &Running) -> Result<State, Error> {
    let Running { setup, layout, control_plane, .. } = running;
    let start = wait::now();
    control_plane.start_api(setup, layout)?;
    step("etcd and API server", start);
    control_plane.start_clients()?;

    let start = wait::now();
    let state = State { workers: setup.workers, api: relay_to(API)?, proxy: relay_to(PROXY_SERVICE)? };
    kubeconfig::write(&layout.kubeconfig(), layout, "admin", &state.api.to_string())?;
    let numbers: Vec<u8> = (1..=setup.workers).collect();
    thread::scope(|scope| {
        let objects = scope.spawn(|| ControlPlane::apply_objects(setup, layout));
        let ready = node::await_ready(setup, layout, &numbers);
        joined(objects)?;
        ready
    })?;
    step("nodes Ready", start);

    let start = wait::now();
    storage::await_registered(setup, layout, &numbers)?;
    step("storage driver registered", start);
    control_plane.check()?;
    Ok(state)
}

fn relay_to(target: &str) -> Result<SocketAddr, Error> {
    let address =
        target.parse().map_err(|_| Error::Refused { reason: format!("`{target}` is no address") })?;
    relay::start(address)
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, Result<T, Error>>) -> Result<T, Error> {
    thread
        .join()
        .unwrap_or_else(|_| Err(Error::Refused { reason: "a thread of the bring-up panicked".to_owned() }))
}

fn tmpfs(path: &std::path::Path) -> Result<(), Error> {
    mount("tmpfs", path, "tmpfs", MountFlags::empty(), None).map_err(Error::sys("mount a tmpfs on", path))
}

fn step(what: &str, start: Instant) {
    let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    tell(&Event::Step { what: what.to_owned(), millis });
}
