//! Asking the server about itself, and its disk: once a second at rest, often while something is about to change.

use crate::runtime::Clock;
use crate::volume::Pulse;
use berth_core::database::LocalStatus;
use berth_core::election::{Event, Moment, Run, Silence};
use berth_engine::{Engine, EngineError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// How often a server at rest is asked: its answer is what shows that a replica lags.
const AT_REST: Duration = Duration::from_secs(1);
/// How often while a start, a promotion or a change of voters waits for the answer.
const IN_TRANSITION: Duration = Duration::from_millis(20);
/// How long an answer may take before it counts as none.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether, and how eagerly, the server is to be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Question {
    /// The run to ask; none if no server runs.
    pub run: Option<Run>,
    /// Whether something is about to change.
    pub eager: bool,
    /// Grows when something was done to the server, so that it is asked again at once.
    pub number: u64,
}

/// Asks for ever; ends when nobody listens.
pub async fn ask_server(
    engine: Arc<dyn Engine>,
    pulse: Pulse,
    clock: Clock,
    mut question: watch::Receiver<Question>,
    events: mpsc::Sender<Event>,
) {
    loop {
        let Question { run, eager, number: _ } = *question.borrow_and_update();
        let Some(run) = run else {
            if question.changed().await.is_err() {
                return;
            }
            continue;
        };
        let asked: Moment = clock.now();
        // What a server says whose commits never end counts for nothing.
        let answer = if pulse.hangs(asked) {
            Err(Silence::DiskHangs)
        } else {
            ask(&*engine).await.map_err(Silence::NoAnswer)
        };
        if events.send(Event::Status { run, asked, answer }).await.is_err() {
            return;
        }
        let pause = if eager { IN_TRANSITION } else { AT_REST };
        // A change of the question ends the pause early.
        if let Ok(Err(_)) = timeout(pause, question.changed()).await {
            return;
        }
    }
}

async fn ask(engine: &dyn Engine) -> Result<LocalStatus, String> {
    match timeout(PATIENCE, engine.status()).await {
        Ok(Ok(status)) => Ok(status),
        // The event itself says that there was no answer.
        Ok(Err(EngineError::NotAnswering(reason))) => Err(reason),
        Ok(Err(error @ (EngineError::Step { .. } | EngineError::Volume(_)))) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    }
}
