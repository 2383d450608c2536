//! `/status`: what the member knows and does, as JSON for people. Read-only, and nothing of it is secret.

use axum::Json;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use berth_core::election::Summary;
use tokio::sync::watch;

/// The agent's own pages.
pub(crate) fn router(summary: watch::Receiver<Option<Summary>>) -> Router {
    Router::new().route("/status", get(move || std::future::ready(status(&summary))))
}

fn status(summary: &watch::Receiver<Option<Summary>>) -> Response {
    match summary.borrow().as_ref() {
        Some(summary) => Json(summary).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "nothing was decided yet\n").into_response(),
    }
}
