//! A topology that is to be rebuilt from what its members hold, because it was lost with nobody left who could write it back.

use super::Identity;
use crate::ids::Nonce;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a person asks for: an election in which everybody must say what they hold, because nobody knows any more whose word would be enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub struct Rebuild {
    /// What tells this asking from any other.
    pub nonce: Nonce,
    /// Who begins the election.
    pub by: Identity,
    /// Everybody who must say what they hold: all members, but for those that the person gave up. In the rule it is empty once the term that
    /// came of it, or one after that, has served.
    pub of: BTreeSet<Identity>,
}

impl Rebuild {
    /// The same when it is done.
    #[must_use]
    pub fn done(self) -> Self {
        Self { of: BTreeSet::new(), ..self }
    }
}
