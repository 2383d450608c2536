//! A checkpoint before a stop. It is asked for over a line of its own, so that whoever stops waiting for it leaves the others whole.

use super::place::PostgresPlace;
use super::sql::{Line, SLOW};
use crate::EngineError;
use std::time::Duration;

/// Makes a checkpoint as fast as the disk allows, and waits for it so long.
pub(super) async fn checkpoint(place: &PostgresPlace, patience: Duration) -> Result<(), EngineError> {
    let line = Line::default();
    let made = async { line.hold(place).await.execute(SLOW, "CHECKPOINT").await };
    // The checkpointer makes it, not the session that asks: it goes on when nobody waits any more.
    tokio::time::timeout(patience, made).await.unwrap_or(Ok(()))
}
