//! Identities from real files, and handshakes between them.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls_pki_types::ServerName;
use std::fs;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![format!("{name}.test")]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// As the kubelet mounts a Secret: files behind a link that is swapped.
fn mount(directory: &TempDir, version: u32, authority: &str, certificate: &str, key: &str) {
    let data = directory.path().join(format!("v{version}"));
    fs::create_dir(&data).unwrap();
    fs::write(data.join("ca.crt"), authority).unwrap();
    fs::write(data.join("tls.crt"), certificate).unwrap();
    fs::write(data.join("tls.key"), key).unwrap();
    let link = directory.path().join("next");
    std::os::unix::fs::symlink(&data, &link).unwrap();
    fs::rename(&link, directory.path().join("data")).unwrap();
}

fn mounted(authority: &Authority, name: &str) -> (TempDir, Arc<Identity>) {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = authority.issue(name);
    mount(&directory, 1, &authority.pem, &certificate, &key);
    let identity = Identity::open(directory.path().join("data")).unwrap();
    (directory, identity)
}

/// Who the server saw, and who the client saw.
async fn shake(
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    name: &'static str,
) -> std::io::Result<(Result<Peer, PeerError>, Peer)> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let serve = async {
        let mut stream = TlsAcceptor::from(server).accept(far).await?;
        stream.write_all(b"hello").await?;
        stream.flush().await?;
        Ok::<_, std::io::Error>(Peer::at(stream.get_ref().1))
    };
    let connect = async {
        let name = ServerName::try_from(name).unwrap();
        let mut stream = TlsConnector::from(client).connect(name, near).await?;
        // In TLS 1.3 a client learns only here whether its certificate was taken.
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).await?;
        Ok::<_, std::io::Error>(Peer::at(stream.get_ref().1).unwrap())
    };
    let (seen_by_server, seen_by_client) = tokio::join!(serve, connect);
    Ok((seen_by_server?, seen_by_client?))
}

#[tokio::test]
async fn peers_of_one_authority_know_each_other_by_name() {
    let authority = Authority::new();
    let (_a, orders) = mounted(&authority, "orders");
    let (_b, stock) = mounted(&authority, "stock");
    let (client, server) = shake(orders.server(), stock.client(), "orders.test").await.unwrap();
    let client = client.unwrap();
    assert_eq!(client.common_name, "stock");
    assert!(client.is_named("stock.test") && !client.is_named("orders.test"));
    assert_eq!(server.common_name, "orders");
}

#[tokio::test]
async fn another_authority_another_name_and_no_certificate_are_refused() {
    let (_a, orders) = mounted(&Authority::new(), "orders");
    let (_b, stranger) = mounted(&Authority::new(), "orders");
    assert!(shake(orders.server(), stranger.client(), "orders.test").await.is_err());
    assert!(shake(stranger.server(), orders.client(), "orders.test").await.is_err());
    assert!(shake(orders.server(), orders.client(), "stock.test").await.is_err());

    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(rustls_pki_types::pem::PemObject::from_pem_slice(&orders.current().pem().authority).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let nameless = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let nameless = Arc::new(nameless);
    assert!(shake(orders.server(), Arc::clone(&nameless), "orders.test").await.is_err());
    let (client, _) = shake(orders.open_server(), nameless, "orders.test").await.unwrap();
    assert!(matches!(client, Err(PeerError::Absent)));
}

#[tokio::test]
async fn a_protocol_is_agreed_on() {
    let (_a, orders) = mounted(&Authority::new(), "orders");
    let current = orders.current();
    let server = current.open_server_for(&[b"postgresql"]);
    assert!(shake(Arc::clone(&server), current.client_for(&[b"postgresql"]), "orders.test").await.is_ok());
    assert!(shake(server, current.client_for(&[b"h2"]), "orders.test").await.is_err());
}

#[test]
fn a_swapped_secret_is_taken_and_a_broken_one_is_not() {
    let authority = Authority::new();
    let (directory, identity) = mounted(&authority, "first");
    let name = |identity: &Identity| Peer::of(identity.current().leaf().unwrap()).unwrap().common_name;
    let mut now = clock::since_boot();
    let mut later = || {
        now += LOOK_EVERY * 2;
        now
    };
    assert_eq!(name(&identity), "first");

    let (certificate, key) = authority.issue("second");
    mount(&directory, 2, &authority.pem, &certificate, &key);
    identity.look(later());
    assert_eq!(name(&identity), "second");

    let (_, foreign_key) = authority.issue("third");
    mount(&directory, 3, &authority.pem, &certificate, &foreign_key);
    identity.look(later());
    assert_eq!(identity.current().pem().key, key.as_bytes(), "a key that does not fit is not taken");

    mount(&directory, 4, "not PEM", &certificate, &key);
    identity.look(later());
    assert_eq!(name(&identity), "second");

    let (certificate, key) = authority.issue("fifth");
    mount(&directory, 5, &authority.pem, &certificate, &key);
    identity.look(later());
    assert_eq!(name(&identity), "fifth");
}

#[test]
fn what_is_no_identity_is_refused_with_the_file_named() {
    let empty = tempfile::tempdir().unwrap();
    let error = Identity::open(empty.path()).err().unwrap();
    assert!(matches!(error, IdentityError::Read { .. }));
    assert!(error.to_string().contains("ca.crt"));

    let authority = Authority::new();
    let (certificate, _) = authority.issue("a");
    let (_, key) = authority.issue("b");
    let directory = tempfile::tempdir().unwrap();
    mount(&directory, 1, &authority.pem, &certificate, &key);
    let mixed = Identity::open(directory.path().join("data")).err().unwrap();
    assert!(matches!(mixed, IdentityError::Pair { .. }), "{mixed}");
    let shown = format!("{:?}", Pem::read(&directory.path().join("data")).unwrap());
    assert!(!shown.contains("KEY"), "{shown}");
}
