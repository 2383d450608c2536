//! The command line, with environment variables beside it.

use crate::context::Settings;
use berth_service::ServiceArguments;
use clap::Parser;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Takes tenants to the primary of their database cluster
#[derive(Debug, Clone, Parser)]
#[command(name = "berth-proxy", version)]
pub struct Arguments {
    /// Where tenants connect
    #[arg(long, env = "BERTH_LISTEN", default_value = "0.0.0.0:5432", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,

    /// The etcd endpoints of the topology, separated by commas
    #[arg(
        long,
        env = "BERTH_ETCD_ENDPOINTS",
        default_value = "https://berth-etcd.berth-system.svc:2379",
        value_name = "URL,…"
    )]
    pub etcd_endpoints: String,

    /// The directory with ca.crt, tls.crt and tls.key: the certificate for tenants, for databases and for etcd
    #[arg(long, env = "BERTH_TLS", default_value = "/berth/tls", value_name = "DIRECTORY")]
    pub tls: PathBuf,

    /// Host names `<cluster>--<namespace>.<suffix>` name a cluster
    #[arg(long, env = "BERTH_TENANT_SUFFIX", default_value = "berth.internal", value_name = "SUFFIX")]
    pub tenant_suffix: String,

    /// Let in clients that do not use TLS (their data, though not their password, crosses the network readable)
    #[arg(long, env = "BERTH_ALLOW_PLAINTEXT")]
    pub allow_plaintext: bool,

    /// How long a client is held while its cluster has no primary
    #[arg(long, env = "BERTH_HOLD_SECONDS", default_value_t = 30, value_name = "SECONDS")]
    pub hold_seconds: u64,

    /// How many clients of one cluster are held at once; more are told to come again
    #[arg(long, env = "BERTH_HOLD_MOST", default_value_t = 1000, value_name = "COUNT")]
    pub hold_most: usize,

    /// How long a client may take for its startup, and again for its login
    #[arg(long, env = "BERTH_LOGIN_SECONDS", default_value_t = 10, value_name = "SECONDS")]
    pub login_seconds: u64,

    /// How long a connection to a database may take, TLS and login included
    #[arg(long, env = "BERTH_CONNECT_SECONDS", default_value_t = 5, value_name = "SECONDS")]
    pub connect_seconds: u64,

    /// How long open transactions may go on after a stop was asked for
    #[arg(long, env = "BERTH_DRAIN_SECONDS", default_value_t = 25, value_name = "SECONDS")]
    pub drain_seconds: u64,

    /// Connections in all
    #[arg(long, env = "BERTH_CONNECTIONS_MOST", default_value_t = 10_000, value_name = "COUNT")]
    pub connections_most: usize,

    /// Connections from one address that have not logged in yet; behind a Service all clients of a node may share one
    #[arg(long, env = "BERTH_STRANGERS_MOST", default_value_t = 500, value_name = "COUNT")]
    pub strangers_most: usize,

    /// What every process of Berth takes.
    #[command(flatten)]
    pub service: ServiceArguments,
}

impl Arguments {
    /// How connections are to be treated.
    pub fn settings(&self) -> Settings {
        Settings {
            tenant_suffix: self.tenant_suffix.clone(),
            allow_plaintext: self.allow_plaintext,
            login_limit: Duration::from_secs(self.login_seconds),
            hold_limit: Duration::from_secs(self.hold_seconds),
            hold_most: self.hold_most,
            connect_limit: Duration::from_secs(self.connect_seconds),
            connections_most: self.connections_most,
            strangers_most: self.strangers_most,
        }
    }

    /// How long open transactions may go on after a stop was asked for.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
