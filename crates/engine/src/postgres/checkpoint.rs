//! A checkpoint before a stop. It is asked for over a line of its own, so that whoever stops waiting for it leaves the others whole.

use super::place::PostgresPlace;
use super::sql::Line;
use crate::EngineError;
use std::time::Duration;

/// Makes a checkpoint as fast as the disk allows, and waits for it so long.
pub(super) async fn checkpoint(place: &PostgresPlace, patience: Duration) -> Result<(), EngineError> {
    let line = Line::default();
    let mut sql = line.hold(place).await;
    // The checkpointer makes it, not the session that asks: it goes on when nobody waits any more.
    match tokio::time::timeout(patience, sql.execute(patience, "CHECKPOINT")).await {
        Ok(Err(error @ EngineError::NotAnswering(_))) => Err(error),
        Ok(answer) => answer,
        Err(_patience_is_over) => Ok(()),
    }
}
