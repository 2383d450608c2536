//! A server that says what a test wants, to those who come under its certificate: what no PostgreSQL says when it is asked to.

use crate::authority::Authority;
use crate::raw;
use crate::world::Primary;
use berth_core::ids::identity_name;
use berth_core::{ClusterUid, MemberId};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

/// The messages that answer a statement.
pub(crate) type Answer = fn(&str) -> Vec<(u8, &'static [u8])>;

/// What it does with a tenant that logs in.
#[derive(Clone)]
enum Manner {
    Answers(Answer),
    /// It says nothing, and tells the test.
    Mute(UnboundedSender<()>),
}

/// A server.
pub(crate) struct Puppet {
    uid: ClusterUid,
    member: MemberId,
    address: String,
    _home: TempDir,
}

impl Puppet {
    /// Serves in term 2. It answers no questions for verifiers, so that the proxy must know them from before.
    pub(crate) async fn start(authority: &Authority, uid: &ClusterUid, member: &str, answer: Answer) -> Self {
        Self::with(authority, uid, member, Manner::Answers(answer)).await
    }

    /// Lets nobody in and says nothing; tells of each login.
    pub(crate) async fn mute(
        authority: &Authority,
        uid: &ClusterUid,
        member: &str,
    ) -> (Self, UnboundedReceiver<()>) {
        let (told, logins) = tokio::sync::mpsc::unbounded_channel();
        (Self::with(authority, uid, member, Manner::Mute(told)).await, logins)
    }

    async fn with(authority: &Authority, uid: &ClusterUid, member: &str, manner: Manner) -> Self {
        let home = tempfile::tempdir().unwrap();
        let member = MemberId::new(member).unwrap();
        authority.issue(home.path(), uid.as_str(), &[&identity_name(&member, uid)]);
        let certificate = CertificateDer::from_pem_file(home.path().join("tls.crt")).unwrap();
        let key = PrivateKeyDer::from_pem_file(home.path().join("tls.key")).unwrap();
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let tasks = TaskTracker::new();
        tasks.clone().spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                tasks.spawn(serve(tcp, acceptor.clone(), manner.clone()));
            }
        });
        Self { uid: uid.clone(), member, address, _home: home }
    }
}

impl Primary for Puppet {
    fn place(&self) -> (&ClusterUid, &MemberId, &str) {
        (&self.uid, &self.member, &self.address)
    }
}

async fn serve(mut tcp: TcpStream, acceptor: TlsAcceptor, manner: Manner) {
    assert_eq!(raw::take::<8>(&mut tcp).await, *raw::SSL_REQUEST);
    tcp.write_all(b"S").await.unwrap();
    let Ok(mut tls) = acceptor.accept(tcp).await else { return };
    let length = u32::from_be_bytes(raw::take::<4>(&mut tls).await) as usize - 4;
    let mut startup = vec![0; length];
    tls.read_exact(&mut startup).await.unwrap();
    if startup.windows(11).any(|w| w == b"berth_proxy") {
        return;
    }
    let answer = match manner {
        Manner::Answers(answer) => answer,
        Manner::Mute(told) => {
            told.send(()).unwrap();
            return drop(tls.read_to_end(&mut Vec::new()).await);
        }
    };
    let hello: [(u8, &[u8]); 4] =
        [(b'R', b"\0\0\0\0"), (b'S', b"in_hot_standby\0off\0"), (b'K', b"\0\0\0\x01abcd"), (b'Z', b"I")];
    say(&mut tls, &hello).await;
    while let Some(statement) = statement(&mut tls).await {
        if statement == "SHOW berth.term" {
            say(&mut tls, &[(b'D', b"\0\x01\0\0\0\x012"), (b'C', b"SHOW\0"), (b'Z', b"I")]).await;
        } else {
            say(&mut tls, &answer(&statement)).await;
        }
    }
}

async fn statement(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut header = [0; 5];
    stream.read_exact(&mut header).await.ok()?;
    let mut body = vec![0; u32::from_be_bytes(header[1..].try_into().unwrap()) as usize - 4];
    stream.read_exact(&mut body).await.ok()?;
    (header[0] == b'Q').then(|| String::from_utf8(body[..body.len() - 1].to_vec()).unwrap())
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), messages: &[(u8, &[u8])]) {
    let mut bytes = Vec::new();
    for (kind, body) in messages {
        bytes.push(*kind);
        bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        bytes.extend_from_slice(body);
    }
    // Who has left hears nothing.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.flush().await;
}
