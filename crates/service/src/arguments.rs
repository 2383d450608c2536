//! The arguments that all processes share; each binary flattens them into its own.

use clap::{Args, ValueEnum};
use std::net::SocketAddr;

/// The arguments that all processes share. Use with `#[command(flatten)]`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Service")]
pub struct ServiceArguments {
    /// Where health, metrics and the process's own pages are served over plain HTTP
    #[arg(long, env = "BERTH_ADMIN_ADDRESS", default_value = "0.0.0.0:8008", value_name = "ADDRESS:PORT")]
    pub admin_address: SocketAddr,

    /// What is logged: a level, or directives such as `info,berth_topology=debug`
    #[arg(long, env = "BERTH_LOG", default_value = "info", value_name = "DIRECTIVES")]
    pub log_level: String,

    /// How lines are written: one JSON object each, or for people
    #[arg(long, env = "BERTH_LOG_FORMAT", default_value = "json", value_enum)]
    pub log_format: LogFormat,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// For people at a terminal.
    Text,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Binary {
        #[command(flatten)]
        service: ServiceArguments,
    }

    #[test]
    fn defaults_are_those_of_a_pod_and_flags_override_them() {
        let plain = Binary::try_parse_from(["b"]).unwrap().service;
        assert_eq!(plain.admin_address.port(), 8008);
        assert_eq!(plain.log_format, LogFormat::Json);
        let own = Binary::try_parse_from(["b", "--admin-address", "127.0.0.1:0", "--log-format", "text"])
            .unwrap()
            .service;
        assert!(own.admin_address.ip().is_loopback());
        assert_eq!(own.log_format, LogFormat::Text);
        assert!(Binary::try_parse_from(["b", "--admin-address", "nowhere"]).is_err());
    }
}
