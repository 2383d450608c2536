//! The CA: makes itself once, and signs leaves. It keeps its key in memory only; where it is stored is [`super::secrets`].

use super::profile::Profile;
use super::{AUTHORITY_LIFE, LEAF_LIFE, PkiError};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use std::time::Duration;
use time::OffsetDateTime;

/// Clocks of nodes differ; a certificate is valid from a little before it was made.
const CLOCK_SKEW: Duration = Duration::from_mins(10);

/// A private key and its certificate, both as PEM; the key is PKCS#8.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KeyAndCertificate {
    /// The certificate.
    pub(crate) certificate: String,
    /// The private key.
    pub(crate) key: String,
}

impl std::fmt::Debug for KeyAndCertificate {
    /// Never prints the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyAndCertificate").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// The CA of a cell.
pub(crate) struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a new CA, to be stored before anything is signed with it.
    pub(crate) fn generate(now: Timestamp) -> Result<KeyAndCertificate, PkiError> {
        let subject = "berth";
        let mut parameters = dated(now, AUTHORITY_LIFE);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.distinguished_name = named(subject);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issue = |source| PkiError::Issue { subject: subject.to_owned(), source };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(issue)?;
        let certificate = parameters.self_signed(&key).map_err(issue)?;
        Ok(KeyAndCertificate { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// Takes up a CA that was stored. `secret` names the place for the reader of an error.
    pub(crate) fn load(stored: &KeyAndCertificate, secret: &str) -> Result<Self, PkiError> {
        let unusable = |reason: String| PkiError::Authority { secret: secret.to_owned(), reason };
        let key = KeyPair::from_pem(&stored.key).map_err(|error| unusable(format!("tls.key: {error}")))?;
        if !super::inspect::key_belongs(&stored.certificate, &key) {
            return Err(unusable("tls.key does not belong to tls.crt".to_owned()));
        }
        let issuer = Issuer::from_ca_cert_pem(&stored.certificate, key)
            .map_err(|error| unusable(format!("tls.crt: {error}")))?;
        Ok(Self { certificate: stored.certificate.clone(), issuer })
    }

    /// The CA's certificate as PEM: what everybody trusts.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Makes a new key and signs a leaf for it.
    pub(crate) fn issue(&self, profile: &Profile, now: Timestamp) -> Result<KeyAndCertificate, PkiError> {
        let issue = |source| PkiError::Issue { subject: profile.common_name.clone(), source };
        let names: Vec<String> = profile.names.iter().cloned().collect();
        let mut parameters = dated(now, LEAF_LIFE);
        parameters.subject_alt_names = CertificateParams::new(names).map_err(issue)?.subject_alt_names;
        parameters.distinguished_name = named(&profile.common_name);
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(issue)?;
        let certificate = parameters.signed_by(&key, &self.issuer).map_err(issue)?;
        Ok(KeyAndCertificate { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// Parameters that are valid from now, for `life`.
fn dated(now: Timestamp, life: Duration) -> CertificateParams {
    let start = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(now.as_second().unsigned_abs());
    let mut parameters = CertificateParams::default();
    parameters.not_before = start - CLOCK_SKEW;
    parameters.not_after = start + life;
    parameters
}

/// A subject that is a common name alone: etcd and PostgreSQL read the user out of it.
fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}
