//! The proxy's process. What it does is in the library.

use berth_proxy::Arguments;
use berth_service::{Identity, Service};
use berth_topology::{EtcdOptions, EtcdTopology};
use clap::Parser;
use std::process::ExitCode;

/// Sessions allocate little and often, on every core.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let service = Service::start("berth-proxy", env!("CARGO_PKG_VERSION"), &arguments.service)?;
    let identity = Identity::open(&arguments.tls)?;
    let options = EtcdOptions::new(&arguments.etcd_endpoints, &arguments.tls)?;
    let topology = EtcdTopology::new(options);
    let proxy = berth_proxy::start(&arguments, service, identity, &topology).await?;
    let ended = proxy.until_stopped().await;
    Ok(if ended { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
