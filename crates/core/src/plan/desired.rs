//! What is desired of one cluster, after its class and the defaults were filled in and everything was checked once.

use crate::topology::{Access, Durability, DurabilityMode, EngineKind};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// The spec, as the operator understood it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Wish {
    /// It can be carried out.
    Valid(Box<Desired>),
    /// It cannot. The cluster is left as it is, and the problems are reported.
    Invalid(Vec<Problem>),
}

/// What is desired of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Desired {
    /// How many members.
    pub members: u32,
    /// How many members a commit must be on.
    pub durability: Durability,
    /// Which adapter runs the database.
    pub engine: EngineKind,
    /// Engine settings by the engine's own names.
    pub parameters: BTreeMap<String, String>,
    /// The database and the role for the application.
    pub access: Access,
    /// The size of the data volume.
    pub size: Size,
    /// What the operator would render a pod from, as a short hash. A pod of another revision is out of date.
    pub revision: String,
    /// Whether nothing new may begin.
    pub paused: bool,
    /// The planned switchover that is asked for.
    pub switchover: Option<Request>,
    /// The loss that is accepted.
    pub accept_loss: Option<LossWord>,
    /// The rebuilding of a lost topology that is asked for.
    pub rebuild: Option<RebuildWord>,
}

/// The rebuilding of a lost topology, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RebuildWord {
    /// What tells this request from any other.
    pub token: String,
    /// The members that are given up, and need not say what they hold.
    pub without: Vec<String>,
}

/// A loss that is accepted, as it was written. Whether it can be followed is another matter, and no reason to stop anything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LossWord {
    /// The term that cannot be gone on with otherwise.
    pub term: u64,
    /// Who begins the election that follows.
    pub member: String,
}

/// A planned switchover as it was asked for. Whether it can be carried out is another matter, and no reason to stop anything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// What tells this request from any other.
    pub token: String,
    /// Who is to be primary; anybody who holds all if absent.
    pub to: Option<String>,
}

/// A size as it was written, and in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Bytes.
    pub bytes: u64,
    /// The quantity as it was written.
    pub text: String,
}

/// What is wrong with a spec, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The field, such as `spec.durability.acks`.
    pub field: String,
    /// What to do.
    pub advice: String,
}

impl Problem {
    /// A problem of a field.
    pub fn new(field: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { field: field.into(), advice: advice.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.advice)
    }
}

/// The most members a cluster may have, as in the API's schema.
const MOST_MEMBERS: u32 = 16;

impl Desired {
    /// Checks what no schema can, because it holds only after a class was filled in.
    pub fn checked(self) -> Wish {
        let mut problems = Vec::new();
        if !(1..=MOST_MEMBERS).contains(&self.members) {
            problems.push(Problem::new(
                "spec.members",
                format!("choose between 1 and {MOST_MEMBERS} members, not {}", self.members),
            ));
        }
        let Durability { mode, acks, on_loss: _ } = self.durability;
        match mode {
            DurabilityMode::Quorum if self.members > 1 && acks == 0 => problems.push(Problem::new(
                "spec.durability.acks",
                "choose at least 1 acknowledgement in mode Quorum, or mode Async",
            )),
            DurabilityMode::Quorum if self.members > 1 && acks >= self.members => problems.push(Problem::new(
                "spec.durability.acks",
                format!("choose fewer acknowledgements than the {} members, not {acks}: the primary does not acknowledge to itself", self.members),
            )),
            DurabilityMode::Quorum | DurabilityMode::Async | DurabilityMode::All => {}
        }
        if self.size.bytes == 0 {
            problems.push(Problem::new(
                "spec.storage.data.size",
                "choose a size, such as 20Gi, here or in the class",
            ));
        }
        if problems.is_empty() { Wish::Valid(Box::new(self)) } else { Wish::Invalid(problems) }
    }
}
