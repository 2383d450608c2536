//! `cargo xtask chaos`: a database cluster is hurt at random while tenants use it, and what they were told is held against what is there.
//!
//! The campaign itself is in the end-to-end library; here are its arguments and the Kubernetes that it runs on.

use crate::install;
use crate::run::{self, say};
use anyhow::{Result, bail};
use berth_e2e::chaos::{self, Options, fault};
use berth_e2e_kubernetes::{Cluster, Progress};
use std::process::Command;
use std::time::Duration;

/// What is done, and where.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// No fault begins after so many minutes.
    #[arg(long, default_value_t = 15)]
    minutes: u64,
    /// Repeats the choice of faults and of whom they hit; not the timing.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only these, by their names or by groups: process, container, disk, network, node, control, planned.
    #[arg(long, value_delimiter = ',', value_name = "FAULT")]
    faults: Vec<String>,
    /// One of the worst of each group, once, with a seed of its own.
    #[arg(long, conflicts_with_all = ["minutes", "seed", "faults"])]
    short: bool,
    /// On the local Kubernetes that runs already, instead of one that is made for it.
    #[arg(long)]
    here: bool,
}

impl Arguments {
    /// The words that say the same to another process.
    fn words(&self) -> Vec<String> {
        let Self { minutes, seed, faults, short, here: _ } = self;
        if *short {
            return vec!["--short".to_owned()];
        }
        let mut words = vec![format!("--minutes={minutes}"), format!("--seed={seed}")];
        words.extend((!faults.is_empty()).then(|| format!("--faults={}", faults.join(","))));
        words
    }

    fn options(&self) -> Result<Options> {
        let folder = run::root().join("target/chaos");
        if self.short {
            return Ok(Options::short(folder.join("short")));
        }
        Ok(Options {
            seed: self.seed,
            time: Duration::from_mins(self.minutes),
            most: usize::MAX,
            faults: fault::named(&self.faults)?,
            folder: folder.join(format!("seed-{}", self.seed)),
        })
    }
}

/// Runs a campaign in a process that has the cluster in its environment.
pub(crate) fn chaos(arguments: &Arguments) -> Result<()> {
    // A wrong name is told before a Kubernetes is brought up for it.
    let Options { folder, .. } = arguments.options()?;
    let mut command = in_a_process(arguments)?;
    let outcome = if arguments.here {
        let cluster = Cluster::attach()?;
        install::environment(&cluster).and_then(|environment| {
            command.envs(environment);
            run::shown(command)
        })
    } else {
        install::on_a_fresh_cluster([command])
    };
    say(&format!("The report, the timeline and the members' logs are in {}", folder.display()));
    outcome
}

/// The campaign that every run of all tests has.
pub(crate) fn short() -> Result<Command> {
    in_a_process(&Arguments { minutes: 0, seed: 0, faults: Vec::new(), short: true, here: true })
}

fn in_a_process(arguments: &Arguments) -> Result<Command> {
    let mut command = run::itself("chaos-campaign")?;
    command.args(arguments.words());
    Ok(command)
}

/// The campaign, on the cluster that the environment names. Fails if anything is wrong.
pub(crate) fn campaign(arguments: &Arguments) -> Result<()> {
    let report = chaos::run(&arguments.options()?, Progress::stderr())?;
    say(&format!("\n{report}"));
    if !report.is_clean() {
        bail!("something is wrong that must not be; the seed is {}", report.seed);
    }
    Ok(())
}
