//! A certificate authority, and an identity's directory for each name.

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) struct Authority {
    directory: PathBuf,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(directory: &Path) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { directory: directory.to_owned(), pem, issuer: Issuer::new(params, key) }
    }

    /// The directory of the identity with this common name; made when it is first asked for.
    pub(crate) fn identity(&self, name: &str) -> PathBuf {
        let directory = self.directory.join("identities").join(name);
        if !directory.exists() {
            self.issue(name, &directory);
        }
        directory
    }

    /// Puts an identity into a directory, over another if there is one.
    pub(crate) fn issue(&self, name: &str, directory: &Path) {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join("ca.crt"), &self.pem).unwrap();
        fs::write(directory.join("tls.crt"), certificate).unwrap();
        fs::write(directory.join("tls.key"), key.serialize_pem()).unwrap();
    }
}
