//! What can be typed.

use crate::output::Format;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use k8s_openapi::jiff::SignedDuration;
use std::path::PathBuf;
use std::time::Duration;

/// Database clusters on Kubernetes: what they do, why they wait, and a way in.
#[derive(Debug, Parser)]
#[command(
    name = "berth",
    version,
    propagate_version = true,
    after_help = "Examples:
  berth status                       every cluster of the current namespace
  berth status -A -o json            every cluster there is, for a program
  berth status shop/orders           one cluster with its members
  berth explain shop/orders          what it waits for, since when, and what would end that
  berth topology shop/orders --watch who is what in it, and every change as it happens
  berth switchover shop/orders       another member becomes the primary; clients wait for a moment
  berth psql shop/orders -- -c 'select version()'

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such cluster; psql's own for psql.
As kubectl-berth in the PATH, all of this is also `kubectl berth …`."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) kubernetes: Kubernetes,
}

/// Which Kubernetes cluster, and as whom.
#[derive(Debug, Args)]
pub(crate) struct Kubernetes {
    /// The kubeconfig file, instead of the usual one.
    #[arg(long, env = "KUBECONFIG", global = true, value_name = "FILE", hide_env_values = true)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The namespace, where the cluster is not named NAMESPACE/NAME.
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What clusters do: a line each, or one with its members.
    Status(Status),
    /// Why a cluster waits: for what, since when, and what would end it.
    Explain(Explain),
    /// Who is what in a cluster: roles, terms, lag; with --watch, every change of it.
    Topology(Topology),
    /// Another member becomes the primary, by plan: clients wait for a moment, and lose nothing.
    #[command(after_help = "Examples:
  berth switchover shop/orders
  berth switchover shop/orders --to orders-m4w8z --timeout 2m
  berth switchover shop/orders --no-wait

It writes spec.failover.switchover, as kubectl or a GitOps repository could, and tells each step until the new primary takes writes.
It fails, and says why, if that did not happen within the timeout.")]
    Switchover(Switchover),
    /// A cluster that lost more members than a commit is on goes on with those that are left. Shows first what may be lost.
    #[command(after_help = "Examples:
  berth accept-loss shop/orders
  berth accept-loss shop/orders --member orders-m4w8z --term 7 --yes

Only a person can say that members which hold acknowledged commits will not come back. Without --yes nothing is changed.
With it, spec.failover.acceptLoss is written for this one term, as kubectl or a GitOps repository could.")]
    AcceptLoss(AcceptLoss),
    /// A cluster whose etcd was lost or restored from an older backup, with no primary left that serves, is rebuilt from what its members hold.
    #[command(after_help = "Examples:
  berth rebuild-topology shop/orders
  berth rebuild-topology shop/orders --without orders-m4w8z --yes

Every member must say what it holds; then nothing that was acknowledged is lost. Members whose volumes are gone for good can be given up.
It writes spec.failover.rebuildTopology, as kubectl or a GitOps repository could.")]
    RebuildTopology(RebuildTopology),
    /// psql through the proxy, as the owner of the cluster's database.
    #[command(after_help = "Examples:
  berth psql shop/orders
  berth psql shop/orders -- -c 'select count(*) from items'
  berth psql orders -n shop --proxy 127.0.0.1:5432 -- --csv -f report.sql

The password is read from the cluster's Secret and given to psql in its environment. The server's certificate is always checked
against Berth's own authority; with --proxy, an IP address is connected to while the proxy's own name is checked.")]
    Psql(Psql),
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The cluster, as NAME or NAMESPACE/NAME; all of the namespace without it.
    #[arg(value_name = "CLUSTER")]
    pub(crate) cluster: Option<String>,
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with = "cluster")]
    pub(crate) all_namespaces: bool,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The cluster, as NAME or NAMESPACE/NAME.
    #[arg(value_name = "CLUSTER")]
    pub(crate) cluster: String,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Topology {
    /// The cluster, as NAME or NAMESPACE/NAME.
    #[arg(value_name = "CLUSTER")]
    pub(crate) cluster: String,
    /// Go on, and print a line for each change.
    #[arg(short, long, conflicts_with = "output")]
    pub(crate) watch: bool,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Switchover {
    /// The cluster, as NAME or NAMESPACE/NAME.
    #[arg(value_name = "CLUSTER")]
    pub(crate) cluster: String,
    /// The member that is to be the primary; any that holds every commit without it.
    #[arg(long, value_name = "MEMBER")]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) patience: Patience,
    /// How long to wait before it counts as failed.
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Take the field over from whoever wrote it last, such as what keeps it in step with a repository.
    #[arg(long)]
    pub(crate) force: bool,
    /// Withdraw a request that was not carried out yet.
    #[arg(long, conflicts_with_all = ["to", "wait", "no_wait", "timeout", "force"])]
    pub(crate) cancel: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AcceptLoss {
    /// The cluster, as NAME or NAMESPACE/NAME.
    #[arg(value_name = "CLUSTER")]
    pub(crate) cluster: String,
    /// The member that begins the election: one that still has its data.
    #[arg(long, value_name = "MEMBER")]
    pub(crate) member: Option<String>,
    /// The term that cannot be gone on with, as you were shown it.
    #[arg(long, value_name = "TERM")]
    pub(crate) term: Option<u64>,
    /// Accept it.
    #[arg(long, requires_all = ["member", "term"])]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RebuildTopology {
    /// The cluster, as NAME or NAMESPACE/NAME.
    #[arg(value_name = "CLUSTER")]
    pub(crate) cluster: String,
    /// A member that is given up because its volume is gone for good. May be said more than once.
    #[arg(long, value_name = "MEMBER")]
    pub(crate) without: Vec<String>,
    /// Accept that what only those held is lost.
    #[arg(long, requires = "without")]
    pub(crate) yes: bool,
}

/// Whether to wait; the last that is typed counts.
#[derive(Debug, Args)]
pub(crate) struct Patience {
    /// Tell each step until it is over. This is what happens anyway.
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    /// Return as soon as it is asked for.
    #[arg(long, overrides_with = "wait")]
    no_wait: bool,
}

impl Patience {
    /// Whether to tell each step until it is over.
    pub(crate) fn waits(&self) -> bool {
        self.wait || !self.no_wait
    }
}

/// Reads `90s` or `2m`.
fn duration(text: &str) -> Result<Duration, String> {
    let read: SignedDuration = text.parse().map_err(|_| "write a duration such as 90s or 2m".to_owned())?;
    Duration::try_from(read).map_err(|_| "write a duration that is not negative".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct Psql {
    /// The cluster, as NAME or NAMESPACE/NAME.
    #[arg(value_name = "CLUSTER")]
    pub(crate) cluster: String,
    /// The proxy as host:port, where its name in the cluster does not resolve.
    #[arg(long, env = "BERTH_PROXY", value_name = "HOST:PORT")]
    pub(crate) proxy: Option<String>,
    /// Another database than the cluster's own.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// What psql is given, after `--`.
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub(crate) arguments: Vec<String>,
}

impl Arguments {
    /// Reads the command line, or ends the process with its help.
    pub(crate) fn from_command_line() -> Self {
        let name = std::env::args_os().next().map(PathBuf::from);
        let plugin = name.as_deref().and_then(|n| n.file_name()).is_some_and(|n| n == "kubectl-berth");
        let command = if plugin { Self::command().bin_name("kubectl berth") } else { Self::command() };
        let matches = command.get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_follows_two_dashes_is_psqls() {
        let read = Arguments::try_parse_from([
            "berth",
            "psql",
            "shop/orders",
            "--proxy",
            "127.0.0.1:1",
            "--",
            "-c",
            "select 1",
        ]);
        match read.unwrap().command {
            Command::Psql(psql) => assert_eq!(psql.arguments, ["-c", "select 1"]),
            Command::Status(_)
            | Command::Explain(_)
            | Command::Topology(_)
            | Command::Switchover(_)
            | Command::AcceptLoss(_)
            | Command::RebuildTopology(_) => panic!("not psql"),
        }
    }

    #[rstest]
    #[case(&[], true, 60)]
    #[case(&["--wait", "--timeout", "90s"], true, 90)]
    #[case(&["--no-wait"], false, 60)]
    #[case(&["--no-wait", "--wait", "--timeout", "2m"], true, 120)]
    fn a_switchover_waits_unless_told_not_to(
        #[case] flags: &[&str],
        #[case] waits: bool,
        #[case] seconds: u64,
    ) {
        let typed = ["berth", "switchover", "shop/orders"].iter().chain(flags);
        let Command::Switchover(read) = Arguments::try_parse_from(typed).unwrap().command else {
            panic!("not a switchover")
        };
        assert_eq!((read.patience.waits(), read.timeout), (waits, Duration::from_secs(seconds)));
    }

    #[rstest]
    #[case(&["switchover", "shop/orders", "--timeout", "soon"])]
    #[case(&["switchover", "shop/orders", "--timeout", "-5s"])]
    #[case(&["switchover", "shop/orders", "--cancel", "--to", "orders-m4w8z"])]
    #[case(&["topology", "shop/orders", "--watch", "-o", "json"])]
    fn what_makes_no_sense_is_refused(#[case] typed: &[&str]) {
        assert!(Arguments::try_parse_from(["berth"].iter().chain(typed)).is_err());
    }
}
