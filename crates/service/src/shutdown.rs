//! An orderly end: one token that says "stop", one tracker that knows who has not stopped yet.
//!
//! A second signal does not kill at once: Kubernetes sends one, waits the grace period and then kills anyway.

use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

/// The orderly end of a process. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tasks: TaskTracker,
}

/// Tasks did not end before the deadline.
#[derive(Debug, thiserror::Error)]
#[error("{tasks} tasks had not ended {deadline:?} after the shutdown was asked for")]
pub struct Unfinished {
    /// How many.
    pub tasks: usize,
    /// How long they had.
    pub deadline: Duration,
}

impl Shutdown {
    /// A shutdown that nobody has asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The token that is cancelled when the process shall stop.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Asks the process to stop.
    pub fn ask(&self) {
        self.token.cancel();
    }

    /// Waits until the process shall stop.
    pub async fn asked(&self) {
        self.token.cancelled().await;
    }

    /// Starts a task that [`Self::finish`] waits for.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(task)
    }

    /// The tracker behind [`Self::spawn`], for parts that take one.
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Asks for a stop on SIGTERM and SIGINT. Needs a runtime.
    pub fn listen(&self) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let token = self.token.clone();
        self.tasks.spawn(async move {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                () = token.cancelled() => return,
            };
            info!(signal = name, "asked to stop");
            token.cancel();
        });
        Ok(())
    }

    /// Asks for a stop and waits until every tracked task has ended, at most `deadline` long.
    pub async fn finish(&self, deadline: Duration) -> Result<(), Unfinished> {
        self.token.cancel();
        self.tasks.close();
        tokio::time::timeout(deadline, self.tasks.wait())
            .await
            .map_err(|_| Unfinished { tasks: self.tasks.len(), deadline })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signal_stops_every_task() {
        let shutdown = Shutdown::new();
        shutdown.listen().unwrap();
        let token = shutdown.token();
        let task = shutdown.spawn(async move { token.cancelled().await });
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM).unwrap();
        tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap();
        shutdown.finish(Duration::from_secs(10)).await.unwrap();
    }

    #[tokio::test]
    async fn who_does_not_stop_is_told_of() {
        let shutdown = Shutdown::new();
        shutdown.spawn(std::future::pending::<()>());
        let unfinished = shutdown.finish(Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(unfinished.tasks, 1);
    }
}
