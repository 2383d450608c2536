//! Bytes on a connection, for what no client program would send.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::world::DEADLINE;
use rustls_pki_types::pem::PemObject;

pub(crate) const SSL_REQUEST: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";
pub(crate) const GSS_REQUEST: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x30";

/// An HTTP page as it comes.
pub(crate) async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    text
}

/// Everything that comes until the other side closes.
pub(crate) async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset, or an end of TLS without goodbye, is an end too.
    let _ = timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("the proxy closes in time");
    bytes
}

/// So many bytes.
pub(crate) async fn take<const N: usize>(stream: &mut (impl AsyncRead + Unpin)) -> [u8; N] {
    let mut bytes = [0; N];
    timeout(DEADLINE, stream.read_exact(&mut bytes)).await.expect("the proxy answers in time").unwrap();
    bytes
}

/// A message of the server: its type and body.
pub(crate) async fn message(stream: &mut (impl AsyncRead + Unpin)) -> (u8, Vec<u8>) {
    let [kind, a, b, c, d] = take::<5>(stream).await;
    let mut body = vec![0; u32::from_be_bytes([a, b, c, d]) as usize - 4];
    timeout(DEADLINE, stream.read_exact(&mut body)).await.unwrap().unwrap();
    (kind, body)
}

/// A startup packet.
pub(crate) fn startup(version: [u8; 4], parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = version.to_vec();
    for (name, value) in parameters {
        body.extend(name.bytes().chain([0]).chain(value.bytes()).chain([0]));
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap();
    [&length.to_be_bytes()[..], &body].concat()
}

/// Goes on in TLS.
pub(crate) async fn tls(
    tcp: TcpStream,
    authority: &Path,
    name: &str,
    protocols: &[&[u8]],
) -> std::io::Result<impl AsyncRead + AsyncWrite + Unpin + use<>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls_pki_types::CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    let name = rustls_pki_types::ServerName::try_from(name.to_owned()).unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await
}
