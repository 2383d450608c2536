//! The proxy's own pages beside health and metrics: what it knows of the clusters, and how busy it is. Nothing secret.

use crate::context::Context;
use crate::route::Entry;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use berth_core::topology::Route;
use serde::Serialize;
use std::sync::Arc;

/// A cluster as the proxy knows it.
#[derive(Debug, Serialize)]
struct Line {
    uid: String,
    revision: i64,
    holding: usize,
    #[serde(flatten)]
    route: Route,
}

/// How busy the proxy is.
#[derive(Debug, Serialize)]
struct Busy {
    sessions: i64,
    holding: i64,
}

/// The pages `/routes` and `/sessions`.
pub(crate) fn pages(context: Arc<Context>) -> Router {
    Router::new().route("/routes", get(routes)).route("/sessions", get(sessions)).with_state(context)
}

async fn routes(State(context): State<Arc<Context>>) -> Json<Vec<Line>> {
    let mut lines: Vec<Line> = context.table.all().iter().map(|entry| line(entry)).collect();
    lines.sort_by(|a, b| (&a.route.cluster, &a.uid).cmp(&(&b.route.cluster, &b.uid)));
    Json(lines)
}

async fn sessions(State(context): State<Arc<Context>>) -> Json<Busy> {
    Json(Busy { sessions: context.metrics.sessions.get(), holding: context.metrics.holding.get() })
}

fn line(entry: &Entry) -> Line {
    let current = entry.current();
    Line {
        uid: entry.uid.to_string(),
        revision: current.revision.0,
        holding: entry.held(),
        route: current.route,
    }
}
