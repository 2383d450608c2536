//! Steps on the cluster's Secrets.
//!
//! Each reads what is there, changes exactly that version, and writes nothing that is so already. A password is made once, and never
//! leaves the Secret but as a verifier.

use super::{StepError, Work};
use crate::build;
use crate::kubernetes::Refusal;
use crate::observe::{Password, belongs, cluster, password};
use crate::operator::Operator;
use crate::pki::inspect::inspect;
use crate::pki::profile::Profile;
use crate::pki::secrets::{read, text};
use crate::verifier;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_api::names;
use berth_core::MemberId;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use serde_json::json;
use std::collections::BTreeMap;

/// The random bytes of a password: 192 bits, 32 characters.
const PASSWORD_BYTES: usize = 24;

impl Work<'_> {
    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.operator.kubernetes.client().clone(), self.owner.cluster.namespace.as_str())
    }

    /// A Secret of ours, none if it is not there.
    async fn own(&self, name: &str) -> Result<Option<Secret>, StepError> {
        match self.operator.kubernetes.get(self.secrets(), name).await? {
            Some(secret) if belongs(&secret, &self.owner.uid) => Ok(Some(secret)),
            Some(_) => Err(StepError::Foreign { kind: "secret", name: name.to_owned() }),
            None => Ok(None),
        }
    }

    /// Brings a Secret to what it should be: made, changed in exactly this version, or left alone.
    async fn bring(&self, existing: Option<&Secret>, wanted: &Secret) -> Result<(), StepError> {
        let name = wanted.name_any();
        let Some(existing) = existing else {
            return match self.operator.kubernetes.create(self.secrets(), wanted).await {
                Ok(_) => Ok(()),
                Err(failure) if failure.is(Refusal::AlreadyExists) => {
                    Err(StepError::Void(format!("secret {name} appeared while it was made")))
                }
                Err(failure) => Err(failure.into()),
            };
        };
        if existing.data == wanted.data {
            return Ok(());
        }
        let patch = json!({
            "metadata": {"uid": existing.metadata.uid, "resourceVersion": existing.metadata.resource_version},
            "data": wanted.data,
        });
        self.operator.kubernetes.merge::<Secret, _>(self.secrets(), &name, &patch).await?;
        Ok(())
    }

    pub(super) async fn ensure_access(&self) -> Result<(), StepError> {
        let about = cluster(self.object).map_err(|damaged| StepError::Void(damaged.to_string()))?;
        let access = &self.object.spec.access;
        let named = Operator::named_secret(&about, access);
        let own = self.own(&names::owner_secret(about.name.name.as_str())).await?;
        let of_user = match named {
            Some(name) => self.operator.kubernetes.get(self.secrets(), name).await?,
            None => None,
        };
        let password = match password(named, of_user.as_ref(), own.as_ref()) {
            Password::Known(password) => password,
            Password::Make => make_password()?,
            Password::Awaited { name, missing } => {
                return Err(StepError::Void(format!("secret {name}: {missing}")));
            }
        };
        // The password first: a verifier of one that is stored nowhere would lock the owner out.
        let binding = self.operator.binding(access, password.clone());
        self.bring(own.as_ref(), &build::owner_secret(&self.owner, &binding)).await?;
        let access = self.own(&names::access_secret(about.name.name.as_str())).await?;
        let verified = access.as_ref().map(|secret| text(secret, "owner.verifier"));
        if verified.is_some_and(|verifier| verifier::is_of(&verifier, &password)) {
            return Ok(());
        }
        self.bring(access.as_ref(), &build::access_secret(&self.owner, &verifier::make(&password))).await
    }

    pub(super) async fn ensure_certificates(&self, members: &[MemberId]) -> Result<(), StepError> {
        let authority = &self.operator.authority;
        let existing = self.own(&names::tls_secret(self.owner.cluster.name.as_str())).await?;
        let mut data = BTreeMap::from([("ca.crt".to_owned(), authority.certificate().to_owned())]);
        for member in members {
            let profile = Profile::member(member, &self.owner.uid);
            let (certificate, key) = (format!("{member}.crt"), format!("{member}.key"));
            let stored = existing.as_ref().map(|secret| read(secret, &certificate, &key));
            let serves = |leaf: &_| inspect(leaf, authority, &profile, self.now).is_ok();
            let leaf = match stored {
                Some(leaf) if serves(&leaf) => leaf,
                Some(_) | None => authority.issue(&profile, self.now)?,
            };
            data.insert(certificate, leaf.certificate);
            data.insert(key, leaf.key);
        }
        // The other members' keys stay as they are.
        let mut wanted = build::tls_secret(&self.owner, &data);
        if let (Some(wanted), Some(Some(existing))) =
            (&mut wanted.data, existing.as_ref().map(|secret| &secret.data))
        {
            for (key, value) in existing {
                wanted.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        self.bring(existing.as_ref(), &wanted).await
    }
}

fn make_password() -> Result<String, StepError> {
    let mut bytes = [0_u8; PASSWORD_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| StepError::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
