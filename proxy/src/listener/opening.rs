//! The first packets of a connection: TLS one way or the other, then a startup or a cancel request.

use super::stream::ClientStream;
use super::tls::{PROTOCOL, TlsServer};
use crate::wire::{CancelKey, Conversation, Opening, Report, SqlState, Startup, StartupError, WireError};
use std::io;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// The type of a TLS handshake record: a client that begins with TLS, without asking.
const TLS_HANDSHAKE: u8 = 0x16;

/// What a connection turned out to be.
pub enum Opened {
    /// A session is asked for.
    Session {
        /// The connection.
        client: Conversation<ClientStream>,
        /// What was asked for.
        startup: Startup,
        /// The hash to bind SCRAM to, if the connection is TLS.
        end_point: Option<Arc<[u8]>>,
    },
    /// Something that runs shall be cancelled. The connection is kept, because its end tells the client that this was done.
    Cancel(CancelKey, ClientStream),
}

/// Why a connection did not get as far.
#[derive(Debug, thiserror::Error)]
pub enum OpeningError {
    /// The client or the network.
    #[error("the client's startup could not be read")]
    Wire(#[from] WireError),
    /// TLS failed.
    #[error("the TLS handshake with the client failed")]
    Tls(#[source] io::Error),
    /// TLS came first without naming the protocol.
    #[error("the client began with TLS without naming the protocol postgresql in it (ALPN)")]
    Protocol,
    /// Bytes came in between.
    #[error("plaintext came behind the client's request for TLS")]
    Smuggled,
    /// A packet that cannot be.
    #[error("the client's startup is refused")]
    Startup(#[from] StartupError),
    /// TLS is demanded.
    #[error("the client does not use TLS")]
    Plaintext,
}

/// Takes a connection up to its startup packet. The caller bounds the time.
pub async fn open(tcp: TcpStream, tls: &TlsServer, allow_plaintext: bool) -> Result<Opened, OpeningError> {
    let mut first = [0];
    if tcp.peek(&mut first).await.map_err(WireError::Io)? == 0 {
        return Err(WireError::Closed.into());
    }
    if first[0] == TLS_HANDSHAKE {
        let (client, end_point) = shake(tcp, tls, true).await?;
        return secured(client, end_point).await;
    }
    let mut client = Conversation::new(tcp);
    let mut refused_gss = false;
    loop {
        match parse(&mut client).await? {
            Opening::Tls => {
                let (mut tcp, _) = client.into_parts();
                // Whatever is there already was sent before the client had our answer: a client that keeps to the protocol
                // waits, so somebody else may have put it there (CVE-2021-3935).
                if let Ok(1..) = tcp.try_read(&mut first) {
                    let smuggled = Report::fatal(
                        SqlState::ProtocolViolation,
                        "received unencrypted data after SSL request",
                    );
                    let mut client = Conversation::new(tcp);
                    client.refuse(&smuggled).await?;
                    return Err(OpeningError::Smuggled);
                }
                tcp.write_all(b"S").await.map_err(WireError::Io)?;
                let (client, end_point) = shake(tcp, tls, false).await?;
                return secured(client, end_point).await;
            }
            Opening::Gss if !refused_gss => {
                refused_gss = true;
                client.output().extend_from_slice(b"N");
                client.flush().await?;
            }
            Opening::Gss => return repeated(&mut client).await,
            Opening::Cancel(key) => {
                return Ok(Opened::Cancel(key, ClientStream::Plain(client.into_parts().0)));
            }
            Opening::Startup(startup) if allow_plaintext => {
                let client = Conversation::new(ClientStream::Plain(client.into_parts().0));
                return Ok(Opened::Session { client, startup, end_point: None });
            }
            Opening::Startup(_) => {
                let report = Report::fatal(SqlState::InvalidAuthorization, "this server demands TLS").hint(
                    "Connect with sslmode=require or stricter; verify-full protects against impostors.",
                );
                client.refuse(&report).await?;
                return Err(OpeningError::Plaintext);
            }
        }
    }
}

/// What comes inside of TLS: a startup or a cancel request, and no second request for encryption.
async fn secured(client: ClientStream, end_point: Option<Arc<[u8]>>) -> Result<Opened, OpeningError> {
    let mut client = Conversation::new(client);
    match parse(&mut client).await? {
        Opening::Startup(startup) => Ok(Opened::Session { client, startup, end_point }),
        Opening::Cancel(key) => Ok(Opened::Cancel(key, client.into_parts().0)),
        Opening::Tls | Opening::Gss => repeated(&mut client).await,
    }
}

async fn shake(
    tcp: TcpStream,
    tls: &TlsServer,
    direct: bool,
) -> Result<(ClientStream, Option<Arc<[u8]>>), OpeningError> {
    let (config, end_point) = tls.current();
    let stream = TlsAcceptor::from(config).accept(tcp).await.map_err(OpeningError::Tls)?;
    // TLS that comes first must say what it carries, else bytes meant for another protocol could be turned at us.
    if direct && stream.get_ref().1.alpn_protocol() != Some(PROTOCOL) {
        return Err(OpeningError::Protocol);
    }
    Ok((ClientStream::Tls(Box::new(stream)), end_point))
}

async fn parse<S>(client: &mut Conversation<S>) -> Result<Opening, OpeningError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let body = client.read_opening().await?;
    match Opening::parse(&body) {
        Ok(opening) => Ok(opening),
        Err(error @ StartupError::Unsupported(version)) if version.major < 3 => {
            // A client of protocol 2 reads an error as a text up to its zero, without a length.
            let text = format!("E{}\n\0", error.report().message);
            client.output().extend_from_slice(text.as_bytes());
            client.flush().await?;
            Err(error.into())
        }
        Err(error) => {
            client.refuse(&error.report()).await?;
            Err(error.into())
        }
    }
}

async fn repeated<S, T>(client: &mut Conversation<S>) -> Result<T, OpeningError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let error = StartupError::Malformed("encryption was asked for a second time");
    client.refuse(&error.report()).await?;
    Err(error.into())
}
