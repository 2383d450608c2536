//! The Secrets of a cluster: what applications bind to, what pods see of a password, and the members' keys.

use super::Owner;
use berth_api::names;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ObjectMeta;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What an application needs to connect.
#[derive(Clone)]
pub(crate) struct Binding {
    /// The proxy's name.
    pub(crate) host: String,
    /// The proxy's port.
    pub(crate) port: u16,
    /// The database.
    pub(crate) database: String,
    /// The role.
    pub(crate) role: String,
    /// Its password.
    pub(crate) password: String,
    /// The authority that signed the proxy's certificate.
    pub(crate) authority: String,
}

/// The Secret that applications bind to, after the Service Binding specification.
pub(crate) fn owner_secret(owner: &Owner, binding: &Binding) -> Secret {
    let Binding { host, port, database, role, password, authority } = binding;
    let username = format!("{role}@{}", owner.cluster);
    let uri = format!(
        "postgresql://{}:{}@{host}:{port}/{}?sslmode=verify-full",
        percent_encoded(&username),
        percent_encoded(password),
        percent_encoded(database),
    );
    let port = port.to_string();
    let data = [
        ("type", "postgresql"),
        ("provider", "berth"),
        ("host", host),
        ("port", &port),
        ("database", database),
        ("username", &username),
        ("password", password),
        ("uri", &uri),
        ("ca.crt", authority),
    ];
    Secret {
        type_: Some("servicebinding.io/postgresql".to_owned()),
        ..secret(owner, names::owner_secret(owner.cluster.name.as_str()), data)
    }
}

/// The Secret with the verifier of the owner's password: all that pods see of it.
pub(crate) fn access_secret(owner: &Owner, verifier: &str) -> Secret {
    secret(owner, names::access_secret(owner.cluster.name.as_str()), [("owner.verifier", verifier)])
}

/// The Secret with the members' keys; each pod mounts its own.
pub(crate) fn tls_secret(owner: &Owner, data: &BTreeMap<String, String>) -> Secret {
    let data = data.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    secret(owner, names::tls_secret(owner.cluster.name.as_str()), data)
}

fn secret<'a>(owner: &Owner, name: String, data: impl IntoIterator<Item = (&'a str, &'a str)>) -> Secret {
    let data = data
        .into_iter()
        .map(|(key, value)| (key.to_owned(), ByteString(value.as_bytes().to_vec())))
        .collect();
    Secret {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(owner.cluster.namespace.to_string()),
            labels: Some(owner.labels()),
            owner_references: Some(vec![owner.reference()]),
            ..ObjectMeta::default()
        },
        data: Some(data),
        ..Secret::default()
    }
}

/// Everything but unreserved characters, encoded (RFC 3986).
fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _infallible = write!(out, "%{byte:02X}");
        }
        out
    })
}
