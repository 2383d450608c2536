//! Asking the server about itself, and its disk: once a second at rest, often while something is about to change, and the less often the
//! longer it has not answered, because PostgreSQL logs each refusal.

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
/// Of the time for which nobody has answered, what goes by until the next question: a recovery's end is seen that much later.
const OF_SILENCE: u32 = 8;
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
    let mut silent: Option<(Run, Moment)> = None;
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
        silent = silent
            .filter(|(of, _)| answer.is_err() && *of == run)
            .or_else(|| answer.is_err().then_some((run, asked)));
        let pause = pause(eager, silent.map(|(_, since)| clock.now().since(since)));
        if events.send(Event::Status { run, asked, answer }).await.is_err() {
            return;
        }
        // A change of the question ends the pause early.
        if let Ok(Err(_)) = timeout(pause, question.changed()).await {
            return;
        }
    }
}

/// Until the next question, with how long this run has not answered.
fn pause(eager: bool, silent: Option<Duration>) -> Duration {
    match (eager, silent) {
        (false, _) => AT_REST,
        (true, None) => IN_TRANSITION,
        (true, Some(silent)) => (silent / OF_SILENCE).clamp(IN_TRANSITION, AT_REST),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_is_asked_less_and_less_often() {
        let millis = Duration::from_millis;
        assert_eq!(pause(false, None), AT_REST);
        assert_eq!(pause(false, Some(millis(10))), AT_REST);
        assert_eq!(pause(true, None), IN_TRANSITION);
        assert_eq!(pause(true, Some(millis(100))), IN_TRANSITION);
        assert_eq!(pause(true, Some(millis(2400))), millis(300));
        assert_eq!(pause(true, Some(Duration::from_mins(10))), AT_REST);
    }
}
