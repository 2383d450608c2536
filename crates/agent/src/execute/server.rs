//! The server's process: started with its files prepared, stopped in order, killed.

use super::{Parts, engine_failed, step_failed};
use berth_core::election::{Outcome, Run};
use berth_engine::{Boot, Quorum, Settings};

/// What a dead server left behind is removed first; the agent holds the volume's lock, and the warden said that nothing of it is alive.
pub(super) async fn start(parts: &Parts, boot: Boot, settings: Settings, quorum: Quorum) -> Outcome {
    if let Err(error) = parts.engine.clear_remains().await {
        return engine_failed(&error);
    }
    let command = match parts.engine.server(&boot, &settings, &quorum).await {
        Ok(command) => command,
        Err(error) => return engine_failed(&error),
    };
    match parts.supervisor.start(command).await {
        Ok(run) => Outcome::Started { run, boot, settings, quorum },
        Err(error) => step_failed(&error),
    }
}

pub(super) async fn stop(parts: &Parts, run: Run) -> Outcome {
    match parts.supervisor.stop(run).await {
        Ok(()) => Outcome::Stopped,
        Err(error) => step_failed(&error),
    }
}

pub(super) async fn fence(parts: &Parts) -> Outcome {
    match parts.supervisor.fence().await {
        Ok(()) => Outcome::Fenced,
        Err(error) => step_failed(&error),
    }
}
