//! What a cluster waits for: typed, so that status, events and the command line say the same of it.

use super::observed::{RefusalKind, Time};
use crate::ids::MemberId;
use serde::Serialize;

/// Something that is awaited, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// What.
    pub on: Awaited,
    /// Since when.
    pub since: Time,
}

/// Who can end a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Needs {
    /// Whoever asked for something that cannot be done is to ask for something else. Nothing waits for it.
    Correction,
    /// It goes on by itself: members and Kubernetes are at work.
    Time,
    /// Something outside is away or refuses; it may come back by itself, and a person may help it.
    Surroundings,
    /// Nothing goes on without a person.
    Person,
}

/// What is awaited.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Awaited {
    /// The spec cannot be carried out.
    ValidSpec {
        /// The problems, each with what to do.
        problems: String,
    },
    /// Somebody paused the cluster.
    Resume,
    /// The topology cannot be read.
    Topology {
        /// Why.
        reason: String,
    },
    /// The members had a rule once, and the topology has none now.
    LostRule,
    /// The topology holds another grant than the one that was noted.
    OtherGrant,
    /// The claim that the bootstrap grant names is gone.
    GrantedClaim {
        /// The member.
        member: MemberId,
    },
    /// The primary's claim is gone or being deleted.
    PrimaryClaim {
        /// The member.
        member: MemberId,
        /// Whether no other member could take its place.
        alone: bool,
    },
    /// A member waits to be bound to a volume.
    Volume {
        /// The claim.
        claim: String,
        /// Why it is not bound.
        why: String,
        /// What would help.
        unblock: String,
    },
    /// The API refused an object.
    Admission {
        /// The kind and name of the object: `pod orders-7k2qd`.
        object: String,
        /// The kind of the reason.
        kind: RefusalKind,
        /// The API's words.
        message: String,
    },
    /// The Secret that the user named.
    OwnerSecret {
        /// Its name.
        name: String,
        /// What is missing.
        missing: String,
    },
    /// A node for a member's pod.
    Node {
        /// The member.
        member: MemberId,
        /// The scheduler's words.
        message: String,
    },
    /// An image.
    Image {
        /// The member.
        member: MemberId,
        /// The image.
        image: String,
        /// The kubelet's words.
        message: String,
    },
    /// A container that does not start, or ends again and again.
    Container {
        /// The member.
        member: MemberId,
        /// The kubelet's words.
        message: String,
    },
    /// The end of a pod's processes, which only its silent node could report.
    SilentNode {
        /// The member.
        member: MemberId,
        /// The node.
        node: String,
    },
    /// A pod's containers, to end.
    Termination {
        /// The member.
        member: MemberId,
    },
    /// The first member, to make the database and serve.
    FirstMember {
        /// The member.
        member: MemberId,
    },
    /// A primary, which the members elect.
    Election {
        /// What the members do, as far as their rule tells.
        doing: String,
    },
    /// The end of a planned hand-over.
    HandOver {
        /// Who hands over.
        from: MemberId,
        /// To whom, if somebody was named.
        to: Option<MemberId>,
    },
    /// The beginning of a planned switchover.
    Switchover {
        /// What it waits for.
        why: String,
    },
    /// Another request than one that cannot be carried out.
    OtherSwitchover {
        /// Why it cannot.
        why: String,
    },
    /// A member, to be in its place.
    Member {
        /// The member.
        member: MemberId,
        /// What it is doing, in its own words.
        doing: String,
    },
    /// Room on a member's data volume.
    Room {
        /// The member.
        member: MemberId,
        /// Whether it is the primary, which refuses writes meanwhile.
        primary: bool,
    },
    /// Members to leave the voters before their pods go.
    Leaving {
        /// The member.
        member: MemberId,
    },
    /// A new member in the place of one whose data is beyond repair.
    Rebuild {
        /// The member that goes.
        member: MemberId,
        /// What is wrong with its data.
        why: String,
    },
    /// Pods rendered from an older revision, which are replaced when somebody deletes them.
    OldRevision {
        /// The members.
        members: Vec<MemberId>,
    },
    /// Members that run with a setting which waits for a restart.
    Restart {
        /// The member.
        member: MemberId,
        /// The settings.
        settings: Vec<String>,
    },
}

impl Awaited {
    /// A word for columns, alerts and condition reasons.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ValidSpec { .. } => "Invalid",
            Self::Resume => "Paused",
            Self::Topology { .. } => "TopologyAway",
            Self::LostRule => "TopologyLost",
            Self::OtherGrant => "GrantMismatch",
            Self::GrantedClaim { .. } => "GrantedClaimLost",
            Self::PrimaryClaim { .. } => "PrimaryClaimLost",
            Self::Volume { .. } => "VolumeNotBound",
            Self::Admission { kind, .. } => match kind {
                RefusalKind::Foreign => "NameTaken",
                RefusalKind::Quota => "QuotaExceeded",
                RefusalKind::Webhook => "AdmissionDenied",
                RefusalKind::PodSecurity => "PodSecurityDenied",
                RefusalKind::Forbidden => "Forbidden",
                RefusalKind::Invalid => "ObjectInvalid",
                RefusalKind::Terminating => "NamespaceTerminating",
                RefusalKind::Other => "ApiRefused",
            },
            Self::OwnerSecret { .. } => "OwnerSecretMissing",
            Self::Node { .. } => "Unschedulable",
            Self::Image { .. } => "ImageNotAvailable",
            Self::Container { .. } => "ContainerNotStarting",
            Self::SilentNode { .. } => "NodeSilent",
            Self::Termination { .. } => "PodTerminating",
            Self::FirstMember { .. } => "Initializing",
            Self::Election { .. } => "Electing",
            Self::HandOver { .. } => "Switching",
            Self::Switchover { .. } => "SwitchoverAsked",
            Self::OtherSwitchover { .. } => "SwitchoverRefused",
            Self::Member { .. } => "MemberNotInPlace",
            Self::Room { .. } => "DiskFull",
            Self::Leaving { .. } => "MemberLeaving",
            Self::Rebuild { .. } => "MemberRebuilt",
            Self::OldRevision { .. } => "OldRevision",
            Self::Restart { .. } => "RestartPending",
        }
    }

    /// Who can end it.
    pub fn needs(&self) -> Needs {
        match self {
            Self::ValidSpec { .. }
            | Self::LostRule
            | Self::OtherGrant
            | Self::GrantedClaim { .. }
            | Self::PrimaryClaim { alone: true, .. }
            | Self::Room { .. }
            | Self::OwnerSecret { .. } => Needs::Person,
            Self::OtherSwitchover { .. } => Needs::Correction,
            Self::Admission { kind, .. } => match kind {
                RefusalKind::Foreign
                | RefusalKind::PodSecurity
                | RefusalKind::Forbidden
                | RefusalKind::Invalid => Needs::Person,
                RefusalKind::Quota | RefusalKind::Webhook | RefusalKind::Terminating | RefusalKind::Other => {
                    Needs::Surroundings
                }
            },
            Self::Topology { .. }
            | Self::PrimaryClaim { alone: false, .. }
            | Self::Volume { .. }
            | Self::Node { .. }
            | Self::Image { .. }
            | Self::Container { .. }
            | Self::SilentNode { .. } => Needs::Surroundings,
            Self::Resume
            | Self::Termination { .. }
            | Self::FirstMember { .. }
            | Self::Election { .. }
            | Self::HandOver { .. }
            | Self::Switchover { .. }
            | Self::Member { .. }
            | Self::Leaving { .. }
            | Self::Rebuild { .. }
            | Self::OldRevision { .. }
            | Self::Restart { .. } => Needs::Time,
        }
    }

    /// The object that it is on: the same however the words about it change.
    pub fn object(&self) -> String {
        let on = self.on();
        on.split_once(": ").map_or(on.clone(), |(object, _)| object.to_owned())
    }

    /// What is awaited, and on which object: `object: what`.
    pub fn on(&self) -> String {
        match self {
            Self::ValidSpec { problems } => format!("spec: {problems}"),
            Self::Resume => "spec.state: the cluster is paused".to_owned(),
            Self::Topology { reason } => format!("topology: {reason}"),
            Self::LostRule => {
                "topology: the cluster's rule is not there, although its members had one".to_owned()
            }
            Self::OtherGrant => {
                "topology: it holds another bootstrap grant than the one noted on the cluster".to_owned()
            }
            Self::GrantedClaim { member } => {
                format!("member {member}: the claim that may initialise the cluster is gone")
            }
            Self::PrimaryClaim { member, .. } => {
                format!("member {member}: the primary's claim is gone or being deleted")
            }
            Self::Volume { claim, why, .. } => format!("claim {claim}: {why}"),
            Self::Admission { object, message, .. } => format!("{object}: {message}"),
            Self::OwnerSecret { name, missing } => format!("secret {name}: {missing}"),
            Self::Node { member, message } => format!("member {member}: no node for its pod: {message}"),
            Self::Image { member, image, message } => format!("member {member}: image {image}: {message}"),
            Self::Container { member, message } => format!("member {member}: {message}"),
            Self::SilentNode { member, node } => {
                format!(
                    "member {member}: its pod is being deleted, and node {node} does not say whether its processes ended"
                )
            }
            Self::Termination { member } => format!("member {member}: its pod is ending"),
            Self::FirstMember { member } => format!("member {member}: it makes the database"),
            Self::Election { doing } => format!("members: {doing}"),
            Self::HandOver { from, to: Some(to) } => format!("members: {from} hands over to {to}"),
            Self::HandOver { from, to: None } => format!("members: {from} hands over"),
            Self::Switchover { why } | Self::OtherSwitchover { why } => {
                format!("spec.failover.switchover: {why}")
            }
            Self::Member { member, doing } => format!("member {member}: {doing}"),
            Self::Room { member, primary: true } => {
                format!(
                    "member {member}: the data volume of the primary is full; writes are refused (53100), and reads go on"
                )
            }
            Self::Room { member, primary: false } => {
                format!(
                    "member {member}: its data volume is full; it ends when the log finds no room, and is chosen as primary last among equals"
                )
            }
            Self::Leaving { member } => format!("member {member}: it leaves the cluster"),
            Self::Rebuild { member, why } => {
                format!(
                    "member {member}: {why}. A new member takes its place with a new copy; its own claim and volume are kept"
                )
            }
            Self::OldRevision { members } => {
                format!("pods of {}: they were made from an older revision of the spec", list(members))
            }
            Self::Restart { member, settings } => {
                format!("member {member}: {} take effect at a restart", settings.join(", "))
            }
        }
    }

    /// What would end it.
    pub fn unblock(&self) -> String {
        match self {
            Self::ValidSpec { .. } => "change the spec as the message says".to_owned(),
            Self::Resume => "set spec.state to Running".to_owned(),
            Self::Topology { .. } => "bring etcd back (kubectl -n berth-system get pods); the database goes on meanwhile".to_owned(),
            Self::LostRule => "the primary writes it back, if it still serves; otherwise restore etcd from its backup, or see berth rebuild-topology. Berth never initialises a cluster twice".to_owned(),
            Self::OtherGrant => "restore etcd or the cluster object, whichever was rolled back; Berth never gives a second grant".to_owned(),
            Self::GrantedClaim { .. } | Self::PrimaryClaim { alone: true, .. } => {
                "keep the claim, if it still exists; otherwise make a new cluster and restore a backup".to_owned()
            }
            Self::PrimaryClaim { alone: false, .. } => {
                "hand over to another member (berth switchover); then a new one takes its place, and the volume is kept".to_owned()
            }
            Self::Volume { unblock, .. } => unblock.clone(),
            Self::Admission { object, kind, .. } => match kind {
                RefusalKind::Foreign => format!("rename or remove the {object} that is not Berth's; Berth does not touch it"),
                RefusalKind::Quota => "raise the namespace's ResourceQuota, or lower spec.resources or spec.members".to_owned(),
                RefusalKind::Webhook => "change the admission webhook or policy named in the message".to_owned(),
                RefusalKind::PodSecurity => {
                    "let the namespace's Pod Security level be restricted or wider, without further demands".to_owned()
                }
                RefusalKind::Forbidden => "give the operator the right named in the message (manifests/rbac)".to_owned(),
                RefusalKind::Invalid => "change the field of the spec that the message names".to_owned(),
                RefusalKind::Terminating => "nothing: the namespace is being deleted".to_owned(),
                RefusalKind::Other => "see the message; Berth tries again".to_owned(),
            },
            Self::OwnerSecret { name, .. } => format!("make the secret {name} with a key named password"),
            Self::Node { .. } => "add a node with room, or change spec.placement or spec.resources".to_owned(),
            Self::Image { .. } => "set spec.engine.postgres.image to an image that exists, or give the nodes access to it".to_owned(),
            Self::Container { member, .. } => format!("see kubectl describe pod {member} and its logs"),
            Self::SilentNode { node, .. } => format!(
                "bring node {node} back; if it is off for certain: kubectl taint node {node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
            ),
            Self::Termination { .. }
            | Self::FirstMember { .. }
            | Self::Election { .. }
            | Self::HandOver { .. }
            | Self::Switchover { .. }
            | Self::Member { .. }
            | Self::Leaving { .. }
            | Self::Rebuild { .. } => "nothing: it goes on by itself".to_owned(),
            Self::Room { primary: true, .. } => {
                "raise spec.storage.data.size, or make room in a session that says SET default_transaction_read_only = off; writes go on by themselves then".to_owned()
            }
            Self::Room { primary: false, .. } => "raise spec.storage.data.size; what is deleted on the primary gives room here, too".to_owned(),
            Self::OtherSwitchover { .. } => {
                "change spec.failover.switchover as the message says, or remove it; everything else goes on".to_owned()
            }
            Self::OldRevision { members } => {
                format!("delete the pods when it suits, replicas first: kubectl delete pod {}", members.iter().map(MemberId::as_str).collect::<Vec<_>>().join(" "))
            }
            Self::Restart { member, .. } => format!("delete the pod when it suits: kubectl delete pod {member}"),
        }
    }
}

fn list(members: &[MemberId]) -> String {
    members.iter().map(MemberId::as_str).collect::<Vec<_>>().join(", ")
}
