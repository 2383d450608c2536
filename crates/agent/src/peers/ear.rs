//! Where the other members' agents are heard.
//!
//! Whoever connects must show the certificate of another member of this very cluster, in a time and of a number that are bounded; nobody
//! else is read from. A member has one connection: its newest takes the place of the one before, which is most likely dead without knowing it.

use super::envelope::{self, LONGEST_LINE, Line};
use super::socket;
use super::strangers::{Place, Strangers};
use berth_core::election::{Event, Me};
use berth_core::ids::identity_name;
use berth_core::{ClusterUid, MemberId};
use berth_service::Chain;
use berth_service::identity::{Peer, PeerError};
use futures::StreamExt;
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, debug, warn};

/// How long a connection may take to prove who it is. More than its other end waits, so that it is that one that gives up.
const HANDSHAKE: Duration = Duration::from_secs(2);
/// How long to pause when the system has no file descriptor or memory for a connection: it has none a moment later either.
const PAUSE: Duration = Duration::from_millis(100);
/// What tells a member that its certificate was taken; it waits for it before it says anything.
const TAKEN: &[u8] = b"\n";

/// Why a connection is ended.
#[derive(Debug, thiserror::Error)]
enum EarError {
    /// It broke, or TLS failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// It did not prove in time who it is.
    #[error("it did not prove in time who it is")]
    Late,
    /// It shows no readable certificate.
    #[error("it has no name")]
    Nameless(#[from] PeerError),
    /// It is somebody else.
    #[error("its certificate is not that of another member of this cluster but names {0:?}")]
    Stranger(Vec<String>),
    /// It sent too much without an end of line, or no text.
    #[error("it sent what is no line of text of at most {LONGEST_LINE} bytes")]
    Line(#[source] LinesCodecError),
    /// It sent a line that is no envelope.
    #[error("it sent a line that is no message")]
    Garbage(#[from] serde_json::Error),
    /// It speaks for somebody else.
    #[error("it speaks for {0}")]
    Impostor(MemberId),
}

/// Where the other members' agents are heard.
pub struct Ear {
    listener: TcpListener,
    shared: Arc<Shared>,
}

struct Shared {
    own: MemberId,
    cluster: ClusterUid,
    identity: Arc<berth_service::Identity>,
    events: mpsc::Sender<Event>,
    strangers: Arc<Strangers>,
    /// The connection that counts, by member. As many entries as members ever spoke here.
    newest: Mutex<HashMap<MemberId, CancellationToken>>,
}

impl Ear {
    /// Begins to listen at `address`. What is heard becomes events; `identity` is this member's certificate.
    pub async fn bind(
        address: SocketAddr,
        me: &Me,
        identity: Arc<berth_service::Identity>,
        events: mpsc::Sender<Event>,
    ) -> io::Result<Self> {
        let shared = Shared {
            own: me.identity.member.clone(),
            cluster: me.uid.clone(),
            identity,
            events,
            strangers: Arc::default(),
            newest: Mutex::default(),
        };
        Ok(Self { listener: TcpListener::bind(address).await?, shared: Arc::new(shared) })
    }

    /// Where it listens; differs from what was asked if that was port 0.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Hears for ever. Dropped, it ends every connection.
    pub async fn hear(self) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
            };
            match accepted {
                Ok((tcp, source)) => {
                    let Some(place) = self.shared.strangers.admit(source.ip()) else {
                        debug!(%source, "refused a connection: too many have not said who they are");
                        continue;
                    };
                    let serving = self.shared.clone().serve(tcp, source, place);
                    connections.spawn(serving.instrument(Span::current()));
                }
                Err(error) => {
                    debug!(%error, "cannot take a connection of another member for the moment");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Shared {
    async fn serve(self: Arc<Self>, tcp: TcpStream, source: SocketAddr, place: Place) {
        let (stream, member) = match timeout(HANDSHAKE, self.meet(tcp)).await.unwrap_or(Err(EarError::Late)) {
            Ok(met) => met,
            // Whoever can reach the port can cause this as often as it likes.
            Err(error) => {
                debug!(%source, error = %Chain(&error), "refused a connection");
                return;
            }
        };
        drop(place);
        let replaced = self.begins(&member);
        let ended = tokio::select! {
            ended = self.listen(stream, &member) => ended,
            () = replaced.cancelled() => Ok(()),
        };
        match ended {
            Ok(()) => debug!(peer = %member, %source, "another member ended its connection"),
            Err(EarError::Io(error)) if has_ended(&error) => {
                debug!(peer = %member, %source, %error, "another member's connection broke");
            }
            Err(error) => {
                let error = Chain(&error);
                warn!(peer = %member, %source, %error, "ended the connection of another member");
            }
        }
    }

    /// Who it is.
    async fn meet(&self, tcp: TcpStream) -> Result<(Box<TlsStream<TcpStream>>, MemberId), EarError> {
        socket::tune_incoming(&tcp)?;
        let mut stream = Box::new(TlsAcceptor::from(self.identity.server()).accept(tcp).await?);
        let peer = Peer::at(stream.get_ref().1)?;
        let member = member_of(&peer, &self.cluster).filter(|member| *member != self.own);
        let member = member.ok_or(EarError::Stranger(peer.dns_names))?;
        stream.write_all(TAKEN).await?;
        stream.flush().await?;
        Ok((stream, member))
    }

    /// Makes this connection the one that counts; says when it no longer is.
    fn begins(&self, member: &MemberId) -> CancellationToken {
        let mine = CancellationToken::new();
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = newest.insert(member.clone(), mine.clone()) {
            before.cancel();
        }
        mine
    }

    /// Hears one member until it ends its connection.
    async fn listen(&self, stream: Box<TlsStream<TcpStream>>, member: &MemberId) -> Result<(), EarError> {
        let mut lines = FramedRead::new(stream, LinesCodec::new_with_max_length(LONGEST_LINE));
        let mut told = false;
        while let Some(line) = lines.next().await {
            let line = line.map_err(|error| match error {
                LinesCodecError::Io(error) if error.kind() != ErrorKind::InvalidData => EarError::Io(error),
                LinesCodecError::Io(_) | LinesCodecError::MaxLineLengthExceeded => EarError::Line(error),
            })?;
            match envelope::read(&line)? {
                Line::Said { from, message: _ } if from.member != *member => {
                    return Err(EarError::Impostor(from.member));
                }
                Line::Said { from, message } => {
                    if self.events.send(Event::Heard { from, message }).await.is_err() {
                        return Ok(());
                    }
                }
                Line::Unknown { reason } if !told => {
                    told = true;
                    warn!(peer = %member, reason, "another member says what this version does not understand");
                }
                Line::Unknown { .. } => {}
            }
        }
        Ok(())
    }
}

/// The member of this cluster whose certificate it is.
fn member_of(peer: &Peer, cluster: &ClusterUid) -> Option<MemberId> {
    let first_labels = peer.dns_names.iter().filter_map(|name| name.split('.').next());
    first_labels
        .filter_map(|label| MemberId::new(label).ok())
        .find(|member| peer.is_named(&identity_name(member, cluster)))
}

/// Whether a connection only ended, by its other end or by the network between.
fn has_ended(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::TimedOut
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
    )
}
