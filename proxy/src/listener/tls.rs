//! TLS towards tenants: the configuration, and what SCRAM binds a channel to.

use berth_service::Identity;
use berth_service::identity::Material;
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use std::sync::{Arc, Mutex, PoisonError};
use x509_parser::prelude::{FromDer, X509Certificate};

/// What a client of PostgreSQL names in TLS: required where TLS comes first, checked where it is named.
pub(super) const PROTOCOL: &[u8] = b"postgresql";

/// The proxy's side of TLS towards tenants. Follows the identity when its files change.
pub struct TlsServer {
    identity: Arc<Identity>,
    made: Mutex<Option<Made>>,
}

#[derive(Clone)]
struct Made {
    of: Arc<Material>,
    config: Arc<ServerConfig>,
    end_point: Option<Arc<[u8]>>,
}

impl TlsServer {
    /// Serves with this identity.
    pub fn new(identity: Arc<Identity>) -> Self {
        Self { identity, made: Mutex::new(None) }
    }

    /// The configuration for one connection, and the hash of the certificate that goes with it.
    pub(super) fn current(&self) -> (Arc<ServerConfig>, Option<Arc<[u8]>>) {
        let material = self.identity.current();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = made.as_ref().filter(|made| Arc::ptr_eq(&made.of, &material)).cloned();
        let Made { config, end_point, of: _ } = fresh.unwrap_or_else(|| {
            let config = material.open_server_for(&[PROTOCOL]);
            let end_point = material.leaf().and_then(end_point).map(Arc::from);
            let new = Made { of: material, config, end_point };
            *made = Some(new.clone());
            new
        });
        (config, end_point)
    }
}

/// `tls-server-end-point` of RFC 5929: the certificate's hash under the digest of its own signature, SHA-256 where that one is
/// weak. None where the RFC defines none (Ed25519): such a certificate cannot be bound to.
pub fn end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    use sha2::{Digest, Sha256, Sha384, Sha512};
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    // ecdsa-with-SHA*, sha*WithRSAEncryption, and the two weak ones that are still met.
    match parsed.signature_algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.10045.4.3.2" | "1.2.840.113549.1.1.11" | "1.2.840.10045.4.1" | "1.2.840.113549.1.1.5" => {
            Some(Sha256::digest(certificate).to_vec())
        }
        "1.2.840.10045.4.3.3" | "1.2.840.113549.1.1.12" => Some(Sha384::digest(certificate).to_vec()),
        "1.2.840.10045.4.3.4" | "1.2.840.113549.1.1.13" => Some(Sha512::digest(certificate).to_vec()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256, Sha384};

    #[test]
    fn the_digest_is_that_of_the_certificates_signature() {
        let make = |algorithm| {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            rcgen::CertificateParams::new(vec!["a.test".into()])
                .unwrap()
                .self_signed(&key)
                .unwrap()
                .der()
                .clone()
        };
        let p256 = make(&rcgen::PKCS_ECDSA_P256_SHA256);
        assert_eq!(end_point(&p256).unwrap(), Sha256::digest(&p256).to_vec());
        let p384 = make(&rcgen::PKCS_ECDSA_P384_SHA384);
        assert_eq!(end_point(&p384).unwrap(), Sha384::digest(&p384).to_vec());
        assert_eq!(end_point(&make(&rcgen::PKCS_ED25519)), None);
    }
}
