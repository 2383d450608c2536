//! Events about terms: that an election began, who won it and how long it took, that a switchover was asked for and done.
//!
//! They are told from the records as the watch brings them, one by one and in order, and not from what a reconcile finds: an election is often over before there is one.
//! What happened while this process did not watch is not told; the status says what is.

use super::Announcer;
use berth_api::DatabaseCluster;
use berth_core::term::Term;
use berth_core::topology::{AcceptedLoss, Identity, Intent, Phase, Rule};
use berth_core::{ClusterRef, ClusterUid, MemberId, Nonce};
use berth_topology::Change;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use kube::runtime::events::EventType;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Tells of what happens to terms.
pub(crate) struct Narrator {
    announcer: Announcer,
    chronicle: Chronicle,
}

impl Narrator {
    /// One that has seen nothing yet.
    pub(crate) fn new(announcer: Announcer) -> Self {
        Self { announcer, chronicle: Chronicle::default() }
    }

    /// All records were read: what they say is where the story goes on from.
    pub(crate) fn listed(&mut self, records: &[Change]) {
        self.chronicle = Chronicle::default();
        for record in records {
            drop(self.chronicle.take(record, Instant::now()));
        }
    }

    /// One record changed. It is told if it is known whose it is.
    pub(crate) fn changed(&mut self, change: &Change, cluster: Option<&ClusterRef>) {
        let uid = match change {
            Change::Intent(uid, _) | Change::Rule(uid, _) => uid,
            Change::Member(..) | Change::Route(..) => return,
        };
        let told = self.chronicle.take(change, Instant::now());
        let Some(cluster) = cluster else { return };
        if let Some(told) = told {
            self.announcer.told(reference(cluster, uid), told);
        }
    }
}

fn reference(cluster: &ClusterRef, uid: &ClusterUid) -> ObjectReference {
    ObjectReference {
        api_version: Some(DatabaseCluster::api_version(&()).into_owned()),
        kind: Some(DatabaseCluster::kind(&()).into_owned()),
        namespace: Some(cluster.namespace.to_string()),
        name: Some(cluster.name.to_string()),
        uid: Some(uid.to_string()),
        ..ObjectReference::default()
    }
}

/// One event to tell.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) type_: EventType,
    pub(super) reason: &'static str,
    /// What it is about, in a word. It tells events of one reason apart, which would else be counted as repetitions of the first.
    pub(super) action: String,
    pub(super) note: String,
}

/// What was last seen of each cluster.
#[derive(Debug, Default)]
struct Chronicle(HashMap<ClusterUid, Last>);

#[derive(Debug, Default)]
struct Last {
    rule: Option<Rule>,
    /// The switchover that was done when a primary last served.
    switched: Option<Nonce>,
    /// The loss that was accepted when a primary last served.
    loss: Option<AcceptedLoss>,
    /// The switchover that was asked for last.
    asked: Option<Nonce>,
    /// Since when there is no primary.
    without: Option<Instant>,
}

impl Chronicle {
    fn take(&mut self, change: &Change, now: Instant) -> Option<Told> {
        match change {
            Change::Intent(uid, Some(stored)) => self.0.entry(uid.clone()).or_default().intent(&stored.value),
            Change::Rule(uid, Some(stored)) => {
                self.0.entry(uid.clone()).or_default().rule(&stored.value, now)
            }
            Change::Rule(uid, None) => {
                self.0.remove(uid);
                None
            }
            Change::Intent(_, None) | Change::Member(..) | Change::Route(..) => None,
        }
    }
}

impl Last {
    fn intent(&mut self, intent: &Intent) -> Option<Told> {
        let asked = intent.switchover.as_ref()?;
        let known = self.asked.replace(asked.nonce.clone());
        let done = self.rule.as_ref().and_then(|rule| rule.switched.as_ref());
        if known.as_ref() == Some(&asked.nonce) || done == Some(&asked.nonce) {
            return None;
        }
        let to = asked.to.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
        Some(Told {
            type_: EventType::Normal,
            reason: "SwitchoverRequested",
            action: format!("Switchover-{}", asked.nonce),
            note: format!("A switchover{to} is asked for (request {})", asked.nonce),
        })
    }

    fn rule(&mut self, new: &Rule, now: Instant) -> Option<Told> {
        let Some(old) = self.rule.replace(new.clone()) else {
            self.switched.clone_from(&new.switched);
            self.loss.clone_from(&new.loss);
            return None;
        };
        match new.phase {
            Phase::Bootstrapping => None,
            Phase::Switching => {
                self.without.get_or_insert(now);
                (old.phase != Phase::Switching).then(|| handing_over(new))
            }
            Phase::Electing => {
                self.without.get_or_insert(now);
                let planned = old.phase == Phase::Switching;
                (new.term != old.term && !planned).then(|| election(new))
            }
            Phase::Serving => {
                let without = self.without.take().map(|since| now.duration_since(since));
                let switched = self.switched != new.switched;
                self.switched.clone_from(&new.switched);
                let lost = self.loss != new.loss && new.loss.as_ref().is_some_and(|loss| loss.used);
                self.loss.clone_from(&new.loss);
                match old.phase {
                    Phase::Bootstrapping => None,
                    Phase::Serving | Phase::Switching | Phase::Electing if lost => {
                        Some(at_loss(&old.primary, new))
                    }
                    Phase::Serving if new.term == old.term && !switched => None,
                    Phase::Switching if new.term == old.term => Some(given_up(new)),
                    Phase::Serving | Phase::Switching | Phase::Electing => {
                        Some(serves(&old.primary, new, switched, without))
                    }
                }
            }
        }
    }
}

fn handing_over(rule: &Rule) -> Told {
    Told {
        type_: EventType::Normal,
        reason: "SwitchoverBegan",
        action: about(rule.term),
        note: format!("{} hands over; clients wait", rule.primary.member),
    }
}

fn given_up(rule: &Rule) -> Told {
    Told {
        type_: EventType::Warning,
        reason: "SwitchoverGivenUp",
        action: about(rule.term),
        note: format!("{} did not hand over and serves on in term {}", rule.primary.member, rule.term),
    }
}

fn election(rule: &Rule) -> Told {
    let last = &rule.primary.member;
    let why = match (&rule.cause, rule.coordinator.as_ref().map(|by| &by.member)) {
        (Some(cause), Some(by)) if *by != cause.leader => format!("{cause}; {by} runs the election"),
        (Some(cause), _) => cause.to_string(),
        (None, _) => format!("the primary {last} does not go on as it was"),
    };
    Told {
        type_: EventType::Warning,
        reason: "ElectionBegan",
        action: about(rule.term),
        note: format!("Term {} is being elected: {why}", rule.term),
    }
}

fn serves(before: &Identity, rule: &Rule, switched: bool, without: Option<Duration>) -> Told {
    let primary = &rule.primary.member;
    let took = without.map(|took| format!(", {:.1} s after ", took.as_secs_f64()));
    let took = took.map(|took| took + if switched { "the hand-over began" } else { "the election began" });
    // One that nobody waited for was to whom it was already.
    let (type_, reason) = match (switched, without) {
        (false, _) => (EventType::Normal, "PrimaryElected"),
        (true, Some(_)) if before == &rule.primary => (EventType::Warning, "SwitchoverGivenUp"),
        (true, _) => (EventType::Normal, "SwitchoverDone"),
    };
    Told {
        type_,
        reason,
        action: about(rule.term),
        note: format!(
            "{primary} is the primary of term {}{}; {}",
            rule.term,
            took.unwrap_or_default(),
            was(&before.member, primary)
        ),
    }
}

fn at_loss(before: &Identity, rule: &Rule) -> Told {
    Told {
        type_: EventType::Warning,
        reason: "LossAccepted",
        action: about(rule.term),
        note: format!(
            "{} is the primary of term {}, because a person accepted that commits which only the lost members held are gone; {}",
            rule.primary.member,
            rule.term,
            was(&before.member, &rule.primary.member)
        ),
    }
}

fn was(before: &MemberId, primary: &MemberId) -> String {
    if before == primary { "it was before, too".to_owned() } else { format!("{before} was before") }
}

fn about(term: Term) -> String {
    format!("Term-{term}")
}

#[cfg(test)]
mod tests;
