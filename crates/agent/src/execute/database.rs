//! Making a database, copying one, and cutting one back to where its history left another.

use super::{Parts, engine_failed};
use berth_core::election::Outcome;
use berth_engine::Peer;

pub(super) async fn initialize(parts: &Parts) -> Outcome {
    match parts.engine.initialize().await {
        Ok(()) => Outcome::Initialized,
        Err(error) => engine_failed(&error),
    }
}

pub(super) async fn clone_from(parts: &Parts, peer: &Peer) -> Outcome {
    // By reference, because `Clone` has a method of that name on the pointer.
    match parts.engine.as_ref().clone_from(peer).await {
        Ok(()) => Outcome::Cloned,
        Err(error) => engine_failed(&error),
    }
}

pub(super) async fn rewind(parts: &Parts, peer: &Peer) -> Outcome {
    match parts.engine.rewind(peer).await {
        Ok(()) => Outcome::Rewound,
        Err(error) => engine_failed(&error),
    }
}
