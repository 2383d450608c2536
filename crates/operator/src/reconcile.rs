//! One cluster, once: observe → validate → plan → apply, as long as that leads on, then the status.
//!
//! Several rounds, because what one plan did is ground for the next (a claim that is made can be granted), and our own effects are in the caches at
//! once. A round that achieves nothing ends it. Nothing here fails: what went wrong is told, and tried again after a while.

mod pace;

use crate::apply::{Outcome, StepError, Work, subject};
use crate::build::Owner;
use crate::metrics::{StageLabels, StepLabels, StepResult};
use crate::observe::{Damaged, cluster};
use crate::operator::{Memory, Operator};
use crate::status;
use crate::validate::{Validated, validate};
use berth_api::{DatabaseCluster, DatabaseClusterStatus};
use berth_core::plan::{self, Observed, Plan, Refusal, Report, Step, Time};
use berth_service::Chain;
use jiff::Timestamp;
use kube::api::PartialObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::time::Instant;
use tracing::{Instrument, debug, error, info, info_span, warn};

/// The most rounds of one reconcile: twice what the creation of a cluster takes. More would mean that plans undo each other.
const ROUNDS: usize = 16;

/// How a reconcile ended.
struct Ended {
    /// What was seen last, and what was planned then.
    last: Option<(Observed, Validated, Report)>,
    /// The cluster's object as it was left.
    object: DatabaseCluster,
    /// Whether anything failed.
    failed: bool,
}

/// What a controller calls for each cluster that was woken.
pub(crate) async fn reconcile(
    guarded: Arc<DeserializeGuard<DatabaseCluster>>,
    operator: Arc<Operator>,
) -> Result<Action, Infallible> {
    let (namespace, name) = (guarded.namespace().unwrap_or_default(), guarded.name_any());
    let span = info_span!("reconcile", namespace, cluster = name);
    Ok(Box::pin(operator.reconcile(&guarded)).instrument(span).await)
}

impl Operator {
    async fn reconcile(&self, guarded: &DeserializeGuard<DatabaseCluster>) -> Action {
        let began = Instant::now();
        let Some(uid) = guarded.meta().uid.clone() else { return Action::await_change() };
        let mut memory = self.memories.take(&uid);
        let action = match &guarded.0 {
            Ok(object) => Box::pin(self.work(object.clone(), &mut memory)).await,
            Err(invalid) => self.report_damage(&invalid.metadata, &invalid.error, &mut memory).await,
        };
        if !memory.gone {
            self.memories.keep(&uid, memory);
        }
        self.metrics.reconciles.observe(began.elapsed().as_secs_f64());
        action
    }

    /// Works on a cluster whose object can be read.
    async fn work(&self, object: DatabaseCluster, memory: &mut Memory) -> Action {
        let ended = match Box::pin(self.rounds(object.clone(), memory)).await {
            Ok(ended) => ended,
            Err(damaged) => return self.report_damage(object.meta(), &damaged.to_string(), memory).await,
        };
        let Ended { last, object, mut failed } = ended;
        let Some((observed, validated, report)) = last else {
            memory.failures += 1;
            return pace::retry(memory.failures);
        };
        let before = status::before(object.status.as_ref());
        let report = report.since(&before);
        self.announcer.waits(&object, &report, &before);
        self.metrics.stages.get_or_create(&StageLabels::of(report.stage)).inc();
        if let Err(failure) = self.write_status(&object, &observed, &validated, &report).await {
            warn!(error = %failure, "cannot write the status");
            failed = true;
        }
        let action = pace::next(&report, &observed, memory, failed);
        if observed.cluster.deleting && observed.own_pods().next().is_none() {
            self.reports.forget(&observed.cluster.name);
        } else {
            self.reports.note(&observed.cluster.name, report);
        }
        action
    }

    /// Rounds of observe, validate, plan and apply, until one achieves nothing.
    async fn rounds(&self, mut object: DatabaseCluster, memory: &mut Memory) -> Result<Ended, Damaged> {
        let mut failed: Vec<Step> = Vec::new();
        let mut last = None;
        for _ in 0..ROUNDS {
            let now = Timestamp::now();
            let about = cluster(&object)?;
            let class = object.spec.class.as_deref().and_then(|name| self.caches.classes.get(name));
            let validated = validate(&object, class.as_deref());
            let wanted = validated.rendering.is_some();
            let observed = match Box::pin(self.observe(&object, about, wanted, memory, now)).await {
                Ok(observed) => observed,
                Err(failure) => {
                    warn!(error = %Chain(&failure), "cannot observe the cluster; trying again");
                    return Ok(Ended { last, object, failed: true });
                }
            };
            let plan = plan::plan(&observed, &validated.wish);
            if drop_settled(&plan, &observed, memory) {
                continue;
            }
            if let Err(reason) = plan.check(&observed) {
                error!(error = %reason, "a plan failed its own safety check and is not carried out; this is a mistake in Berth");
                self.metrics.unsafe_plans.inc();
                return Ok(Ended { last: Some((observed, validated, plan.report)), object, failed: true });
            }
            let owner = Owner { cluster: observed.cluster.name.clone(), uid: observed.cluster.uid.clone() };
            let work =
                Work { operator: self, owner, object: &object, rendering: validated.rendering.as_ref(), now };
            let outcomes = work.apply(&plan, &failed).await;
            self.announcer.outcomes(&object, &outcomes);
            memory.gone = removes_finalizer(&outcomes);
            let next = self.learn(&work, outcomes, memory, &mut failed).await;
            last = Some((observed, validated, plan.report));
            if let Some(changed) = next.object {
                object = changed;
            }
            if !next.achieved || memory.gone {
                break;
            }
        }
        Ok(Ended { last, object, failed: !failed.is_empty() })
    }

    /// Takes over what the steps led to.
    async fn learn(
        &self,
        work: &Work<'_>,
        outcomes: Vec<Outcome>,
        memory: &mut Memory,
        failed: &mut Vec<Step>,
    ) -> Learned {
        let mut learned = Learned { achieved: false, object: None };
        for Outcome { step, result } in outcomes {
            let subject = subject(&step, &work.owner);
            let (label, object) = match result {
                Ok(object) => {
                    info!(step = %step, "done");
                    learned.achieved = true;
                    if let Some(subject) = subject {
                        memory.refused.remove(&subject);
                    }
                    if matches!(step, Step::EnsureAccess | Step::EnsureCertificates { .. }) {
                        memory.secrets = None;
                    }
                    (StepResult::Done, object)
                }
                Err(StepError::Void(reason)) => {
                    debug!(step = %step, reason, "what the step rests on is no longer so");
                    failed.push(step);
                    // The object may be newer than the watch has told; with the newest the next round is right.
                    (StepResult::Void, self.newest(work).await)
                }
                Err(failure) => {
                    warn!(step = %step, error = %Chain(&failure), "cannot carry out a step");
                    if let (Some(subject), Some((kind, message))) = (subject, failure.refusal()) {
                        let known = memory.refused.get(&subject).filter(|known| known.kind == kind);
                        let since = known.map_or(Time(work.now.as_second()), |known| known.since);
                        memory.refused.insert(subject, Refusal { kind, message, since });
                        // The refusal is to be in the report of this very reconcile.
                        learned.achieved |= known_is_new(failed, &step);
                    }
                    failed.push(step);
                    (StepResult::Failed, None)
                }
            };
            self.metrics.steps.get_or_create(&StepLabels { result: label }).inc();
            if let Some(object) = object {
                learned.achieved |= object.metadata.resource_version != work.object.metadata.resource_version;
                learned.object = Some(object);
            }
        }
        learned
    }

    /// The cluster's object by a live read, if it is still the same.
    async fn newest(&self, work: &Work<'_>) -> Option<DatabaseCluster> {
        let api = Api::namespaced(self.kubernetes.client().clone(), work.owner.cluster.namespace.as_str());
        let found: Option<DatabaseCluster> =
            self.kubernetes.get(api, work.owner.cluster.name.as_str()).await.ok().flatten();
        found.filter(|found| found.metadata.uid.as_deref() == Some(work.owner.uid.as_str()))
    }

    /// Writes the status, if it says something new.
    async fn write_status(
        &self,
        object: &DatabaseCluster,
        observed: &Observed,
        validated: &Validated,
        report: &Report,
    ) -> Result<(), String> {
        let new = status::status(object, observed, validated, report, &self.proxy_host, Timestamp::now());
        let gone = observed.cluster.deleting && !observed.cluster.finalizer;
        if object.status.as_ref() == Some(&new) || gone {
            return Ok(());
        }
        self.put_status(object.meta(), &new).await
    }

    async fn put_status(
        &self,
        meta: &kube::api::ObjectMeta,
        status: &DatabaseClusterStatus,
    ) -> Result<(), String> {
        let namespace = meta.namespace.clone().unwrap_or_default();
        let name = meta.name.clone().unwrap_or_default();
        let patch = json!({
            "apiVersion": DatabaseCluster::api_version(&()),
            "kind": DatabaseCluster::kind(&()),
            "metadata": {"name": name, "uid": meta.uid},
            "status": status,
        });
        // Metadata is all that is read back, so that an object which cannot be read can still be told so.
        let api = Api::<PartialObjectMeta<DatabaseCluster>>::namespaced(
            self.kubernetes.client().clone(),
            &namespace,
        );
        match self.kubernetes.apply_status(api, &name, &patch).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.is(crate::kubernetes::Refusal::NotFound) => Ok(()),
            // Another incarnation has the name.
            Err(failure) if failure.is(crate::kubernetes::Refusal::Conflict) => Ok(()),
            Err(failure) => Err(Chain(&failure).to_string()),
        }
    }

    /// Says of an object that it cannot be worked on, once a generation. The others go on.
    async fn report_damage(
        &self,
        meta: &kube::api::ObjectMeta,
        problem: &str,
        memory: &mut Memory,
    ) -> Action {
        if memory.damaged == meta.generation {
            return Action::await_change();
        }
        warn!(problem, "the object cannot be worked on");
        match self.put_status(meta, &status::unreadable(meta.generation, problem, Timestamp::now())).await {
            Ok(()) => {
                memory.damaged = meta.generation;
                Action::await_change()
            }
            Err(failure) => {
                warn!(error = failure, "cannot write the status");
                memory.failures += 1;
                pace::retry(memory.failures)
            }
        }
    }
}

/// What the steps of a round led to.
struct Learned {
    /// Whether another round may do more.
    achieved: bool,
    /// The cluster's object, if it changed.
    object: Option<DatabaseCluster>,
}

/// Whether a step had not failed before in this reconcile.
fn known_is_new(failed: &[Step], step: &Step) -> bool {
    !failed.contains(step)
}

/// Whether the cluster was let go.
fn removes_finalizer(outcomes: &[Outcome]) -> bool {
    outcomes
        .iter()
        .any(|outcome| matches!(outcome.step, Step::RemoveFinalizer { .. }) && outcome.result.is_ok())
}

/// Forgets refusals of what no plan asks for any more; whether there were any.
fn drop_settled(plan: &Plan, observed: &Observed, memory: &mut Memory) -> bool {
    let owner = Owner { cluster: observed.cluster.name.clone(), uid: observed.cluster.uid.clone() };
    let asked: std::collections::BTreeSet<_> =
        plan.steps().filter_map(|step| subject(step, &owner)).collect();
    let before = memory.refused.len();
    memory.refused.retain(|subject, _| asked.contains(subject));
    memory.refused.len() != before
}

#[cfg(test)]
mod tests;
