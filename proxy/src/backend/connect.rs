//! From a route to a TLS connection whose other end has proven to be the member that the route names.

use super::BackendError;
use crate::listener::{end_point, socket};
use crate::route::Target;
use crate::wire::{CANCEL_CODE, SSL_CODE};
use berth_core::ids::identity_name;
use berth_service::Identity;
use bytes::{BufMut, BytesMut};
use rustls_pki_types::ServerName;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A connection to a database. Boxed, because the state of TLS is large and moves with its owner.
pub type BackendStream = Box<TlsStream<TcpStream>>;

/// Makes connections to databases.
pub struct Connector {
    identity: Arc<Identity>,
    /// How long each connection may take until its first query, TLS and login included.
    pub(super) limit: Duration,
}

impl Connector {
    /// Connects as this identity.
    pub fn new(identity: Arc<Identity>, limit: Duration) -> Self {
        Self { identity, limit }
    }

    /// A connection in TLS to the member itself.
    pub(super) async fn secured(&self, target: &Target) -> Result<BackendStream, BackendError> {
        let address = || target.address.clone();
        let name = identity_name(&target.member, &target.cluster);
        let server =
            ServerName::try_from(name.clone()).map_err(|_| BackendError::Name { name: name.clone() })?;
        let connect = |source| BackendError::Connect { address: address(), source };
        let mut tcp = TcpStream::connect(&target.address).await.map_err(connect)?;
        socket::tune(&tcp, socket::DATABASE).map_err(connect)?;
        let mut request = [0; 8];
        request[..4].copy_from_slice(&8_u32.to_be_bytes());
        request[4..].copy_from_slice(&SSL_CODE.to_be_bytes());
        tcp.write_all(&request).await.map_err(connect)?;
        let mut answer = [0];
        tcp.read_exact(&mut answer).await.map_err(connect)?;
        if answer[0] != b'S' {
            return Err(BackendError::NoTls { address: address() });
        }
        let stream = TlsConnector::from(self.identity.client())
            .connect(server, tcp)
            .await
            .map_err(|source| BackendError::Tls { address: address(), name, source })?;
        Ok(Box::new(stream))
    }
}

/// What SCRAM binds to on a connection to a database.
pub(super) fn binding(stream: &BackendStream) -> Option<Vec<u8>> {
    stream.get_ref().1.peer_certificates().and_then(<[_]>::first).and_then(end_point)
}

/// Asks a database to cancel what one of its processes runs, and waits until it has taken the request, which it tells by
/// closing the connection.
pub async fn cancel(
    connector: &Connector,
    target: &Target,
    process: u32,
    secret: &[u8],
) -> Result<(), BackendError> {
    let ask = async {
        let mut stream = connector.secured(target).await?;
        let mut packet = BytesMut::with_capacity(16);
        packet.put_u32(u32::try_from(12 + secret.len()).unwrap_or(u32::MAX));
        packet.put_u32(CANCEL_CODE);
        packet.put_u32(process);
        packet.put_slice(secret);
        let failed = |source| BackendError::Connect { address: target.address.clone(), source };
        stream.write_all(&packet).await.map_err(failed)?;
        stream.flush().await.map_err(failed)?;
        match stream.read(&mut [0]).await {
            Ok(_) => Ok(()),
            // PostgreSQL closes without saying goodbye in TLS.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
            Err(error) => Err(failed(error)),
        }
    };
    timeout(connector.limit, ask)
        .await
        .unwrap_or_else(|_| Err(BackendError::TimedOut { address: target.address.clone() }))
}
