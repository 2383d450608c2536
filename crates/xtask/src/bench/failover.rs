//! `make bench-failover`: what a client sees of a lost primary and of a planned switchover, beside Patroni on the same machine in the same run.
//!
//! A pause is the longest time between two acknowledged rows of one writer; sixteen write at once. Nothing here passes or fails.

mod crowd;
mod orders;
mod patroni;
mod subject;
mod table;

use crate::install;
use crate::run::{self, say};
use anyhow::{Context, Result};
use berth_e2e::eventually;
use berth_e2e_kubernetes::{Progress, packages};
use crowd::Crowd;
use patroni::{Patroni, Tuning};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use subject::{Blow, Subject};
use table::{Part, Row};

/// How many blows of each kind Berth takes, and how many its peer, whose waits are long.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Arguments {
    /// Crashes of each of the two kinds.
    #[arg(long, default_value_t = 15)]
    crashes: usize,
    /// Nodes that fall silent.
    #[arg(long, default_value_t = 10)]
    nodes: usize,
    /// Planned switchovers.
    #[arg(long, default_value_t = 30)]
    switchovers: usize,
    /// Crashes of each kind, and switchovers, of the peer with its default times.
    #[arg(long, default_value_t = 5)]
    peer: usize,
}

/// Rows that each writer must have acknowledged before and after a blow, so that it is a blow to a cluster at work.
const STEADY: u64 = 20;
/// How long anything may take that is measured.
const DEADLINE: Duration = Duration::from_mins(5);

/// Brings everything up, measures in a process that has the cluster in its environment, and takes it down.
pub(crate) fn bench(arguments: Arguments) -> Result<()> {
    packages::ensure_benchmark(&Progress::stderr())?;
    let Arguments { crashes, nodes, switchovers, peer } = arguments;
    let mut command = run::itself("bench-failover-figures")?;
    for (name, value) in
        [("crashes", crashes), ("nodes", nodes), ("switchovers", switchovers), ("peer", peer)]
    {
        command.arg(format!("--{name}={value}"));
    }
    install::on_a_fresh_cluster([command])
}

/// The measurements, on the cluster that the environment names.
pub(crate) fn figures(arguments: Arguments) -> Result<()> {
    let Arguments { crashes, nodes, switchovers, peer } = arguments;
    let times = |blow: Blow| match blow {
        Blow::Process | Blow::Container => crashes,
        Blow::Node => nodes,
        Blow::Switchover => switchovers,
    };
    let mut parts = vec![measure(&mut orders::Orders::create()?, times)?];
    say(&parts[0].to_string());
    for tuning in [Tuning::Quickest, Tuning::Defaults] {
        let part = measure(&mut Patroni::start(tuning)?, |_| peer)?;
        say(&part.to_string());
        parts.push(part);
    }
    say("\nAll of it, in one run on this machine:");
    for part in &parts {
        say(&part.to_string());
    }
    Ok(())
}

fn measure(subject: &mut impl Subject, times: impl Fn(Blow) -> usize) -> Result<Part> {
    let name = subject.name();
    let crowd = Crowd::start(&subject.config()?)?;
    let mut rows = BTreeMap::new();
    for blow in subject.blows().to_vec() {
        let row: &mut Row = rows.entry(blow).or_default();
        for time in 1..=times(blow) {
            say(&format!("{name}: {blow}, {time} of {}", times(blow)));
            take(subject, &crowd, blow, row).with_context(|| format!("{name}: {blow}, {time}"))?;
        }
    }
    let total = crowd.finish()?;
    Ok(Part { name, rows, acknowledged: total.acknowledged, lost: total.lost })
}

/// One blow, from a cluster at work to a cluster at work.
fn take(subject: &mut impl Subject, crowd: &Crowd, blow: Blow, row: &mut Row) -> Result<()> {
    subject.prepare(blow)?;
    settle(subject, crowd)?;
    crowd.mark();
    let began = Instant::now();
    subject.strike(blow)?;
    at_work(crowd)?;
    subject.mend(blow)?;
    eventually(DEADLINE, "all three are in place again", || Ok(subject.whole()?.then_some(())))?;
    row.rejoin.push(began.elapsed());
    at_work(crowd)?;
    let (pauses, errors) = crowd.pauses();
    row.pauses.extend(pauses);
    for (code, times) in errors {
        *row.errors.entry(code).or_default() += times;
    }
    row.blows += 1;
    Ok(())
}

fn settle(subject: &mut impl Subject, crowd: &Crowd) -> Result<()> {
    eventually(DEADLINE, "all three are in place", || Ok(subject.whole()?.then_some(())))?;
    at_work(crowd)
}

/// Every writer writes on from now.
fn at_work(crowd: &Crowd) -> Result<()> {
    let before = crowd.rows();
    eventually(DEADLINE, "every writer writes", || Ok(crowd.each_wrote(&before, STEADY).then_some(())))
}
