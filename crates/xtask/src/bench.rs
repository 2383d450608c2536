//! `make bench`: figures of Berth, each beside a named peer in the same run on the same machine.
//!
//! Absolute numbers belong to the machine; what is to be compared are the ratios. Nothing here passes or fails.

mod bringup;
pub(crate) mod failover;
mod figures;
mod footprint;
mod rest;
mod throughput;

use crate::install;
use crate::run::{self, say};
use anyhow::Result;
use berth_e2e_kubernetes::{Progress, packages};

/// Brings everything up, measures in a process that has the cluster in its environment, and takes it down.
pub(crate) fn bench() -> Result<()> {
    packages::ensure_benchmark(&Progress::stderr())?;
    install::on_a_fresh_cluster([run::itself("bench-figures")?])
}

/// The measurements, on the cluster that the environment names.
pub(crate) fn figures() -> Result<()> {
    let mut report = figures::Report::default();
    bringup::measure(&mut report)?;
    throughput::measure(&mut report)?;
    rest::measure(&mut report)?;
    footprint::measure(&mut report)?;
    say(&report.to_string());
    Ok(())
}
