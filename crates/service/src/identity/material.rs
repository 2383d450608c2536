//! One reading of an identity's files, checked and made into TLS configurations.

use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig, version};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The names of the files, as Kubernetes and cert-manager name them.
const FILES: [&str; 3] = ["ca.crt", "tls.crt", "tls.key"];

/// The texts of an identity.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    /// The authority's certificates.
    pub authority: Vec<u8>,
    /// Our certificate, leaf first.
    pub certificate: Vec<u8>,
    /// Our private key.
    pub key: Vec<u8>,
}

impl fmt::Debug for Pem {
    /// Never shows the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pem").finish_non_exhaustive()
    }
}

impl Pem {
    /// Reads the three files.
    pub fn read(directory: &Path) -> Result<Self, IdentityError> {
        let read = |name: &str| {
            let path = directory.join(name);
            std::fs::read(&path).map_err(|source| IdentityError::Read { path, source })
        };
        let [authority, certificate, key] = FILES;
        Ok(Self { authority: read(authority)?, certificate: read(certificate)?, key: read(key)? })
    }
}

/// Why files are no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file is not there or not readable.
    #[error("cannot read {}; is the Secret mounted with ca.crt, tls.crt and tls.key?", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// A file is not PEM of the right kind.
    #[error("{} is not PEM of the right kind", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// The parser's words.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// The authority holds no certificate that can be trusted.
    #[error("no certificate in {} can serve as an authority", path.display())]
    Authority {
        /// Which file.
        path: PathBuf,
        /// The verifier's words.
        #[source]
        source: rustls::Error,
    },
    /// Key and certificate are not a pair, or of a kind that is not supported.
    #[error("the key and the certificate in {} do not fit together", path.display())]
    Pair {
        /// The directory.
        path: PathBuf,
        /// The library's words.
        #[source]
        source: rustls::Error,
    },
    /// The configuration was refused.
    #[error("cannot set up TLS with the identity in {}", path.display())]
    Setup {
        /// The directory.
        path: PathBuf,
        /// The library's words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// An identity that fits together, with the configurations made of it.
pub struct Material {
    pem: Pem,
    certified: Arc<CertifiedKey>,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    open_server: Arc<ServerConfig>,
}

impl Material {
    /// Checks the texts; the directory is for the errors.
    pub(super) fn new(pem: Pem, directory: &Path) -> Result<Self, IdentityError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let setup = |source: Box<dyn std::error::Error + Send + Sync>| IdentityError::Setup {
            path: directory.to_owned(),
            source,
        };
        let [authority_file, certificate_file, key_file] = FILES.map(|name| directory.join(name));

        let mut roots = RootCertStore::empty();
        for root in certificates(&pem.authority, &authority_file)? {
            roots
                .add(root)
                .map_err(|source| IdentityError::Authority { path: authority_file.clone(), source })?;
        }
        let roots = Arc::new(roots);
        let chain = certificates(&pem.certificate, &certificate_file)?;
        let key = PrivateKeyDer::from_pem_slice(&pem.key)
            .map_err(|source| IdentityError::Pem { path: key_file, source })?;
        let certified = CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider)
            .map_err(|source| IdentityError::Pair { path: directory.to_owned(), source })?;

        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|e| setup(e.into()))?
            .with_root_certificates(Arc::clone(&roots))
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .map_err(|e| setup(e.into()))?;
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(|e| setup(e.into()))?;
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|e| setup(e.into()))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(|e| setup(e.into()))?;
        let open_server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|e| setup(e.into()))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|e| setup(e.into()))?;
        Ok(Self {
            pem,
            certified: Arc::new(certified),
            client: Arc::new(client),
            server: Arc::new(server),
            open_server: Arc::new(open_server),
        })
    }

    /// The texts, for libraries that want PEM.
    pub fn pem(&self) -> &Pem {
        &self.pem
    }

    /// Our certificate and key as rustls knows them.
    pub fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    /// Our own leaf certificate, for channel binding and for reading our own names.
    pub fn leaf(&self) -> Option<&CertificateDer<'static>> {
        self.certified.cert.first()
    }

    /// See [`super::Identity::client`].
    pub fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.client)
    }

    /// As [`Self::client`], naming protocols (ALPN) in order of preference.
    pub fn client_for(&self, protocols: &[&[u8]]) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.client);
        config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        Arc::new(config)
    }

    /// See [`super::Identity::server`].
    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    /// See [`super::Identity::open_server`].
    pub fn open_server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.open_server)
    }

    /// As [`Self::open_server`], naming protocols (ALPN) in order of preference.
    pub fn open_server_for(&self, protocols: &[&[u8]]) -> Arc<ServerConfig> {
        let mut config = ServerConfig::clone(&self.open_server);
        config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        Arc::new(config)
    }
}

/// All certificates of a file; at least one.
fn certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let wrong = |source| IdentityError::Pem { path: path.to_owned(), source };
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(wrong)?;
    if all.is_empty() {
        return Err(wrong(rustls_pki_types::pem::Error::NoItemsFound));
    }
    Ok(all)
}
