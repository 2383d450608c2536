//! The Kubernetes API, read with the caller's own rights.

use crate::arguments::Kubernetes;
use crate::failure::Failure;
use anyhow::{Context, Result};
use berth_api::DatabaseCluster;
use berth_core::ClusterRef;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use std::time::Duration;

/// How long the API may take to answer before a person would rather know.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How long nothing may come of a watch: the API server ends each after some minutes itself.
const QUIET: Duration = Duration::from_mins(10);

/// Who owns the fields that a command writes, in the API server's eyes.
pub(crate) const FIELD_MANAGER: &str = "berth-cli";

/// A client, and the namespace of its context.
pub(crate) async fn connect(arguments: &Kubernetes) -> Result<Client> {
    connect_for(arguments, TIMEOUT).await
}

/// As [`connect`], for watches too, which may be silent for long.
pub(crate) async fn connect_to_watch(arguments: &Kubernetes) -> Result<Client> {
    connect_for(arguments, QUIET).await
}

async fn connect_for(arguments: &Kubernetes, silence: Duration) -> Result<Client> {
    let options = KubeConfigOptions { context: arguments.context.clone(), ..KubeConfigOptions::default() };
    let mut config = match (&arguments.kubeconfig, &arguments.context) {
        // KUBECONFIG may name several files, which kube joins by itself.
        (Some(file), _) if file.is_file() => {
            let read = Kubeconfig::read_from(file)
                .with_context(|| format!("cannot read the kubeconfig {}", file.display()))?;
            Config::from_custom_kubeconfig(read, &options).await.context("cannot use the kubeconfig")?
        }
        (_, Some(_)) => Config::from_kubeconfig(&options).await.context("cannot use the kubeconfig")?,
        (_, None) => {
            Config::infer().await.context("no kubeconfig was found; set KUBECONFIG or use --kubeconfig")?
        }
    };
    config.connect_timeout = Some(TIMEOUT);
    config.read_timeout = Some(silence);
    Client::try_from(config).context("cannot make a client of the kubeconfig")
}

/// Reads one cluster.
pub(crate) async fn read_cluster(client: &Client, cluster: &ClusterRef) -> Result<DatabaseCluster> {
    let api: Api<DatabaseCluster> = Api::namespaced(client.clone(), cluster.namespace.as_str());
    let found = api.get_opt(cluster.name.as_str()).await.map_err(asked)?;
    found.ok_or_else(|| {
        Failure::Missing {
            what: format!("cluster {cluster}"),
            hint: format!("; see: berth status -n {}", cluster.namespace),
        }
        .into()
    })
}

/// What an error of the API means to a person.
pub(crate) fn asked(error: kube::Error) -> anyhow::Error {
    let code = if let kube::Error::Api(status) = &error { Some(status.code) } else { None };
    let hint = match code {
        Some(404) => "Berth is not installed there: kubectl apply -k manifests",
        Some(403) => "your rights do not suffice; the roles berth-view and berth-edit are made for it",
        Some(401) => "the API does not know you; log in again",
        Some(_) | None => "the Kubernetes API did not answer as it should",
    };
    anyhow::Error::new(error).context(hint)
}
