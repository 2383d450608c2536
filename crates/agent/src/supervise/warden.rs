//! The warden as a [`Supervisor`]: requests and reports over its socket become calls and news.
//!
//! Requests are written by one task and reports read by another, because a cancelled write would leave half a line on the socket.

use super::{SuperviseError, Supervisor};
use crate::warden::client::{Reports, Requests, WardenError};
use crate::warden::protocol::{Report, Request, Stop};
use async_trait::async_trait;
use berth_core::election::{Moment, ProcessNews, Run};
use berth_engine::ServerCommand;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::warn;

/// How long the server may take to stop in order. Below the warden's own patience (40 s), which is the backstop, and long enough for a
/// checkpoint of a busy server.
const ORDERLY: Duration = Duration::from_secs(30);
/// Reports that may wait for a reader: the warden says a handful in a server's life.
const REPORTS: usize = 64;

/// The warden, as whoever asks of it sees it.
#[derive(Debug)]
pub struct WardenLink {
    requests: mpsc::Sender<Request>,
    reports: broadcast::Sender<Report>,
}

/// What the agent hears of the warden beside the answers to its requests.
#[derive(Debug)]
pub enum Word {
    /// Of the server's process.
    News(ProcessNews),
    /// The container is to end.
    Stopping,
    /// The warden is gone or speaks another language.
    Lost(WardenError),
}

/// Begins to speak with the warden. The words end with [`Word::Lost`].
pub fn connect(
    mut requests: Requests,
    mut reports: Reports,
    tasks: &TaskTracker,
) -> (WardenLink, mpsc::Receiver<Word>) {
    let (ask, mut asked) = mpsc::channel::<Request>(REPORTS);
    let (say, heard) = mpsc::channel(REPORTS);
    let (answers, _) = broadcast::channel(REPORTS);
    let (lost, answer) = (say.clone(), answers.clone());
    tasks.spawn(async move {
        while let Some(request) = asked.recv().await {
            if let Err(error) = requests.send(&request).await {
                let _nobody_listens = lost.send(Word::Lost(error)).await;
                return;
            }
        }
    });
    tasks.spawn(async move {
        loop {
            let word = match reports.next().await {
                Ok(report) => {
                    let word = word(&report);
                    // The news first: whoever awaits the answer may rely on it.
                    if let Some(word) = word
                        && say.send(word).await.is_err()
                    {
                        return;
                    }
                    let _nobody_awaits = answer.send(report);
                    continue;
                }
                Err(error) => Word::Lost(error),
            };
            let _nobody_listens = say.send(word).await;
            return;
        }
    });
    (WardenLink { requests: ask, reports: answers }, heard)
}

fn word(report: &Report) -> Option<Word> {
    let news = match report {
        Report::Hello { server: Some(running), .. } | Report::Started(running) => {
            ProcessNews::Runs(Run(running.run.0))
        }
        Report::Hello { server: None, ended, .. } => {
            ProcessNews::Absent { latest: ended.as_ref().map_or(Run(0), |ended| Run(ended.run.0)) }
        }
        Report::Exited(ended) => {
            ProcessNews::Exited { run: Run(ended.run.0), how: ended.exit.to_string(), asked: ended.killed }
        }
        Report::Stopping { .. } => return Some(Word::Stopping),
        Report::NotStarted { .. } | Report::Fenced => return None,
    };
    Some(Word::News(news))
}

impl WardenLink {
    async fn ask(&self, request: Request) -> Result<(), SuperviseError> {
        self.requests.send(request).await.map_err(|_| WardenError::Gone.into())
    }
}

/// The next report; one that was missed because too many came is as good as none.
async fn next(reports: &mut broadcast::Receiver<Report>) -> Result<Report, SuperviseError> {
    loop {
        match reports.recv().await {
            Ok(report) => return Ok(report),
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return Err(WardenError::Gone.into()),
        }
    }
}

async fn exited(reports: &mut broadcast::Receiver<Report>, run: Run) -> Result<(), SuperviseError> {
    loop {
        if let Report::Exited(ended) = next(reports).await?
            && ended.run.0 >= run.0
        {
            return Ok(());
        }
    }
}

#[async_trait]
impl Supervisor for WardenLink {
    async fn start(&self, command: ServerCommand) -> Result<Run, SuperviseError> {
        let mut reports = self.reports.subscribe();
        self.ask(Request::Start(command)).await?;
        loop {
            match next(&mut reports).await? {
                Report::Started(running) => return Ok(Run(running.run.0)),
                Report::NotStarted { reason } => return Err(SuperviseError::NotStarted(reason)),
                Report::Hello { .. } | Report::Exited(_) | Report::Fenced | Report::Stopping { .. } => {}
            }
        }
    }

    async fn stop(&self, run: Run) -> Result<(), SuperviseError> {
        let mut reports = self.reports.subscribe();
        let run_of_warden = crate::warden::protocol::Run(run.0);
        self.ask(Request::Stop { run: run_of_warden, how: Stop::Fast }).await?;
        if let Ok(exited) = timeout(ORDERLY, exited(&mut reports, run)).await {
            return exited;
        }
        self.ask(Request::Stop { run: run_of_warden, how: Stop::Kill }).await?;
        exited(&mut reports, run).await
    }

    async fn fence(&self) -> Result<(), SuperviseError> {
        let mut reports = self.reports.subscribe();
        self.ask(Request::Fence).await?;
        while next(&mut reports).await? != Report::Fenced {}
        Ok(())
    }

    fn lease(&self, until: Option<Moment>) {
        // Rounded down: a lease may be shorter than it was granted, never longer.
        let since_boot = |moment: Moment| moment.since(Moment::default()).as_millis();
        let until_ms = until.map(|moment| u64::try_from(since_boot(moment)).unwrap_or(u64::MAX));
        match self.requests.try_send(Request::Lease { until_ms }) {
            // The loss of the warden is told elsewhere, and ends the agent.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            // The moment given before stands: what was not renewed ends.
            Err(mpsc::error::TrySendError::Full(_)) => {
                warn!("the warden takes no requests; the lease stays as it was");
            }
        }
    }
}
