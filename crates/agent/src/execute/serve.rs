//! What a primary keeps: roles and database, the gate, the settings.

use super::{Parts, engine_failed, step_failed};
use crate::observe::digest;
use berth_core::election::{AccessWanted, Outcome};
use berth_engine::Settings;
use std::time::Duration;

/// The verifier is read here and handed on; only its digest was decided over. What was read is what is remembered as done.
pub(super) async fn ensure_access(parts: &Parts, mut wanted: AccessWanted) -> Outcome {
    let verifier = match tokio::fs::read_to_string(&parts.verifier).await {
        Ok(text) => text.trim().to_owned(),
        Err(error) => return step_failed(&error),
    };
    wanted.verifier = digest(&verifier);
    match parts.engine.ensure_access(&wanted.access, &verifier, &wanted.members).await {
        Ok(()) => Outcome::AccessEnsured(wanted),
        Err(error) => engine_failed(&error),
    }
}

pub(super) async fn checkpoint(parts: &Parts, patience: Duration) -> Outcome {
    match parts.engine.checkpoint(patience).await {
        Ok(()) => Outcome::Checkpointed,
        Err(error) => engine_failed(&error),
    }
}

pub(super) async fn open_gate(parts: &Parts) -> Outcome {
    match parts.engine.open_gate().await {
        Ok(()) => Outcome::GateOpened,
        Err(error) => engine_failed(&error),
    }
}

pub(super) async fn apply(parts: &Parts, settings: Settings) -> Outcome {
    match parts.engine.apply(&settings).await {
        Ok(outcome) => Outcome::Applied { settings, outcome },
        Err(error) => engine_failed(&error),
    }
}
