//! What can be typed.

use crate::output::Format;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::path::PathBuf;

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
            Command::Status(_) | Command::Explain(_) => panic!("not psql"),
        }
    }
}
