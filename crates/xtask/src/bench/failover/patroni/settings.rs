//! Patroni's settings files.

use anyhow::{Context, Result};
use std::fmt;
use std::path::{Path, PathBuf};

/// The name of its cluster.
pub(super) const SCOPE: &str = "bench";

/// How quick it is told to be. In both, a commit waits for a standby, and goes on waiting if there is none, as Berth's do.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Tuning {
    /// Times as its documentation gives them for defaults.
    Defaults,
    /// The least that its documentation and its own checks allow.
    Quickest,
}

impl fmt::Display for Tuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Defaults => {
                "default times (ttl 30, loop_wait 10, retry_timeout 10, primary_start_timeout 300)"
            }
            Self::Quickest => "least times (ttl 20, loop_wait 1, retry_timeout 3, primary_start_timeout 0)",
        })
    }
}

/// The ports of one member.
pub(super) struct Ports {
    pub(super) database: u16,
    pub(super) api: u16,
}

pub(super) fn name(member: usize) -> String {
    format!("member{member}")
}

pub(super) fn data(folder: &Path, member: usize) -> PathBuf {
    folder.join(format!("{}-data", name(member)))
}

/// The settings of one member.
pub(super) fn file(tuning: Tuning, member: usize, ports: &Ports, folder: &Path, etcd: u16) -> Result<String> {
    let (ttl, every, retry, start) = match tuning {
        Tuning::Defaults => (30, 10, 10, 300),
        Tuning::Quickest => (20, 1, 3, 0),
    };
    let Ports { database, api } = ports;
    Ok(format!(
        "scope: {SCOPE}
name: {name}
restapi: {{listen: '127.0.0.1:{api}', connect_address: '127.0.0.1:{api}'}}
etcd3: {{host: '127.0.0.1:{etcd}'}}
bootstrap:
  dcs:
    ttl: {ttl}
    loop_wait: {every}
    retry_timeout: {retry}
    primary_start_timeout: {start}
    synchronous_mode: quorum
    synchronous_mode_strict: true
    postgresql: {{use_pg_rewind: true}}
  initdb: [{{encoding: UTF8}}, data-checksums]
postgresql:
  listen: '127.0.0.1:{database}'
  connect_address: '127.0.0.1:{database}'
  data_dir: {data}
  bin_dir: {programs}
  pgpass: {folder}/{name}.pgpass
  authentication:
    superuser: {{username: postgres}}
    replication: {{username: replicator}}
  parameters: {{unix_socket_directories: {folder}}}
  pg_hba:
    - local all all trust
    - host all all 127.0.0.1/32 trust
    - host replication replicator 127.0.0.1/32 trust
",
        name = name(member),
        data = data(folder, member).display(),
        programs = newest()?.display(),
        folder = folder.display(),
    ))
}

/// The programs of the newest PostgreSQL that Debian has installed.
fn newest() -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").context("PostgreSQL of Debian")?;
    let newest = versions
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .max()
        .context("PostgreSQL of Debian")?;
    Ok(PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin")))
}
