//! What this installation's own processes need before anything else: certificates, and users in etcd.
//!
//! At the first start etcd waits for the certificate that is made here, so that an etcd which is not there yet is no failure.

use crate::kubernetes::Kubernetes;
use crate::pki::PkiError;
use crate::pki::authority::Authority;
use crate::pki::profile::Profile;
use crate::pki::secrets::{self, ETCD_SECRET, PROXY_SECRET};
use crate::settings::Settings;
use berth_service::{Chain, Check};
use berth_topology::etcd::Administration;
use jiff::Timestamp;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long to wait before trying again what failed at the start.
const AGAIN: Duration = Duration::from_secs(1);
/// How often the installation's own certificates are looked at. They are renewed a quarter of a year before their end.
const LOOK_EVERY: Duration = Duration::from_hours(24);

/// Why the certificates are not in order.
#[derive(Debug, thiserror::Error)]
enum CertificatesError {
    /// Made or stored.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// Written for the etcd client.
    #[error("cannot write the operator's certificate into {folder}")]
    Write {
        /// The folder.
        folder: String,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

/// Brings the CA and the installation's own certificates in order, however long that takes.
pub(super) async fn certificates(kubernetes: &Kubernetes, settings: &Settings) -> Authority {
    loop {
        match once(kubernetes, settings).await {
            Ok(authority) => return authority,
            Err(failure) => {
                warn!(error = %Chain(&failure), "the certificates are not in order; trying again");
            }
        }
        sleep(AGAIN).await;
    }
}

/// Looks at the installation's own certificates once a day.
pub(super) async fn keep_certificates(kubernetes: Kubernetes, settings: Settings, stop: CancellationToken) {
    while stop.run_until_cancelled(sleep(LOOK_EVERY)).await.is_some() {
        if stop.run_until_cancelled(certificates(&kubernetes, &settings)).await.is_none() {
            return;
        }
    }
}

async fn once(kubernetes: &Kubernetes, settings: &Settings) -> Result<Authority, CertificatesError> {
    let now = Timestamp::now();
    let namespace = &settings.namespace;
    let authority = secrets::authority(kubernetes, namespace, now).await?;
    let etcd = Profile::etcd(namespace);
    secrets::ensure_leaf(kubernetes, namespace, ETCD_SECRET, &authority, &etcd, now).await?;
    let proxy = Profile::proxy(namespace, &settings.tenant_suffix);
    secrets::ensure_leaf(kubernetes, namespace, PROXY_SECRET, &authority, &proxy, now).await?;
    // The operator's own is made anew by each process and is stored nowhere else: what is not there cannot be stolen.
    let own = authority.issue(&Profile::operator(), now)?;
    let folder = settings.identity_folder.as_path();
    write(
        folder,
        &[("ca.crt", authority.certificate()), ("tls.crt", &own.certificate), ("tls.key", &own.key)],
    )
    .map_err(|source| CertificatesError::Write { folder: folder.display().to_string(), source })?;
    Ok(authority)
}

/// Writes files that only this user may read; each appears whole or not at all. A reader that sees a certificate without its key keeps
/// the pair it has.
fn write(folder: &Path, files: &[(&str, &str)]) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::create_dir_all(folder)?;
    for (name, text) in files {
        let temporary = folder.join(format!(".{name}.new"));
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, folder.join(name))?;
    }
    Ok(())
}

/// Keeps authentication on: makes the operator and the proxies known to etcd at first, and again whenever `replaced` says that it is another etcd or
/// an older state of it.
pub(super) async fn keep_enabled(
    administration: Administration,
    ready: Check,
    replaced: Arc<Notify>,
    stop: CancellationToken,
) {
    enable(&administration, &ready, &stop).await;
    while stop.run_until_cancelled(replaced.notified()).await.is_some() {
        enable(&administration, &ready, &stop).await;
    }
}

/// However long etcd takes to be there.
async fn enable(administration: &Administration, ready: &Check, stop: &CancellationToken) {
    loop {
        match stop.run_until_cancelled(Box::pin(administration.enable())).await {
            None => return,
            Some(Ok(())) => {
                info!("etcd knows its users");
                return ready.pass();
            }
            Some(Err(failure)) => {
                let words = Chain(&failure).to_string();
                warn!(error = words, "etcd does not know its users yet; trying again");
                ready.fail(words);
            }
        }
        if stop.run_until_cancelled(sleep(AGAIN)).await.is_none() {
            return;
        }
    }
}
