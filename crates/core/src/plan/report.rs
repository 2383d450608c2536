//! What is known of a cluster and what it waits for, as status, events and the command line say it.
//!
//! Only the words: `summary` fills them in. When a wait began is taken over from the report before, so that it keeps its
//! beginning however often it is seen.

use super::observed::Time;
use super::waiting::{Needs, Waiting};
use crate::ids::MemberId;
use crate::term::Term;
use crate::topology::{Identity, Replication};
use serde::Serialize;

/// What is known of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What it is doing, in a word.
    pub stage: Stage,
    /// How many members are asked for; none while the spec is not valid.
    pub asked: Option<u32>,
    /// Every member, the primary first.
    pub members: Vec<MemberReport>,
    /// The member that takes writes.
    pub primary: Option<MemberId>,
    /// The rule's term.
    pub term: Option<Term>,
    /// What became of the switchover that is asked for.
    pub switchover: Option<SwitchoverReport>,
    /// What became of a loss that somebody accepted.
    pub loss: Option<LossReport>,
    /// The conditions, in the order of their types.
    pub conditions: Vec<Condition>,
    /// What is awaited: what needs a person first.
    pub waiting: Vec<Waiting>,
    /// The steps of the plan, for people; none when there is nothing to do.
    pub doing: Vec<String>,
}

/// What a cluster is doing, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Stage {
    /// It has not served yet.
    Creating,
    /// A primary serves.
    Serving,
    /// A primary is being chosen, or the one that was does not take writes yet.
    Electing,
    /// A planned hand-over is under way.
    Switching,
    /// It is paused.
    Paused,
    /// Its spec cannot be carried out.
    Invalid,
    /// Nothing goes on without a person.
    Blocked,
    /// It is being deleted.
    Deleting,
    /// The topology cannot be read; the members may well serve.
    Unknown,
}

/// What became of a switchover that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SwitchoverReport {
    /// The request.
    pub request: String,
    /// How far it has come.
    pub state: Switched,
    /// The same in a sentence.
    pub message: String,
}

/// How far a switchover has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Switched {
    /// The members have not begun it.
    Asked,
    /// The members are at it.
    UnderWay,
    /// The members have ended it, or there is nothing to do.
    Done,
    /// It cannot be carried out.
    Refused,
}

/// What became of a loss that somebody accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LossReport {
    /// The term that could not be gone on with otherwise.
    pub term: Term,
    /// Who was to begin the election after it.
    pub member: String,
    /// How far it has come.
    pub state: LossState,
    /// The same in a sentence.
    pub message: String,
}

/// How far the acceptance of a loss has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum LossState {
    /// The members have not begun to use it.
    Asked,
    /// The members elect the term after it.
    UnderWay,
    /// A term was decided by it.
    Used,
    /// The members went on without it; nothing was lost.
    NotNeeded,
    /// It cannot be followed.
    Refused,
}

/// What is known of a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemberReport {
    /// The member and its claim.
    pub identity: Identity,
    /// Its role, by the rule.
    pub role: Role,
    /// What it is doing.
    pub state: MemberState,
    /// Whether it is in its place.
    pub in_place: bool,
    /// The node of its pod.
    pub node: Option<String>,
    /// The revision of its pod.
    pub revision: Option<String>,
    /// Replicas: whether the log arrives in bounds.
    pub replication: Option<Replication>,
    /// What it waits for, in its own words.
    pub trouble: Option<String>,
    /// Settings that wait for a restart.
    pub pending_restart: Vec<String>,
}

/// The role of a member, by the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Role {
    /// It takes writes, hands over, or makes the database.
    Primary,
    /// It was chosen to be the primary of the term that is being elected.
    Candidate,
    /// It follows.
    Replica,
}

/// What a member is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum MemberState {
    /// It has no pod.
    Absent,
    /// Its pod waits for a node, a volume or an image.
    Pending,
    /// Its pod runs; its agent has not spoken, or awaits the topology's word.
    Waiting,
    /// It makes the database.
    Initializing,
    /// It copies the data.
    Cloning,
    /// The database starts or recovers.
    Starting,
    /// It follows the primary.
    Following,
    /// It is the primary and runs read-write.
    Serving,
    /// It shuts down, or its pod is being deleted.
    Stopping,
    /// It leaves the cluster.
    Leaving,
}

/// The types of conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum ConditionType {
    /// The spec is fully realised and every member is in its place.
    Ready,
    /// A primary takes writes through the proxy.
    Available,
    /// A plan is being carried out.
    Progressing,
    /// Every commit is on the asked number of members.
    Durable,
    /// Nothing can go on without a person.
    Blocked,
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// Its type.
    pub kind: ConditionType,
    /// Whether it holds.
    pub holds: Truth,
    /// A word for why.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Truth {
    /// It does.
    True,
    /// It does not.
    False,
    /// What it rests on cannot be read.
    Unknown,
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

impl Truth {
    /// As the Kubernetes API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl ConditionType {
    /// As the Kubernetes API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Available => "Available",
            Self::Progressing => "Progressing",
            Self::Durable => "Durable",
            Self::Blocked => "Blocked",
        }
    }
}

/// A wait as it was reported before, by the status or by this process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Before {
    /// Its reason.
    pub reason: String,
    /// What it was on, as [`super::Awaited::on`] writes it.
    pub on: String,
    /// Since when.
    pub since: Time,
}

impl Report {
    /// Takes over since when each wait is there. A wait is the same if reason and object are; the words about it may change.
    #[must_use]
    pub fn since(mut self, before: &[Before]) -> Self {
        for waiting in &mut self.waiting {
            let object = waiting.on.object();
            let same = before.iter().filter(|b| {
                b.reason == waiting.on.reason()
                    && (b.on == object
                        || b.on.strip_prefix(&object).is_some_and(|rest| rest.starts_with(": ")))
            });
            if let Some(since) = same.map(|b| b.since).min() {
                waiting.since = waiting.since.min(since);
            }
        }
        self
    }

    /// What belongs into `status.blocked`: all that does not go on by itself.
    pub fn blocked(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.iter().filter(|w| w.on.needs() != Needs::Time)
    }

    /// How many members are in their place.
    pub fn in_place(&self) -> usize {
        self.members.iter().filter(|member| member.in_place).count()
    }
}
