//! The operator's own page: the last report on every cluster, as JSON. Reached through the API server's proxy under its RBAC.
//!
//! Read only, and nothing secret: what is here is in the objects' status, too, only fresher.

use crate::operator::Reports;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The pages.
pub(crate) fn router(reports: Arc<Reports>) -> Router {
    Router::new()
        .route("/clusters", get(all))
        .route("/clusters/{namespace}/{name}", get(one))
        .with_state(reports)
}

async fn all(State(reports): State<Arc<Reports>>) -> Response {
    let all: BTreeMap<String, _> =
        reports.all().into_iter().map(|(cluster, report)| (cluster.to_string(), report)).collect();
    // A shared report is written as what it holds.
    let all: BTreeMap<&String, &berth_core::plan::Report> =
        all.iter().map(|(name, report)| (name, &**report)).collect();
    Json(all).into_response()
}

async fn one(
    State(reports): State<Arc<Reports>>,
    Path((namespace, name)): Path<(String, String)>,
) -> Response {
    let wanted = format!("{namespace}/{name}");
    match reports.all().into_iter().find(|(cluster, _)| cluster.to_string() == wanted) {
        Some((_, report)) => Json(&*report).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
