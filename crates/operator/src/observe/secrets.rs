//! The cluster's Secrets: read by name, never listed, and believed for a while.
//!
//! To watch Secrets would need the right to read all of them. So they are read when a cluster is worked on anyway, and a changed
//! password is noticed then; a cluster at rest reads none.

use crate::build::{self, Binding, Owner};
use crate::kubernetes::CallError;
use crate::operator::{Memory, Operator};
use crate::pki::inspect::{inspect, renew_at};
use crate::pki::profile::Profile;
use crate::pki::secrets::{read, text};
use crate::settings::PROXY_PORT;
use crate::verifier;
use berth_api::{Access, DatabaseCluster, names};
use berth_core::plan::{Cluster, SecretState, Secrets};
use berth_core::{ClusterUid, MemberId};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// How long Secrets that are in order are believed: a burst of reconciles while a cluster is made reads them once.
const BELIEVED_FOR: Duration = Duration::from_secs(20);

/// The Secrets as they were last read.
#[derive(Debug)]
pub(crate) struct SecretsSeen {
    at: Instant,
    generation: i64,
    secrets: Secrets,
    /// When the first certificate is due to be issued anew.
    pub(crate) renew_at: Option<Timestamp>,
}

/// Where the owner's password comes from.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Password {
    /// This is it.
    Known(String),
    /// There is none yet, and it is ours to make.
    Make,
    /// The Secret that the user named does not have it.
    Awaited {
        /// The Secret.
        name: String,
        /// What is missing.
        missing: &'static str,
    },
}

/// The owner's password: the user's, else the one in the Secret that Berth keeps.
pub(crate) fn password(named: Option<&str>, of_user: Option<&Secret>, own: Option<&Secret>) -> Password {
    match named {
        Some(name) => match of_user.map(|secret| text(secret, "password")) {
            None => Password::Awaited { name: name.to_owned(), missing: "there is no such secret" },
            Some(empty) if empty.is_empty() => {
                Password::Awaited { name: name.to_owned(), missing: "it has no text under the key password" }
            }
            Some(password) => Password::Known(password),
        },
        None => match own.map(|secret| text(secret, "password")) {
            Some(password) if !password.is_empty() => Password::Known(password),
            Some(_) | None => Password::Make,
        },
    }
}

/// Whether a Secret is this cluster's, by its owner's uid.
pub(crate) fn belongs(secret: &Secret, uid: &ClusterUid) -> bool {
    secret.metadata.owner_references.iter().flatten().any(|owner| owner.uid == uid.as_str())
}

impl Operator {
    /// What an application needs to connect with this password.
    pub(crate) fn binding(&self, access: &Access, password: String) -> Binding {
        Binding {
            host: self.proxy_host.clone(),
            port: PROXY_PORT,
            database: access.database.clone(),
            role: access.owner.clone(),
            password,
            authority: self.authority.certificate().to_owned(),
        }
    }

    /// The Secret that the user named, unless it is the very one that Berth keeps.
    pub(crate) fn named_secret<'a>(cluster: &Cluster, access: &'a Access) -> Option<&'a str> {
        let own = names::owner_secret(cluster.name.name.as_str());
        access.owner_secret.as_deref().filter(|name| *name != own)
    }

    /// The Secrets, as they were read lately or as they are.
    pub(super) async fn secrets(
        &self,
        object: &DatabaseCluster,
        about: &Cluster,
        memory: &mut Memory,
        now: Timestamp,
    ) -> Result<Secrets, CallError> {
        if let Some(seen) = &memory.secrets
            && seen.generation == about.generation.0
            && seen.at.elapsed() < BELIEVED_FOR
            && seen.secrets.access == SecretState::Current
        {
            return Ok(seen.secrets.clone());
        }
        let cluster = about.name.name.as_str();
        let api =
            || Api::<Secret>::namespaced(self.kubernetes.client().clone(), about.name.namespace.as_str());
        let get = |name: String| async move { self.kubernetes.get(api(), &name).await };
        let named = Self::named_secret(about, &object.spec.access);
        let of_user = async {
            match named {
                Some(name) => get(name.to_owned()).await,
                None => Ok(None),
            }
        };
        let (own, access, tls, of_user) = tokio::try_join!(
            get(names::owner_secret(cluster)),
            get(names::access_secret(cluster)),
            get(names::tls_secret(cluster)),
            of_user,
        )?;
        let mine = |secret: Option<Secret>| secret.filter(|secret| belongs(secret, &about.uid));
        let (own, access, tls) = (mine(own), mine(access), mine(tls));
        let state = match password(named, of_user.as_ref(), own.as_ref()) {
            Password::Awaited { name, missing } => SecretState::Awaited { name, missing: missing.to_owned() },
            Password::Make => SecretState::Outdated,
            Password::Known(password) => {
                let owner = Owner { cluster: about.name.clone(), uid: about.uid.clone() };
                let verified = access
                    .as_ref()
                    .is_some_and(|secret| verifier::is_of(&text(secret, "owner.verifier"), &password));
                let wanted = build::owner_secret(&owner, &self.binding(&object.spec.access, password));
                let current = own.as_ref().is_some_and(|own| own.data == wanted.data);
                if verified && current { SecretState::Current } else { SecretState::Outdated }
            }
        };
        let (certificates, renew_at) =
            tls.map_or_else(Default::default, |tls| self.certificates(&tls, about, now));
        let secrets = Secrets { access: state, certificates };
        memory.secrets = Some(SecretsSeen {
            at: Instant::now(),
            generation: about.generation.0,
            secrets: secrets.clone(),
            renew_at,
        });
        Ok(secrets)
    }

    /// The members that have a certificate in date, and when the first of them is due.
    fn certificates(
        &self,
        tls: &Secret,
        about: &Cluster,
        now: Timestamp,
    ) -> (BTreeSet<MemberId>, Option<Timestamp>) {
        let mut members = BTreeSet::new();
        let mut due: Option<Timestamp> = None;
        if text(tls, "ca.crt") != self.authority.certificate() {
            return (members, due);
        }
        for key in tls.data.iter().flatten().map(|(key, _)| key) {
            let Some(member) = key.strip_suffix(".crt").and_then(|name| MemberId::new(name).ok()) else {
                continue;
            };
            let leaf = read(tls, key, &format!("{member}.key"));
            let profile = Profile::member(&member, &about.uid);
            if inspect(&leaf, &self.authority, &profile, now).is_ok() {
                due = due.into_iter().chain(renew_at(&leaf.certificate)).min();
                members.insert(member);
            }
        }
        (members, due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;

    fn secret(password: Option<&str>) -> Secret {
        Secret {
            data: password.map(|text| [("password".to_owned(), ByteString(text.as_bytes().to_vec()))].into()),
            ..Secret::default()
        }
    }

    fn word(password: &Password) -> String {
        match password {
            Password::Known(text) => format!("known {text}"),
            Password::Make => "make".to_owned(),
            Password::Awaited { name, missing } => format!("awaited {name}: {missing}"),
        }
    }

    #[rstest::rstest]
    #[case(None, None, None, "make")]
    #[case(None, None, Some(secret(Some("mine"))), "known mine")]
    #[case(None, None, Some(secret(None)), "make")]
    #[case(Some("theirs"), Some(secret(Some("t"))), Some(secret(Some("mine"))), "known t")]
    #[case(Some("theirs"), None, Some(secret(Some("mine"))), "awaited theirs: there is no such secret")]
    #[case(Some("theirs"), Some(secret(None)), None, "awaited theirs: it has no text under the key password")]
    fn whose_password(
        #[case] named: Option<&str>,
        #[case] of_user: Option<Secret>,
        #[case] own: Option<Secret>,
        #[case] expect: &str,
    ) {
        assert_eq!(word(&password(named, of_user.as_ref(), own.as_ref())), expect);
    }
}
