//! Who a peer is, by its certificate.
//!
//! Reads names only. That the certificate is genuine has been checked by TLS before; a certificate that TLS did not check
//! must not come here.

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The names in a peer's verified certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The subject's common name; empty if it has none.
    pub common_name: String,
    /// The DNS names it may go by.
    pub dns_names: Vec<String>,
}

/// Why a peer cannot be named.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The peer showed no certificate.
    #[error("the peer showed no certificate")]
    Absent,
    /// The certificate cannot be read.
    #[error("cannot read the peer's certificate: {0}")]
    Unreadable(String),
}

impl Peer {
    /// Reads the names of a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, PeerError> {
        let unreadable = |reason: &dyn std::fmt::Display| PeerError::Unreadable(reason.to_string());
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|e| unreadable(&e))?;
        let common_name = match parsed.subject().iter_common_name().next() {
            Some(name) => name.as_str().map_err(|e| unreadable(&e))?.to_owned(),
            None => String::new(),
        };
        let alternatives = parsed.subject_alternative_name().map_err(|e| unreadable(&e))?;
        let dns_names = alternatives
            .iter()
            .flat_map(|extension| &extension.value.general_names)
            .filter_map(
                |name| if let GeneralName::DNSName(dns) = name { Some((*dns).to_owned()) } else { None },
            )
            .collect();
        Ok(Self { common_name, dns_names })
    }

    /// Reads who is at the other end of a finished handshake.
    pub fn at(connection: &rustls::CommonState) -> Result<Self, PeerError> {
        let leaf = connection.peer_certificates().and_then(<[_]>::first).ok_or(PeerError::Absent)?;
        Self::of(leaf)
    }

    /// Whether the certificate names exactly this host; wildcards do not count between parts of Berth.
    pub fn is_named(&self, name: &str) -> bool {
        self.dns_names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}
