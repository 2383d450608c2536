//! Where certificates are kept: the CA and the leaves of this installation's own processes, as Secrets of Berth's namespace.
//!
//! Nothing valid is ever issued anew. Two operators that start at once do not fight: who creates first wins, and the other reads.

use super::PkiError;
use super::authority::{Authority, KeyAndCertificate};
use super::inspect::inspect;
use super::profile::Profile;
use crate::kubernetes::{Kubernetes, Refusal};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ObjectMeta;
use serde_json::json;
use std::collections::BTreeMap;
use tracing::info;

/// The CA's Secret.
const AUTHORITY: &str = "berth-ca";
/// The proxies' Secret.
pub(crate) const PROXY_SECRET: &str = "berth-proxy-tls";
/// The etcd servers' Secret.
pub(crate) const ETCD_SECRET: &str = "berth-etcd-tls";

/// Reads the CA, or makes it if there is none.
pub(crate) async fn authority(
    kubernetes: &Kubernetes,
    namespace: &str,
    now: Timestamp,
) -> Result<Authority, PkiError> {
    let api = || Api::<Secret>::namespaced(kubernetes.client().clone(), namespace);
    let place = format!("{namespace}/{AUTHORITY}");
    if let Some(stored) = kubernetes.get(api(), AUTHORITY).await? {
        return Authority::load(&read(&stored, "tls.crt", "tls.key"), &place);
    }
    let made = Authority::generate(now)?;
    let stored = match kubernetes.create(api(), &secret(namespace, AUTHORITY, &made, None)).await {
        Ok(stored) => {
            info!(secret = place, "made a certificate authority");
            stored
        }
        // Another operator was faster.
        Err(failure) if failure.is(Refusal::AlreadyExists) => {
            kubernetes.get(api(), AUTHORITY).await?.ok_or(failure)?
        }
        Err(failure) => return Err(failure.into()),
    };
    Authority::load(&read(&stored, "tls.crt", "tls.key"), &place)
}

/// Keeps a leaf in a Secret: made if it is missing, made anew if it is stale.
pub(crate) async fn ensure_leaf(
    kubernetes: &Kubernetes,
    namespace: &str,
    name: &str,
    authority: &Authority,
    profile: &Profile,
    now: Timestamp,
) -> Result<(), PkiError> {
    let api = || Api::<Secret>::namespaced(kubernetes.client().clone(), namespace);
    let existing = kubernetes.get(api(), name).await?;
    if let Some(existing) = &existing {
        let leaf = read(existing, "tls.crt", "tls.key");
        let same_authority = text(existing, "ca.crt") == authority.certificate();
        match inspect(&leaf, authority, profile, now) {
            Ok(()) if same_authority => return Ok(()),
            Ok(()) => info!(secret = name, "the stored authority is another one; issuing anew"),
            Err(stale) => info!(secret = name, ?stale, "the certificate no longer serves; issuing anew"),
        }
    }
    let leaf = authority.issue(profile, now)?;
    let new = secret(namespace, name, &leaf, Some(authority.certificate()));
    match existing {
        None => match kubernetes.create(api(), &new).await {
            // Another operator was faster; what it made is signed by the same authority.
            Err(failure) if failure.is(Refusal::AlreadyExists) => Ok(()),
            Err(failure) => Err(failure.into()),
            Ok(_) => {
                info!(secret = name, subject = profile.common_name, "issued a certificate");
                Ok(())
            }
        },
        Some(existing) => {
            let patch = json!({
                "metadata": {"resourceVersion": existing.metadata.resource_version, "uid": existing.metadata.uid},
                "data": new.data,
            });
            kubernetes.merge::<Secret, _>(api(), name, &patch).await?;
            Ok(())
        }
    }
}

fn secret(namespace: &str, name: &str, pair: &KeyAndCertificate, authority: Option<&str>) -> Secret {
    let mut data = BTreeMap::from([
        ("tls.crt".to_owned(), ByteString(pair.certificate.clone().into_bytes())),
        ("tls.key".to_owned(), ByteString(pair.key.clone().into_bytes())),
    ]);
    if let Some(authority) = authority {
        data.insert("ca.crt".to_owned(), ByteString(authority.as_bytes().to_vec()));
    }
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some([("app.kubernetes.io/part-of".to_owned(), "berth".to_owned())].into()),
            ..ObjectMeta::default()
        },
        type_: Some("kubernetes.io/tls".to_owned()),
        data: Some(data),
        ..Secret::default()
    }
}

/// A key and its certificate out of a Secret; empty texts where they are missing, which no check accepts.
pub(crate) fn read(secret: &Secret, certificate: &str, key: &str) -> KeyAndCertificate {
    KeyAndCertificate { certificate: text(secret, certificate), key: text(secret, key) }
}

/// One key of a Secret as text; empty if it is missing or no text.
pub(crate) fn text(secret: &Secret, key: &str) -> String {
    secret
        .data
        .as_ref()
        .and_then(|data| data.get(key))
        .and_then(|bytes| String::from_utf8(bytes.0.clone()).ok())
        .unwrap_or_default()
}
