//! Whether a certificate that exists still serves, so that nothing valid is ever issued anew.

use super::RENEW_BEFORE;
use super::authority::{Authority, KeyAndCertificate};
use super::profile::Profile;
use jiff::Timestamp;
use rcgen::{KeyPair, PublicKeyData};
use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use std::collections::BTreeSet;
use std::time::Duration;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Why a leaf must be issued anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stale {
    /// It is not there, or is no certificate with its key.
    Unreadable,
    /// Another CA signed it, or it is expired or soon will be.
    Untrusted,
    /// It names somebody else.
    Misnamed,
}

/// Whether `leaf` is what `profile` asks for, signed by this CA, its own key's, and valid for long enough.
pub(crate) fn inspect(
    leaf: &KeyAndCertificate,
    authority: &Authority,
    profile: &Profile,
    now: Timestamp,
) -> Result<(), Stale> {
    let der = CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).map_err(|_| Stale::Unreadable)?;
    let key = KeyPair::from_pem(&leaf.key).map_err(|_| Stale::Unreadable)?;
    if !key_belongs(&leaf.certificate, &key) {
        return Err(Stale::Unreadable);
    }
    let root =
        CertificateDer::from_pem_slice(authority.certificate().as_bytes()).map_err(|_| Stale::Untrusted)?;
    let mut roots = RootCertStore::empty();
    roots.add(root).map_err(|_| Stale::Untrusted)?;
    let parsed = ParsedCertificate::try_from(&der).map_err(|_| Stale::Unreadable)?;
    let until =
        UnixTime::since_unix_epoch(Duration::from_secs(now.as_second().unsigned_abs()) + RENEW_BEFORE);
    verify_server_cert_signed_by_trust_anchor(
        &parsed,
        &roots,
        &[],
        until,
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.all,
    )
    .map_err(|_| Stale::Untrusted)?;
    let (_, x509) = X509Certificate::from_der(&der).map_err(|_| Stale::Unreadable)?;
    if common_name(&x509) == Some(profile.common_name.as_str()) && names(&x509) == profile.names {
        Ok(())
    } else {
        Err(Stale::Misnamed)
    }
}

/// When a leaf is to be issued anew; `None` if it cannot be read.
pub(crate) fn renew_at(certificate: &str) -> Option<Timestamp> {
    let der = CertificateDer::from_pem_slice(certificate.as_bytes()).ok()?;
    let (_, x509) = X509Certificate::from_der(&der).ok()?;
    Timestamp::from_second(x509.validity().not_after.timestamp()).ok()?.checked_sub(RENEW_BEFORE).ok()
}

/// Whether the key is the one that the certificate speaks of.
pub(crate) fn key_belongs(certificate: &str, key: &KeyPair) -> bool {
    let Ok(der) = CertificateDer::from_pem_slice(certificate.as_bytes()) else { return false };
    let Ok((_, x509)) = X509Certificate::from_der(&der) else { return false };
    x509.public_key().raw == key.subject_public_key_info().as_slice()
}

/// The common name of the subject.
fn common_name<'a>(x509: &'a X509Certificate<'_>) -> Option<&'a str> {
    x509.subject().iter_common_name().next().and_then(|name| name.as_str().ok())
}

/// All names of the certificate, as a profile writes them.
fn names(x509: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(extension)) = x509.subject_alternative_name() else { return BTreeSet::new() };
    extension
        .value
        .general_names
        .iter()
        .map(|name| {
            if let GeneralName::DNSName(name) = name {
                (*name).to_owned()
            } else if let GeneralName::IPAddress(bytes) = name {
                address(bytes)
            } else {
                // A kind of name that we never issue: its text makes the set differ, which is what it should do.
                format!("{name:?}")
            }
        })
        .collect()
}

/// An IP address as people write it.
fn address(bytes: &[u8]) -> String {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        std::net::Ipv4Addr::from(v4).to_string()
    } else if let Ok(v6) = <[u8; 16]>::try_from(bytes) {
        std::net::Ipv6Addr::from(v6).to_string()
    } else {
        format!("{bytes:?}")
    }
}
