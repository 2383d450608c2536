//! What the operator saw of one cluster: the object, its children, the topology, and what the API refused.
//!
//! Slim on purpose: what no decision needs is not here. Objects are kept by name, and each says itself whose it is, because one of
//! our name that is somebody else's must be seen and left alone.

mod pod;

pub use pod::{Container, ContainerState, Node, NodeState, Pod, PodPhase, Processes};

use crate::ids::{ClaimUid, ClusterRef, ClusterUid, MemberId, Nonce};
use crate::term::Generation;
use crate::topology::{Identity, Intent, MemberRecord, Phase, Rule};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A moment, in seconds since 1970 (UTC): the resolution of the Kubernetes API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

/// The topology store's counter, as a compare-and-swap expects it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub i64);

impl Observed {
    /// What the topology holds, if it could be read.
    pub fn known(&self) -> Option<&Known> {
        match &self.topology {
            Topology::Known(known) => Some(known),
            Topology::Away { .. } => None,
        }
    }

    /// The rule, if the topology could be read and has one.
    pub fn rule(&self) -> Option<&Rule> {
        self.known().and_then(|known| known.rule.as_ref()).map(|stored| &stored.value)
    }

    /// The rule's primary, for as long as the members may need it. Once another was chosen in its place, one whose claim is gone is needed no more;
    /// and the chosen one may need those who replace it, to serve.
    pub fn served_last(&self) -> Option<&Identity> {
        let rule = self.rule()?;
        let there = self.member_claims().any(|(identity, _)| identity == rule.primary);
        (there || rule.proposal.is_none()).then_some(&rule.primary)
    }

    /// Who leads the rule's term: the primary; while one is being elected, who was chosen, else who coordinates. Its pod is not touched while it may run.
    pub fn leader(&self) -> Option<&Identity> {
        let rule = self.rule()?;
        Some(match rule.phase {
            Phase::Bootstrapping | Phase::Serving | Phase::Switching => &rule.primary,
            Phase::Electing => {
                let chosen = rule.proposal.as_ref().map(|next| &next.candidate);
                chosen.or(rule.coordinator.as_ref()).unwrap_or(&rule.primary)
            }
        })
    }

    /// Whether a member leads the rule's term.
    pub fn leads(&self, member: &MemberId) -> bool {
        self.leader().is_some_and(|leader| leader.member == *member)
    }

    /// Whether the rule names a member in any part, on whatever claim.
    pub fn in_rule(&self, member: &MemberId) -> bool {
        self.rule().is_some_and(|rule| rule.named().any(|identity| identity.member == *member))
    }

    /// The intent, if the topology could be read and has one.
    pub fn intent(&self) -> Option<&Intent> {
        self.known().and_then(|known| known.intent.as_ref()).map(|stored| &stored.value)
    }

    /// Whether a pod is this cluster's. Any other is left alone.
    pub fn owns_pod(&self, pod: &Pod) -> bool {
        pod.owner.as_ref() == Some(&self.cluster.uid)
    }

    /// Whether a claim is this cluster's. Any other is left alone.
    pub fn owns_claim(&self, claim: &Claim) -> bool {
        claim.cluster.as_ref() == Some(&self.cluster.uid)
    }

    /// The pods of this cluster, each with its member.
    pub fn own_pods(&self) -> impl Iterator<Item = (&MemberId, &Pod)> {
        self.pods
            .values()
            .filter(|pod| self.owns_pod(pod))
            .filter_map(|pod| Some((pod.member.as_ref()?, pod)))
    }

    /// The pod of a member, if it is this cluster's.
    pub fn pod_of(&self, member: &MemberId) -> Option<&Pod> {
        self.own_pods().find(|(of, _)| *of == member).map(|(_, pod)| pod)
    }

    /// The claims of this cluster's members: those that are retired or being deleted are no members' any more.
    pub fn member_claims(&self) -> impl Iterator<Item = (Identity, &Claim)> {
        self.claims.values().filter(|claim| self.owns_claim(claim) && claim.retired.is_none()).filter_map(
            |claim| Some((Identity { member: claim.member.clone()?, claim: claim.uid.clone() }, claim)),
        )
    }
}

/// All that was seen of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// When.
    pub now: Time,
    /// A value never used before: the nonce of a grant, should this plan make one.
    pub fresh: Nonce,
    /// The `DatabaseCluster`.
    pub cluster: Cluster,
    /// Claims by name: those labelled with the cluster's uid, and those of other owners that a create ran into.
    pub claims: BTreeMap<String, Claim>,
    /// Pods by name: those labelled with the cluster's uid, and those of other owners that a create ran into.
    pub pods: BTreeMap<String, Pod>,
    /// Its disruption budget.
    pub budget: Option<Budget>,
    /// Its Secrets.
    pub secrets: Secrets,
    /// The topology's records of it.
    pub topology: Topology,
    /// What the API refused when it was last asked, and has not accepted since.
    pub refused: BTreeMap<Refused, Refusal>,
}

/// The `DatabaseCluster` itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cluster {
    /// Its namespace and name.
    pub name: ClusterRef,
    /// Its uid.
    pub uid: ClusterUid,
    /// Its resourceVersion: what a patch of its metadata expects.
    pub resource_version: String,
    /// Its generation.
    pub generation: Generation,
    /// How many member ids were allocated (annotation).
    pub counter: u64,
    /// The bootstrap grant that was noted on it (annotation).
    pub grant: Option<NotedGrant>,
    /// Whether its members were ever seen to have a rule (annotation).
    pub bootstrapped: bool,
    /// Whether Berth's finalizer is on it.
    pub finalizer: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
}

/// The bootstrap grant as it is noted on the cluster, before it is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedGrant {
    /// Who may initialise the cluster.
    pub member: MemberId,
    /// The uid of its data claim.
    pub claim: ClaimUid,
    /// What tells this grant from any other.
    pub nonce: Nonce,
}

impl NotedGrant {
    /// Whom it names.
    pub fn identity(&self) -> Identity {
        Identity { member: self.member.clone(), claim: self.claim.clone() }
    }
}

/// A member's data claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: ClaimUid,
    /// Its resourceVersion.
    pub resource_version: String,
    /// The uid of the cluster that it is labelled with.
    pub cluster: Option<ClusterUid>,
    /// The member that it is labelled with.
    pub member: Option<MemberId>,
    /// When it was made.
    pub created: Time,
    /// Since when its member is no member any more.
    pub retired: Option<Time>,
    /// The nonce of the grant that was noted on it.
    pub grant: Option<Nonce>,
    /// Whether somebody is deleting it.
    pub deleting: bool,
    /// The bytes it asks for.
    pub requested: u64,
    /// The volume it is bound to.
    pub volume: Option<Volume>,
    /// Why it is not bound, where the API says so.
    pub problem: Option<ClaimProblem>,
}

/// Why a claim is not bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum ClaimProblem {
    /// Its storage class does not exist.
    NoClass {
        /// The class, or none for the default class.
        class: Option<String>,
    },
    /// The provisioner said no.
    Provisioning {
        /// Its words.
        message: String,
    },
}

/// The volume that a claim is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Whether it outlives its claim (reclaim policy Retain).
    pub retained: bool,
}

/// The disruption budget of a cluster's pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// Its uid.
    pub uid: String,
    /// The uid of the cluster that controls it, by its owner reference.
    pub owner: Option<ClusterUid>,
    /// How many pods must stay available; none if it says so otherwise than by a number.
    pub min_available: Option<u32>,
}

/// The Secrets of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Secrets {
    /// The owner's Secret and the verifier that is derived from it.
    pub access: SecretState,
    /// The members that have a certificate in date.
    pub certificates: BTreeSet<MemberId>,
}

/// What is known of the owner's Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum SecretState {
    /// It, or its verifier, is not there or not of the password of now.
    Outdated,
    /// It is there, and its verifier is of its password.
    Current,
    /// The Secret that the user named is not there, or has no usable password.
    Awaited {
        /// Its name.
        name: String,
        /// What is missing.
        missing: String,
    },
}

/// What the topology holds of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Topology {
    /// It could not be read: nothing is known, which is not the same as nothing being there.
    Away {
        /// Why.
        reason: String,
    },
    /// It was read.
    Known(Box<Known>),
}

/// What the topology holds of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Known {
    /// Whether the cluster's user and rights were made since this operator began.
    pub user: bool,
    /// What the operator asks.
    pub intent: Option<Stored<Intent>>,
    /// Who is primary.
    pub rule: Option<Stored<Rule>>,
    /// What the members say of themselves.
    pub members: BTreeMap<MemberId, MemberRecord>,
}

/// A record with the revision of its last write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stored<T> {
    /// The record.
    pub value: T,
    /// The revision of its last write.
    pub revision: Revision,
}

/// An object that the API refused to make or change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Refused {
    /// A pod, by name.
    Pod(String),
    /// A claim, by name.
    Claim(String),
    /// A volume, by name.
    Volume(String),
    /// A Secret, by name.
    Secret(String),
    /// A disruption budget, by name.
    Budget(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(name) => write!(f, "pod {name}"),
            Self::Claim(name) => write!(f, "claim {name}"),
            Self::Volume(name) => write!(f, "volume {name}"),
            Self::Secret(name) => write!(f, "secret {name}"),
            Self::Budget(name) => write!(f, "disruption budget {name}"),
        }
    }
}

/// Why the API refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The kind of the reason.
    pub kind: RefusalKind,
    /// The API's words.
    pub message: String,
    /// Since when.
    pub since: Time,
}

/// The kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum RefusalKind {
    /// An object of that name belongs to somebody else.
    Foreign,
    /// A quota is used up.
    Quota,
    /// An admission webhook or policy said no, or did not answer.
    Webhook,
    /// The Pod Security standard of the namespace said no.
    PodSecurity,
    /// The operator's rights do not suffice.
    Forbidden,
    /// The object is not valid in the API's eyes.
    Invalid,
    /// The namespace is being deleted.
    Terminating,
    /// Anything else, such as a timeout.
    Other,
}
