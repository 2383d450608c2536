//! Members with real certificates on loopback.

use super::super::{Ear, TlsLink};
use berth_core::election::{Event, Me, Message};
use berth_core::ids::identity_name;
use berth_core::topology::Identity;
use berth_core::{ClaimUid, ClusterUid, MemberId, Term};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::ServerName;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::task::TaskTracker;

/// Far above what anything here takes; only a hang meets it.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

pub(super) async fn deadline<T>(waited: impl Future<Output = T>) -> T {
    timeout(DEADLINE, waited).await.expect("in time")
}

pub(super) fn uid() -> ClusterUid {
    ClusterUid::new("uid-1").unwrap()
}

pub(super) fn member(name: char) -> MemberId {
    MemberId::new(format!("orders-{}", name.to_string().repeat(5))).unwrap()
}

pub(super) fn identity(name: char) -> Identity {
    Identity { member: member(name), claim: ClaimUid::new(format!("claim-{name}")).unwrap() }
}

pub(super) fn gone(term: u64) -> Message {
    Message::Gone { term: Term(term) }
}

/// Issues certificates as the operator does.
pub(super) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    pub(super) fn issue(&self, name: &str) -> Arc<berth_service::Identity> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name, text: String| std::fs::write(folder.path().join(name), text).unwrap();
        write("ca.crt", self.pem.clone());
        write("tls.crt", params.signed_by(&key, &self.issuer).unwrap().pem());
        write("tls.key", key.serialize_pem());
        // Read once; files that go later leave it as it is.
        berth_service::Identity::open(folder.path()).unwrap()
    }

    pub(super) fn member(&self, name: char, cluster: &ClusterUid) -> Arc<berth_service::Identity> {
        self.issue(&identity_name(&member(name), cluster))
    }
}

/// The agent of a member, as far as it speaks and hears.
pub(super) struct Node {
    pub(super) me: Me,
    pub(super) address: String,
    pub(super) heard: mpsc::Receiver<Event>,
    pub(super) link: TlsLink,
    hearing: JoinHandle<()>,
}

impl Node {
    pub(super) async fn new(authority: &Authority, name: char) -> Self {
        Self::at(authority, name, &uid(), "127.0.0.1:0").await
    }

    pub(super) async fn at(authority: &Authority, name: char, cluster: &ClusterUid, address: &str) -> Self {
        let me = Me {
            identity: identity(name),
            cluster: "shop/orders".parse().unwrap(),
            uid: cluster.clone(),
            incarnation: "pod-1".to_owned(),
            address: String::new(),
            peer: address.to_owned(),
            version: "test".to_owned(),
        };
        let certificate = authority.member(name, cluster);
        let (events, heard) = mpsc::channel(64);
        let ear = Ear::bind(address.parse().unwrap(), &me, certificate.clone(), events).await.unwrap();
        let address = ear.address().unwrap().to_string();
        let tasks = TaskTracker::new();
        let hearing = tasks.spawn(ear.hear());
        let link = TlsLink::new(me.identity.clone(), cluster.clone(), certificate, tasks);
        Self { me, address, heard, link, hearing }
    }

    pub(super) async fn hears(&mut self) -> Event {
        deadline(self.heard.recv()).await.unwrap()
    }

    /// Ends it at once, as a kill would, and gives back its address when that is free.
    pub(super) async fn stop(self) -> String {
        self.hearing.abort();
        let _aborted = self.hearing.await;
        self.address
    }
}

/// A connection with this certificate that the node has taken.
pub(super) async fn meet(
    identity: &berth_service::Identity,
    node: &Node,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(identity_name(&node.me.identity.member, &node.me.uid)).unwrap();
    let tcp = TcpStream::connect(&node.address).await?;
    let mut stream = deadline(TlsConnector::from(identity.client()).connect(name, tcp)).await?;
    let mut taken = [0];
    deadline(stream.read_exact(&mut taken)).await?;
    Ok(stream)
}

/// Waits until the other end ends the connection.
pub(super) async fn ended(mut stream: impl AsyncRead + Unpin) {
    let mut rest = [0; 64];
    while let Ok(1..) = deadline(stream.read(&mut rest)).await {}
}
