//! `berth psql`: psql through the proxy, as the owner of the cluster's database.
//!
//! The password goes from the Secret into psql's environment, where only its own user can read it, and never into its arguments. The certificate
//! authority is written to a file that goes when psql ends. The server's certificate is always checked.

mod connection;

use crate::api;
use crate::arguments::{Kubernetes, Psql};
use crate::failure::Failure;
use crate::target;
use anyhow::{Context, Result, bail};
use berth_api::names;
use connection::Connection;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitCode;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

/// Runs psql to its end.
pub(crate) async fn run(kubernetes: &Kubernetes, arguments: &Psql) -> Result<ExitCode> {
    let client = api::connect(kubernetes).await?;
    let target =
        target::cluster(&arguments.cluster, kubernetes.namespace.as_deref(), client.default_namespace())?;
    let cluster = api::read_cluster(&client, &target).await?;
    let binding = cluster
        .status
        .as_ref()
        .and_then(|status| status.binding.as_ref())
        .map(|binding| binding.name.clone());
    let name = binding.unwrap_or_else(|| names::owner_secret(target.name.as_str()));
    let secrets: Api<Secret> = Api::namespaced(client, target.namespace.as_str());
    let secret = secrets.get_opt(&name).await.map_err(api::asked)?.ok_or_else(|| Failure::Missing {
        what: format!("Secret {name} in {}", target.namespace),
        hint: format!("; see: berth explain {target}"),
    })?;
    let connection = Connection::read(&name, &secret.data.unwrap_or_default(), arguments.proxy.as_deref())?;
    let mut authority =
        tempfile::NamedTempFile::new().context("cannot make a file for the certificate authority")?;
    authority.write_all(&connection.authority).context("cannot write the certificate authority")?;

    // Ctrl-C is psql's, to cancel a statement; this process only waits.
    let mut interrupts = signal(SignalKind::interrupt()).context("cannot leave Ctrl-C to psql")?;
    let mut psql = Command::new("psql");
    psql.args(&arguments.arguments)
        .envs(connection.environment(arguments.database.as_deref(), authority.path()));
    let mut child = psql.spawn().map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        anyhow::Error::new(error).context(if missing {
            "psql is not installed; install PostgreSQL's client (Debian: apt-get install postgresql-client)"
        } else {
            "cannot start psql"
        })
    })?;
    let ended = loop {
        tokio::select! {
            ended = child.wait() => break ended.context("cannot wait for psql")?,
            _ = interrupts.recv() => {}
        }
    };
    match (ended.code().and_then(|code| u8::try_from(code).ok()), ended.signal()) {
        (Some(code), _) => Ok(ExitCode::from(code)),
        (None, Some(signal)) => bail!("psql was ended by signal {signal}"),
        (None, None) => bail!("psql ended without an exit code"),
    }
}
