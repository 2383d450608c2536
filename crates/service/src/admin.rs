//! The admin server: health, metrics and the process's own pages over plain HTTP.
//!
//! It carries nothing secret and changes nothing. It answers until the very end of a shutdown, so that a draining process
//! is seen as live but not ready.

use crate::health::{Failing, Health};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The pages that every process has, with the caller's own beside them.
pub fn router(health: Health, registry: Arc<Registry>, own: Router) -> Router {
    let probes = Router::new()
        .route("/livez", get(|State(health): State<Health>| async move { answer(&health.unlive()) }))
        .route("/readyz", get(|State(health): State<Health>| async move { answer(&health.unready()) }))
        .route("/startupz", get(|State(health): State<Health>| async move { answer(&health.unstarted()) }))
        .with_state(health);
    let metrics = Router::new().route("/metrics", get(metrics)).with_state(registry);
    probes.merge(metrics).merge(own)
}

/// Takes the address, so that a port in use is told of at start.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until the token is cancelled.
pub async fn serve(listener: TcpListener, router: Router, until: CancellationToken) -> io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(until.cancelled_owned()).await
}

fn answer(failing: &Failing) -> Response {
    let status = if failing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, failing.to_string()).into_response()
}

async fn metrics(State(registry): State<Arc<Registry>>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn fetch(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn probes_metrics_and_own_pages_answer_until_the_end() {
        let health = Health::new();
        let check = health.readiness("routes");
        let registry = Arc::new(crate::metrics::registry("test", "0"));
        let own = Router::new().route("/status", get(|| async { "mine" }));
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let until = CancellationToken::new();
        let server = serve(listener, router(health.clone(), registry, own), until.clone());
        let tasks = tokio_util::task::TaskTracker::new();
        let server = tasks.spawn(server);

        assert!(fetch(address, "/livez").await.starts_with("HTTP/1.1 200"));
        assert!(fetch(address, "/startupz").await.starts_with("HTTP/1.1 200"));
        let unready = fetch(address, "/readyz").await;
        assert!(unready.starts_with("HTTP/1.1 503"), "{unready}");
        assert!(unready.contains("routes: not there yet"), "{unready}");
        check.pass();
        assert!(fetch(address, "/readyz").await.starts_with("HTTP/1.1 200"));
        health.stopping();
        assert!(fetch(address, "/readyz").await.starts_with("HTTP/1.1 503"));
        assert!(fetch(address, "/metrics").await.contains("berth_build_info"));
        assert!(fetch(address, "/status").await.ends_with("mine"));
        assert!(fetch(address, "/none").await.starts_with("HTTP/1.1 404"));

        until.cancel();
        server.await.unwrap().unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
