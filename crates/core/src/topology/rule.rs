//! Who is primary, in which term, and whose acknowledgement counts. Changed by members alone, by compare-and-swap.

use super::cause::Cause;
use super::loss::AcceptedLoss;
use super::rebuild::Rebuild;
use crate::ids::{ClaimUid, MemberId, Nonce};
use crate::position::LogPosition;
use crate::term::{Term, Timeline};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// A member on a particular claim. A new empty volume under an old id is somebody else, and never inherits a vote or a promise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The member.
    pub member: MemberId,
    /// The uid of its data claim.
    pub claim: ClaimUid,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on claim {}", self.member, self.claim)
    }
}

/// The one record that says who is primary. Nothing starts read-write without it.
///
/// *Invariant*: the names in the engine's setting are a subset of `voters`, and it waits for at least `acks` of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub struct Rule {
    /// The term. Grows with every change of who may serve.
    pub term: Term,
    /// What the members are doing in this term.
    pub phase: Phase,
    /// Serving: the primary of this term. Bootstrapping: who holds the grant. Electing and Switching: who served last.
    pub primary: Identity,
    /// Who runs the election. Present in Electing and Switching only.
    pub coordinator: Option<Identity>,
    /// The timeline allocated to this term; the primary of the term serves on exactly this one.
    pub timeline: Timeline,
    /// Where that timeline begins, so that every member can tell which of its log belongs to which term. Absent until the promotion.
    #[serde(default)]
    pub branched: Option<LogPosition>,
    /// The standbys whose acknowledgement counts.
    pub voters: BTreeSet<Identity>,
    /// How many of them every acknowledged commit is on (W).
    pub acks: u32,
    /// How many of them must grant the primary its lease (G), so that no set of the others elects without one of them. As many as `acks`, but 1 in
    /// mode Async, where no commit waits. 0 if only the primary itself may be followed by a new term: while it is alone, and Degraded.
    #[serde(default)]
    pub grants: u32,
    /// Electing: whom the coordinator chose, and whose acknowledgement will count. Until that term serves, `voters` and `acks` are those of the term
    /// that served last, because what was acknowledged was acknowledged under them.
    #[serde(default)]
    pub proposal: Option<Proposal>,
    /// Why the term before this one was not gone on with. Absent in the first term.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The loss of commits that a person accepted last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<AcceptedLoss>,
    /// The rebuilding of a lost topology that was done last, or is being done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<Rebuild>,
    /// The planned switchover that was done last.
    #[serde(default)]
    pub switched: Option<Nonce>,
    /// The engine's identity of the data (PostgreSQL's system identifier). Absent until the database has been initialised.
    pub system: Option<String>,
    /// The grant that this cluster was initialised with.
    pub grant: Nonce,
}

impl Rule {
    /// Everybody whom it names, in whatever part; some of them more than once.
    pub fn named(&self) -> impl Iterator<Item = &Identity> {
        let proposed = self.proposal.iter().flat_map(|next| next.voters.iter().chain([&next.candidate]));
        let rebuilt = self.rebuild.iter().flat_map(|rebuild| &rebuild.of);
        [&self.primary]
            .into_iter()
            .chain(&self.coordinator)
            .chain(&self.voters)
            .chain(proposed)
            .chain(rebuilt)
    }

    /// Everybody who must say what they hold before this term can be decided, where nobody knows whose word would be enough.
    pub fn everybody(&self) -> Option<&BTreeSet<Identity>> {
        let everybody = self.rebuild.as_ref().map(|rebuild| &rebuild.of)?;
        (self.phase == Phase::Electing && !everybody.is_empty()).then_some(everybody)
    }
}

/// Who is to serve in a term, and on whose acknowledgements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub struct Proposal {
    /// The member that is to be promoted.
    pub candidate: Identity,
    /// The standbys whose acknowledgement will count.
    pub voters: BTreeSet<Identity>,
    /// How many of them a commit will wait for.
    pub acks: u32,
    /// How many of them will have to grant the lease.
    pub grants: u32,
    /// Where the candidate's log ended when it was chosen: the term's timeline begins there or before. Absent if that is not known, because the
    /// candidate is the primary itself.
    #[serde(default)]
    pub end: Option<LogPosition>,
}

impl Rule {
    /// Who speaks for the term: the primary, or while there is none whoever was chosen, or who chooses.
    pub fn leader(&self) -> &Identity {
        match self.phase {
            Phase::Bootstrapping | Phase::Serving | Phase::Switching => &self.primary,
            Phase::Electing => {
                let chosen = self.proposal.as_ref().map(|proposal| &proposal.candidate);
                chosen.or(self.coordinator.as_ref()).unwrap_or(&self.primary)
            }
        }
    }

    /// How many voters the primary cannot do without: so many acknowledge each commit, or at least grant it its lease. No set of members that
    /// leaves out fewer of the voters than this, or the primary itself, misses anything. 0 if only the primary holds all.
    pub fn holders(&self) -> u32 {
        self.acks.max(self.grants)
    }

    /// Whether a person accepted that this very term is decided by those who are there.
    pub fn may_lose(&self) -> bool {
        self.phase == Phase::Electing
            && self.loss.as_ref().is_some_and(|loss| loss.accepted.term.next() == self.term)
    }

    /// The voters and acknowledgements that the term's own names and quorum are made of.
    pub fn slate(&self) -> (&BTreeSet<Identity>, u32) {
        match &self.proposal {
            Some(proposal) => (&proposal.voters, proposal.acks),
            None => (&self.voters, self.acks),
        }
    }
}

/// What the members are doing in a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// The granted member makes the database.
    Bootstrapping,
    /// The primary runs, read-write. Whether tenants are let in is the route's admission.
    Serving,
    /// The term has no primary yet; one is being chosen.
    Electing,
    /// A planned hand-over is under way.
    Switching,
}
