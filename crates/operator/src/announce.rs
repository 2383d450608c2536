//! Events for people: what was done, what was refused, what is newly awaited.
//!
//! They are told by a task of their own and may be lost: an Event must never hold up or fail a reconcile.

mod terms;

pub(crate) use terms::Narrator;

use crate::apply::{Outcome, StepError};
use berth_api::DatabaseCluster;
use berth_core::plan::{Before, Report, Step};
use berth_service::Chain;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};
use terms::Told;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// How many may wait to be told. A flood beyond it is dropped: the status says what matters.
const QUEUE: usize = 512;
/// The most bytes that the API takes for a note.
const LONGEST_NOTE: usize = 1000;

/// Where to leave events.
#[derive(Clone)]
pub(crate) struct Announcer(mpsc::Sender<(Event, ObjectReference)>);

impl Announcer {
    /// An announcer and the task that tells.
    pub(crate) fn new(
        client: Client,
        identity: String,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()>) {
        let (sender, mut receiver) = mpsc::channel::<(Event, ObjectReference)>(QUEUE);
        let reporter =
            Reporter { controller: berth_api::names::MANAGER.to_owned(), instance: Some(identity) };
        let recorder = Recorder::new(client, reporter);
        let task = async move {
            while let Some(Some((event, about))) = stop.run_until_cancelled(receiver.recv()).await {
                if let Err(failure) = recorder.publish(&event, &about).await {
                    // Nobody reads the events of a namespace that goes.
                    if failure.to_string().contains("being terminated") {
                        debug!(reason = event.reason, "dropped an event; its namespace goes");
                    } else {
                        warn!(error = %Chain(&failure), reason = event.reason, "cannot write an event");
                    }
                }
            }
        };
        (Self(sender), task)
    }

    /// Tells what became of the steps that people care about.
    pub(crate) fn outcomes(&self, object: &DatabaseCluster, outcomes: &[Outcome]) {
        for Outcome { step, result } in outcomes {
            let Some(reason) = word(step) else { continue };
            // With the related object two events of one reason are two events, and not a series of the first.
            let related = related(step, object);
            match result {
                Ok(_) => self.tell(object, EventType::Normal, reason, &sentence(&step.to_string()), related),
                Err(StepError::Void(_)) => {}
                Err(failure) => {
                    let note = format!("cannot {step}: {failure}");
                    self.tell(object, EventType::Warning, "Failed", &note, related);
                }
            }
        }
    }

    /// Tells what was not awaited before.
    pub(crate) fn waits(&self, object: &DatabaseCluster, report: &Report, before: &[Before]) {
        for waiting in report.blocked() {
            let (reason, about) = (waiting.on.reason(), waiting.on.object());
            let known = before.iter().any(|b| b.reason == reason && b.on.starts_with(&about));
            if !known {
                let note = format!("{}; {}", waiting.on.on(), waiting.on.unblock());
                self.tell(object, EventType::Warning, reason, &note, None);
            }
        }
    }

    fn tell(
        &self,
        object: &DatabaseCluster,
        type_: EventType,
        reason: &str,
        note: &str,
        secondary: Option<ObjectReference>,
    ) {
        let mut note = note.to_owned();
        while note.len() > LONGEST_NOTE {
            note.pop();
        }
        let action = "Reconcile".to_owned();
        let event = Event { type_, reason: reason.to_owned(), note: Some(note), action, secondary };
        self.send(event, object.object_ref(&()));
    }

    /// Tells what happened to a term.
    fn told(&self, about: ObjectReference, told: Told) {
        let Told { type_, reason, action, note } = told;
        let event = Event { type_, reason: reason.to_owned(), note: Some(note), action, secondary: None };
        self.send(event, about);
    }

    fn send(&self, event: Event, about: ObjectReference) {
        if let Err(dropped) = self.0.try_send((event, about)) {
            let (event, _) = dropped.into_inner();
            debug!(reason = event.reason, "dropped an event; too many wait");
        }
    }
}

/// The reason of the event about a step; none for those that only people who develop Berth would want to read.
fn word(step: &Step) -> Option<&'static str> {
    match step {
        Step::CreateClaim { .. } => Some("ClaimCreated"),
        Step::GrowClaim { .. } => Some("ClaimGrown"),
        Step::RetireClaim { .. } => Some("ClaimKept"),
        Step::CreatePod { .. } => Some("PodCreated"),
        Step::DeletePod(_) => Some("PodDeleted"),
        Step::NoteGrant { .. } => Some("BootstrapGranted"),
        Step::NoteBootstrapped { .. } => Some("Bootstrapped"),
        Step::RemoveRecords => Some("RecordsRemoved"),
        Step::AddFinalizer { .. }
        | Step::NoteCounter { .. }
        | Step::NoteGrantOnClaim { .. }
        | Step::RetainVolume { .. }
        | Step::CreateBudget { .. }
        | Step::ChangeBudget { .. }
        | Step::EnsureAccess
        | Step::EnsureCertificates { .. }
        | Step::EnsureUser
        | Step::PutIntent { .. }
        | Step::ReleasePod { .. }
        | Step::RemoveMember { .. }
        | Step::RemoveFinalizer { .. } => None,
    }
}

/// The object that a step is about.
fn related(step: &Step, object: &DatabaseCluster) -> Option<ObjectReference> {
    let (kind, name) = match step {
        Step::CreateClaim { name, .. } => ("PersistentVolumeClaim", name.as_str()),
        Step::GrowClaim { claim, .. } | Step::RetireClaim { claim } => {
            ("PersistentVolumeClaim", claim.name.as_str())
        }
        Step::CreatePod { identity } => ("Pod", identity.member.as_str()),
        Step::DeletePod(delete) => ("Pod", delete.name.as_str()),
        Step::AddFinalizer { .. }
        | Step::NoteCounter { .. }
        | Step::NoteGrant { .. }
        | Step::NoteGrantOnClaim { .. }
        | Step::NoteBootstrapped { .. }
        | Step::RetainVolume { .. }
        | Step::CreateBudget { .. }
        | Step::ChangeBudget { .. }
        | Step::EnsureAccess
        | Step::EnsureCertificates { .. }
        | Step::EnsureUser
        | Step::PutIntent { .. }
        | Step::ReleasePod { .. }
        | Step::RemoveMember { .. }
        | Step::RemoveRecords
        | Step::RemoveFinalizer { .. } => return None,
    };
    Some(ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some(kind.to_owned()),
        namespace: object.metadata.namespace.clone(),
        name: Some(name.to_owned()),
        ..ObjectReference::default()
    })
}

/// A step as the sentence of an event.
fn sentence(step: &str) -> String {
    let mut letters = step.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
