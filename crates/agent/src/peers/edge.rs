//! What is said to one member: one task, one connection that is kept, and a short memory.

use super::queue::Queue;
use super::{envelope, socket};
use berth_core::MemberId;
use berth_core::topology::Identity;
use rustls_pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, split};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

/// How long the peer's machine may take to take a connection. A network of one region needs a few milliseconds; a first packet that is lost
/// is repeated by the system only after a second, and we are sooner with another try.
const CONNECT: Duration = Duration::from_millis(300);
/// How long until the peer's agent has shown its certificate and taken ours. On a busy machine it may have to wait for its turn.
const ESTABLISH: Duration = Duration::from_secs(1);
/// How long a line may take to be handed to the system. It always has room, unless the peer has stopped reading.
const WRITE: Duration = Duration::from_secs(1);
/// The pause before a connection that could not be had, or broke, is opened again. Less than half of the time between two beats, so that a member
/// that comes back hears the next one.
const PAUSE: Duration = Duration::from_millis(200);
/// How long what was said last may take to get out when the agent ends. Below the time that its tasks are given then.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Says to one member, at one address, what its queue holds.
pub(super) struct Edge {
    pub(super) from: Identity,
    pub(super) to: MemberId,
    pub(super) address: SocketAddr,
    /// The name that its certificate must carry.
    pub(super) name: ServerName<'static>,
    pub(super) identity: Arc<berth_service::Identity>,
    pub(super) queue: Arc<Queue>,
}

type Stream = Box<TlsStream<TcpStream>>;

/// Why nothing more can be said on a connection.
#[derive(Debug, thiserror::Error)]
enum EdgeError {
    /// It took too long.
    #[error("no answer in time")]
    Late,
    /// The peer ended the connection.
    #[error("the peer ended the connection")]
    Ended,
    /// The connection could not be had, or broke; or the peer is not the member that is meant.
    #[error(transparent)]
    Failed(#[from] io::Error),
}

impl Edge {
    /// Says what is to be said until nobody has anything to say any more: then `closing` is cancelled.
    pub(super) async fn run(self, closing: CancellationToken) {
        let deadline = async {
            closing.cancelled().await;
            sleep(LAST_WORDS).await;
        };
        tokio::select! {
            () = self.serve(&closing) => {}
            () = deadline => {}
        }
    }

    async fn serve(&self, closing: &CancellationToken) {
        let (to, address) = (&self.to, self.address);
        let mut unreachable = false;
        while self.next(closing).await {
            match timeout(ESTABLISH, self.connect()).await.unwrap_or(Err(EdgeError::Late)) {
                Ok(stream) => {
                    if unreachable {
                        info!(peer = %to, %address, "another member can be reached again");
                        unreachable = false;
                    }
                    match self.talk(stream, closing).await {
                        Ok(()) => return,
                        Err(error) => {
                            debug!(peer = %to, %address, %error, "a connection to another member broke");
                        }
                    }
                }
                Err(error) => {
                    // What it should have heard is old when it can be reached again.
                    self.queue.clear();
                    if !unreachable {
                        info!(peer = %to, %address, %error, "another member cannot be reached");
                        unreachable = true;
                    }
                }
            }
            if closing.is_cancelled() {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    /// Waits for something to say; says whether there is something, and not only an end.
    async fn next(&self, closing: &CancellationToken) -> bool {
        tokio::select! {
            // In this order: what waits is still said at the end.
            biased;
            () = self.queue.filled() => true,
            () = closing.cancelled() => false,
        }
    }

    async fn connect(&self) -> Result<Stream, EdgeError> {
        let tcp = timeout(CONNECT, TcpStream::connect(self.address)).await.map_err(|_| EdgeError::Late)??;
        socket::tune_outgoing(&tcp)?;
        let connector = TlsConnector::from(self.identity.client());
        let mut stream = Box::new(connector.connect(self.name.clone(), tcp).await?);
        // In TLS 1.3 our end of the handshake is over before the peer has looked at our certificate.
        let mut taken = [0];
        match stream.read(&mut taken).await? {
            0 => Err(EdgeError::Ended),
            _ => Ok(stream),
        }
    }

    /// Returns when all is said and nothing more will be.
    async fn talk(&self, stream: Stream, closing: &CancellationToken) -> Result<(), EdgeError> {
        let (read, mut write) = split(stream);
        let saying = async {
            while self.next(closing).await {
                let Some(message) = self.queue.take() else { continue };
                let line = envelope::write(&self.from, &message).map_err(io::Error::from)?;
                let handing = async {
                    write.write_all(line.as_bytes()).await?;
                    write.flush().await
                };
                timeout(WRITE, handing).await.map_err(|_| EdgeError::Late)??;
            }
            timeout(WRITE, write.shutdown()).await.map_err(|_| EdgeError::Late)??;
            Ok(())
        };
        tokio::select! {
            said = saying => said,
            error = until_ended(read) => Err(error),
        }
    }
}

/// Waits until the peer ends the connection. It has nothing to say on it; what it says anyway is passed over.
async fn until_ended(mut read: ReadHalf<Stream>) -> EdgeError {
    let mut passed_over = [0; 256];
    loop {
        match read.read(&mut passed_over).await {
            Ok(0) => return EdgeError::Ended,
            Ok(_) => {}
            Err(error) => return error.into(),
        }
    }
}
