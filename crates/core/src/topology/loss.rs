//! The loss of commits that a person accepts, because too many volumes are gone for an election to end by itself.

use super::Identity;
use crate::term::Term;
use serde::{Deserialize, Serialize};

/// What a person writes: go on without what only the lost members held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub struct AcceptLoss {
    /// The term that cannot be gone on with otherwise. The word counts for the term after this one and for no other.
    pub term: Term,
    /// Who begins the election that follows.
    pub member: Identity,
}

/// What came of it. It stays in the rule, so that nobody forgets that it was so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub struct AcceptedLoss {
    /// What a person wrote.
    pub accepted: AcceptLoss,
    /// Whether a term was decided by it. Otherwise enough members were there after all, and nothing was lost.
    pub used: bool,
}
