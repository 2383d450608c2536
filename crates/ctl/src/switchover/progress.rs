//! How a switchover goes, from one status to the next.

use super::before::Primary;
use berth_api::{DatabaseCluster, DatabaseClusterStatus, StatusPhase, SwitchoverState, condition};
use berth_core::ClusterRef;
use std::time::Duration;

/// A switchover that was asked for.
#[derive(Debug)]
pub(super) struct Progress {
    request: String,
    to: Option<String>,
    before: Primary,
    /// What was said last, so that nothing is said twice.
    said: Option<String>,
}

/// What a look brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// What is new, in words.
    pub(super) lines: Vec<String>,
    /// How it ended, if it did.
    pub(super) ending: Option<Ending>,
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It happened.
    Done(String),
    /// It will not.
    Failed(String),
}

/// A line of what happened, and when.
pub(super) fn line(after: Duration, what: &str) -> String {
    format!("{:>6.1}s  {what}", after.as_secs_f64())
}

impl Progress {
    /// One that was just asked for.
    pub(super) fn new(request: String, to: Option<String>, before: Primary) -> Self {
        Self { request, to, before, said: None }
    }

    /// Looks at the cluster as it is now; none if it is gone.
    pub(super) fn look(&mut self, cluster: Option<&DatabaseCluster>) -> News {
        let failed = |why: String| News { ending: Some(Ending::Failed(why)), ..News::default() };
        let Some(cluster) = cluster.filter(|cluster| cluster.metadata.deletion_timestamp.is_none()) else {
            return failed("the cluster is being deleted".to_owned());
        };
        let asked = cluster.spec.failover.as_ref().and_then(|failover| failover.switchover.as_ref());
        match asked {
            None => return failed("the request was withdrawn".to_owned()),
            Some(asked) if asked.request != self.request => {
                return failed(format!(
                    "somebody asked for another one meanwhile (request {})",
                    asked.request
                ));
            }
            Some(_) => {}
        }
        let status = cluster.status.clone().unwrap_or_default();
        let told = status.switchover.as_ref().filter(|told| told.request == self.request);
        let Some(told) = told else {
            return self.says("it waits for the operator to see the request".to_owned());
        };
        match told.state {
            SwitchoverState::Refused => failed(format!("it cannot be done: {}", told.message)),
            SwitchoverState::Asked | SwitchoverState::UnderWay => {
                self.says(unavailable(&status).unwrap_or_else(|| told.message.clone()))
            }
            SwitchoverState::Done => match self.ended(&status) {
                Some(ending) => News { ending: Some(ending), ..News::default() },
                None => self.says(unavailable(&status).unwrap_or_else(|| told.message.clone())),
            },
        }
    }

    /// How it ended, once a primary takes writes.
    fn ended(&self, status: &DatabaseClusterStatus) -> Option<Ending> {
        let (primary, term) = (status.primary.as_ref()?, status.term?);
        if !condition::is_true(&status.conditions, condition::AVAILABLE) {
            return None;
        }
        let Primary { primary: before, term: old } = &self.before;
        Some(match &self.to {
            Some(to) if to != primary => Ending::Failed(format!(
                "the members ended it, and {primary} takes writes in term {term}, not {to}"
            )),
            None if primary == before => Ending::Failed(format!(
                "the members gave it up, and {primary} takes writes on, in term {term}"
            )),
            Some(_) | None => {
                Ending::Done(format!("{primary} takes writes in term {term}; {before} did in term {old}"))
            }
        })
    }

    /// What to say when time is over.
    pub(super) fn too_late(&self, target: &ClusterRef, patience: Duration) -> String {
        let last = self.said.as_deref().unwrap_or("nothing was heard of it");
        format!(
            "{target}: it did not happen within {} s; the last word: {last}\n  the request stays, and may still be carried out; to withdraw it: berth switchover {target} --cancel\n  to see what holds it up: berth explain {target}",
            patience.as_secs()
        )
    }

    fn says(&mut self, what: String) -> News {
        if self.said.as_ref() == Some(&what) {
            return News::default();
        }
        self.said = Some(what.clone());
        News { lines: vec![what], ending: None }
    }
}

/// What the members do while nobody takes writes.
fn unavailable(status: &DatabaseClusterStatus) -> Option<String> {
    let at_it = matches!(status.phase, Some(StatusPhase::Electing | StatusPhase::Switching));
    let available = condition::find(&status.conditions, condition::AVAILABLE);
    available.filter(|c| at_it && c.status == "False").map(|c| c.message.clone())
}
