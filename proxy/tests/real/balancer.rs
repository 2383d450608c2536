//! What stands in for a Service: hands each connection to the next proxy, and can cut what it carries into single bytes.

use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// How much is passed on at once.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut {
    Whole,
    SingleBytes,
}

/// Listens, and hands connections to the proxies in turn. Ends with the test's runtime.
pub(crate) async fn balance(proxies: Vec<SocketAddr>, cut: Cut) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = TaskTracker::new();
    tasks.clone().spawn(async move {
        for proxy in proxies.iter().cycle() {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(proxy).await.unwrap();
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            let ((client_in, client_out), (server_in, server_out)) =
                (client.into_split(), server.into_split());
            tasks.spawn(carry(client_in, server_out, cut));
            tasks.spawn(carry(server_in, client_out, cut));
        }
    });
    address
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, cut: Cut) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let size = match cut {
            Cut::Whole => count,
            Cut::SingleBytes => 1,
        };
        for piece in buffer[..count].chunks(size) {
            if to.write_all(piece).await.is_err() {
                return;
            }
        }
    }
    drop(to.shutdown().await);
}
