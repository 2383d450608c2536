//! A plan and its steps. Each step is one external effect, names the object it is meant for by uid and resourceVersion, and
//! leaves its executor nothing to decide.

use super::observed::{NotedGrant, Revision};
use super::report::Report;
use crate::ids::{ClaimUid, MemberId, Nonce};
use crate::term::Term;
use crate::topology::{Identity, Intent};
use serde::Serialize;

/// What to do now, and what is awaited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Independent of each other: they may run at the same time, and the failure of one stops none of the others.
    pub chains: Vec<Chain>,
    /// What is known and awaited, for people.
    pub report: Report,
}

impl Plan {
    /// Every step, chain after chain.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.chains.iter().flat_map(|chain| chain.0.iter())
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps().next().is_none()
    }
}

/// Steps in order: one that fails, or whose precondition does not hold, ends its chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chain(pub Vec<Step>);

/// One external effect.
///
/// A precondition that does not hold is no error: somebody was faster, and the next plan sees what they did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Step {
    /// Put Berth's finalizer on the cluster, before anything exists that the cluster's deletion would not remove.
    AddFinalizer {
        /// The cluster's resourceVersion.
        resource_version: String,
    },
    /// Note how many member ids are allocated, before they are used.
    NoteCounter {
        /// The new count.
        counter: u64,
        /// The cluster's resourceVersion.
        resource_version: String,
    },
    /// Note the bootstrap grant on the cluster, before it is given.
    NoteGrant {
        /// The grant.
        grant: NotedGrant,
        /// The cluster's resourceVersion.
        resource_version: String,
    },
    /// Note the bootstrap grant on the claim it is for, before it is given.
    NoteGrantOnClaim {
        /// The claim.
        claim: Kept,
        /// The grant's nonce.
        nonce: Nonce,
    },
    /// Note on the cluster that its members have a rule: from now on a missing one is a loss.
    NoteBootstrapped {
        /// The cluster's resourceVersion.
        resource_version: String,
    },
    /// Make a new member's data claim. An existing one of that name is left alone, whoever owns it.
    CreateClaim {
        /// The member.
        member: MemberId,
        /// The claim's name.
        name: String,
    },
    /// Let a claim ask for the desired size.
    GrowClaim {
        /// The claim.
        claim: Kept,
        /// The size as it was written.
        size: String,
    },
    /// Let a volume outlive its claim.
    RetainVolume {
        /// The volume.
        volume: String,
        /// The uid of the claim that the volume must be bound to.
        claim: ClaimUid,
    },
    /// Note on a claim that its member has left.
    RetireClaim {
        /// The claim.
        claim: Kept,
    },
    /// Make the disruption budget. An existing one of its name is left alone, whoever owns it.
    CreateBudget {
        /// How many members' pods must stay available.
        min_available: u32,
    },
    /// Change what the disruption budget says.
    ChangeBudget {
        /// Its uid.
        uid: String,
        /// How many members' pods must stay available.
        min_available: u32,
    },
    /// Make the owner's Secret and its verifier, or bring the verifier up to date.
    EnsureAccess,
    /// Issue the certificates that are missing.
    EnsureCertificates {
        /// The members that need one.
        members: Vec<MemberId>,
    },
    /// Make the cluster's user in the topology, and its rights.
    EnsureUser,
    /// Write the intent.
    PutIntent {
        /// The intent.
        intent: Box<Intent>,
        /// The revision of the one that was read, or none if there was none.
        expected: Option<Revision>,
    },
    /// Make a member's pod on its own claim. An existing one of that name is left alone, whoever owns it.
    CreatePod {
        /// The member and the claim it must run on.
        identity: Identity,
    },
    /// Delete a pod.
    DeletePod(DeletePod),
    /// Take Berth's finalizer off a pod that is being deleted, because its processes are known to have ended.
    ReleasePod {
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
        /// Its resourceVersion.
        resource_version: String,
        /// How that is known.
        because: Ended,
    },
    /// Remove what a member that left said of itself.
    RemoveMember {
        /// The member.
        member: MemberId,
    },
    /// Remove every record of the cluster, and its user.
    RemoveRecords,
    /// Take Berth's finalizer off the cluster: nothing of it is left but what is kept for good.
    RemoveFinalizer {
        /// The cluster's resourceVersion.
        resource_version: String,
    },
}

/// A claim that a step changes and that must still be the one that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: ClaimUid,
    /// Its resourceVersion.
    pub resource_version: String,
}

/// The deletion of a pod, with all that must still hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeletePod {
    /// The pod's name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// The rule's term when this was decided; a higher one makes the decision void.
    pub term: Option<Term>,
    /// Why.
    pub why: Why,
}

/// Why a pod is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Why {
    /// All its containers ended and none starts again: a new pod takes its place on the same claim.
    Ended,
    /// It never started and was rendered from an older revision: a new one may do better.
    NeverStarted,
    /// It is not the primary's, ends again and again, and was rendered from an older revision.
    Failing,
    /// Its member has left the voters and the cluster.
    Left,
    /// The cluster is being deleted.
    ClusterDeleted,
}

/// How it is known that a pod's processes have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Ended {
    /// The kubelet reported the end of every container.
    Reported,
    /// It was never bound to a node.
    NeverBound,
    /// Its node is gone.
    NodeGone,
    /// Its node is tainted out-of-service.
    NodeOutOfService,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AddFinalizer { .. } => write!(f, "put the finalizer on the cluster"),
            Self::NoteCounter { counter, .. } => write!(f, "note that {counter} member ids are allocated"),
            Self::NoteGrant { grant, .. } => {
                write!(f, "note that {} may initialise the cluster", grant.member)
            }
            Self::NoteGrantOnClaim { claim, .. } => {
                write!(f, "note on claim {} that it may be initialised", claim.name)
            }
            Self::NoteBootstrapped { .. } => write!(f, "note that the cluster was initialised"),
            Self::CreateClaim { name, .. } => write!(f, "create claim {name}"),
            Self::GrowClaim { claim, size } => write!(f, "grow claim {} to {size}", claim.name),
            Self::RetainVolume { volume, .. } => write!(f, "let volume {volume} outlive its claim"),
            Self::RetireClaim { claim } => write!(f, "mark claim {} as kept without a member", claim.name),
            Self::CreateBudget { min_available } | Self::ChangeBudget { min_available, .. } => {
                write!(f, "let Kubernetes evict a pod only while {min_available} others are available")
            }
            Self::EnsureAccess => write!(f, "bring the owner's secret up to date"),
            Self::EnsureCertificates { members } => write!(f, "issue {} certificates", members.len()),
            Self::EnsureUser => write!(f, "give the members their rights in the topology"),
            Self::PutIntent { intent, .. } => {
                write!(f, "tell the members what generation {} asks", intent.generation)
            }
            Self::CreatePod { identity } => write!(f, "create pod {}", identity.member),
            Self::DeletePod(delete) => write!(f, "delete pod {}: {}", delete.name, delete.why.sentence()),
            Self::ReleasePod { name, .. } => write!(f, "let pod {name} go: its processes have ended"),
            Self::RemoveMember { member } => write!(f, "forget what {member} said of itself"),
            Self::RemoveRecords => write!(f, "remove the cluster from the topology"),
            Self::RemoveFinalizer { .. } => write!(f, "let the cluster go"),
        }
    }
}

impl Why {
    /// Why, in words.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Ended => "it ended, and a new one takes its place on the same claim",
            Self::NeverStarted => "it never started, and the spec has changed since",
            Self::Failing => "it ends again and again, and the spec has changed since",
            Self::Left => "its member has left",
            Self::ClusterDeleted => "the cluster is being deleted",
        }
    }
}
