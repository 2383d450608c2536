//! The volume: what lies on it, and the ledger.

use super::{Parts, engine_failed, step_failed};
use berth_core::election::{Ledger, Outcome};

pub(super) async fn inspect(parts: &Parts) -> Outcome {
    match parts.engine.inspect().await {
        Ok(volume) => Outcome::Inspected(volume),
        Err(error) => engine_failed(&error),
    }
}

pub(super) async fn write_ledger(parts: &Parts, ledger: Ledger) -> Outcome {
    let (file, written) = (parts.ledger.clone(), ledger.clone());
    // A flush may take long on a slow disk, and the agent goes on hearing meanwhile.
    match tokio::task::spawn_blocking(move || file.write(&written)).await {
        Ok(Ok(())) => Outcome::LedgerWritten(ledger),
        Ok(Err(error)) => step_failed(&error),
        Err(error) => step_failed(&error),
    }
}
