//! Why a member does nothing, as a value: from it come the record's trouble, the status page and the text in `berth explain`.
//!
//! The texts hold nothing that changes by itself, because a changed text is a write to the topology.

use super::action::EffectKind;
use super::event::Silence;
use crate::ids::{ClaimUid, ClusterUid, MemberId};
use crate::term::Term;
use crate::topology::Identity;
use std::fmt;

/// Why a member does nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Wait {
    /// The warden has not said yet whether a server runs.
    Warden,
    /// The topology has not been read since the agent started.
    Unread,
    /// The topology cannot be reached, and the next step needs it.
    TopologyAway(String),
    /// The topology shows no rule or an older one, and the primary of this term is to write it back.
    Forgotten(Term),
    /// A record of the topology cannot be read.
    Unreadable {
        /// Its key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The operator has not said what is wanted.
    NoIntent,
    /// The cluster is paused, and the next step would begin something new.
    Paused,
    /// The member no longer belongs to the cluster.
    Leaving,
    /// There is no rule, and the grant to make the cluster was given to nobody.
    NoGrant,
    /// Another member makes the cluster.
    Creating(MemberId),
    /// The volume or the topology is not what it must be; nothing is touched until a person has looked.
    Refused(Refusal),
    /// The primary has not said where it can be reached.
    NoAddress(MemberId),
    /// The term has no primary yet.
    Election {
        /// The term.
        term: Term,
        /// Who runs the election, if it is known.
        coordinator: Option<MemberId>,
    },
    /// So many voters must pledge the term, or the old primary must.
    Recruits {
        /// The term.
        term: Term,
        /// How many have.
        have: u32,
        /// How many must.
        needed: u32,
    },
    /// Nobody knows any more whose word would be enough, so that everybody must pledge the term.
    Everybody {
        /// The term.
        term: Term,
        /// Somebody who has not.
        absent: MemberId,
    },
    /// Enough have pledged; the others are given a moment.
    Recruiting(Term),
    /// What was granted to the old primary must run out before another serves.
    Granted(MemberId),
    /// The primary may let nobody in before enough members have granted it a lease, or the topology has shown that it leads.
    Lease,
    /// It is not known whether the last change of the rule was done.
    Unsure,
    /// A switchover was asked for, and whoever is to take over does not stream in bounds.
    Successor(Option<MemberId>),
    /// A switchover was asked for, and whoever could take over has no room on its volume, while this primary has.
    SuccessorFull(Option<MemberId>),
    /// Open transactions are given a moment before the primary stops.
    Draining,
    /// The member's own record must be in the topology before others are sent to it.
    Unannounced,
    /// The server does not answer yet.
    NotAnswering(Option<Silence>),
    /// The owner's verifier is not mounted.
    NoVerifier,
    /// The term counts when so many voters have it on disk.
    TermOnVoters {
        /// How many are needed.
        needed: u32,
        /// How many have it.
        have: u32,
    },
    /// The gate stays shut until so many replicas acknowledge.
    Durability {
        /// How many the cluster asks for.
        asked: u32,
        /// How many acknowledge.
        have: u32,
    },
    /// Voters must have flushed what was acknowledged before the change.
    VotersCatchUp,
    /// A voter that is leaving cannot go before another takes its place.
    NeedsReplacement(MemberId),
    /// The primary's log does not arrive.
    NotStreaming(MemberId),
    /// An effect failed and is tried again.
    Retrying {
        /// Which.
        what: EffectKind,
        /// Why.
        reason: String,
    },
    /// The server keeps ending soon after it was started.
    Crashing(String),
    /// The engine refused settings; the others are in force.
    SettingsRefused(String),
}

/// What a member refuses to touch, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The ledger cannot be read.
    LedgerUnreadable(String),
    /// The volume belongs to another incarnation of a cluster.
    OtherCluster(ClusterUid),
    /// The volume belongs to another member or claim: it was copied or restored.
    OtherIdentity(Identity),
    /// There is a database, and nothing says whose.
    NoLedger,
    /// The operator knows the member under another claim.
    OtherClaim(ClaimUid),
    /// The rule names this member on another claim.
    RuleNamesOtherClaim(ClaimUid),
    /// The data is that of another database.
    OtherSystem {
        /// What the rule names.
        rule: String,
        /// What is on the volume.
        volume: String,
    },
    /// The volume is older than what the member once said of it.
    RolledBack {
        /// What it said.
        told: u64,
        /// What the volume says.
        found: u64,
    },
    /// There was a database on this volume or a rule for it, and the topology knows of no cluster.
    RuleMissing,
    /// The member took part in a higher term than the topology knows of.
    TopologyBehind {
        /// The member's.
        promised: Term,
        /// The topology's.
        rule: Term,
    },
    /// The primary's volume is empty.
    PrimaryEmpty,
    /// The member's log went another way than the primary's.
    OtherLineage,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Warden => f.write_str("the warden has not yet said whether a database runs"),
            Self::Unread => {
                f.write_str("the topology has not been read yet; see that etcd runs and lets this member in")
            }
            Self::TopologyAway(reason) => {
                write!(
                    f,
                    "the topology cannot be reached ({reason}); what runs goes on, and the next step waits for etcd"
                )
            }
            Self::Forgotten(term) => forgotten(f, *term),
            Self::Unreadable { key, reason } => {
                write!(f, "cannot read {key} ({reason}); see whether a newer version wrote it")
            }
            Self::NoIntent => {
                f.write_str("the operator has not yet written what this cluster is to be; see its log")
            }
            Self::Paused => f.write_str("the cluster is paused, and nothing new begins"),
            Self::Leaving => {
                f.write_str("this member no longer belongs to the cluster and waits to be removed")
            }
            Self::NoGrant => f.write_str(
                "no member has been granted the right to make the cluster; see the operator's log",
            ),
            Self::Creating(member) => write!(f, "{member} makes the cluster"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::NoAddress(member) => write!(f, "{member} has not said where it can be reached"),
            Self::Election { term, coordinator: Some(member) } => {
                write!(f, "term {term} has no primary yet; {member} runs the election")
            }
            Self::Election { term, coordinator: None } => write!(f, "term {term} has no primary yet"),
            Self::Recruits { term, have, needed: 0 } => write!(
                f,
                "term {term} can be led by the old primary alone, because no replica is sure to hold all; bring its pod and its volume back ({have} replicas have answered)"
            ),
            Self::Recruits { term, have, needed } => write!(
                f,
                "term {term} needs the word of {needed} replicas or of the old primary, and has that of {have}; bring their pods back"
            ),
            Self::Everybody { term, absent } => write!(
                f,
                "the topology is rebuilt in term {term}, and everybody must say what they hold: {absent} has not; bring its pod back, or ask again without it"
            ),
            Self::Recruiting(term) => write!(f, "term {term} is being elected"),
            Self::Granted(member) => {
                write!(f, "{member} is silent, and what it was granted runs out before another serves")
            }
            Self::Lease => f.write_str(
                "no client is let in before enough replicas, or etcd, have confirmed that this member leads",
            ),
            Self::Unsure => {
                f.write_str("etcd did not say whether the last change was made; it is being read")
            }
            Self::Successor(Some(member)) => {
                write!(f, "a switchover to {member} was asked for, which does not stream in bounds")
            }
            Self::Successor(None) => {
                f.write_str("a switchover was asked for, and no replica streams in bounds")
            }
            Self::SuccessorFull(Some(member)) => {
                write!(f, "a switchover to {member} was asked for, whose data volume is full")
            }
            Self::SuccessorFull(None) => {
                f.write_str("a switchover was asked for, and the data volume of every replica that could take over is full")
            }
            Self::Draining => {
                f.write_str("open transactions are given a moment before the primary hands over")
            }
            Self::Unannounced => f.write_str("this member's address is not yet in the topology"),
            Self::NotAnswering(None) => f.write_str("the database does not answer yet"),
            Self::NotAnswering(Some(Silence::NoAnswer(reason))) => {
                write!(f, "the database does not answer: {reason}")
            }
            Self::NotAnswering(Some(silence @ Silence::DiskHangs)) => silence.fmt(f),
            Self::NoVerifier => f.write_str(
                "the owner's verifier is not mounted; see that the cluster's access Secret exists",
            ),
            Self::TermOnVoters { needed, have } => {
                write!(f, "the term counts when {needed} replicas have it on disk; {have} have")
            }
            Self::Durability { asked, have } => write!(
                f,
                "clients are let in when commits are on {asked} replicas; they are on {have}. Bring replicas up, or ask for fewer acknowledgements"
            ),
            Self::VotersCatchUp => {
                f.write_str("replicas have not yet flushed what was committed before the change")
            }
            Self::NeedsReplacement(member) => {
                write!(f, "{member} leaves when another replica acknowledges in its place")
            }
            Self::NotStreaming(member) => write!(f, "the log of {member} does not arrive"),
            Self::Retrying { what, reason } => write!(f, "{what} failed and is tried again: {reason}"),
            Self::Crashing(how) => {
                write!(f, "{how} again and again, and is started more and more rarely; see its log")
            }
            Self::SettingsRefused(which) => write!(f, "the database refused settings: {which}"),
        }
    }
}

fn forgotten(f: &mut fmt::Formatter<'_>, term: Term) -> fmt::Result {
    write!(
        f,
        "the topology has forgotten term {term}: it was lost, or restored from an older backup. What runs goes on, and the primary writes the term back"
    )
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LedgerUnreadable(reason) => {
                write!(f, "the ledger on the data volume cannot be read ({reason}); restore it or give the member a new volume")
            }
            Self::OtherCluster(uid) => write!(
                f,
                "the data volume belongs to the cluster with uid {uid}; this cluster never starts from it. Adopt its data by a restore"
            ),
            Self::OtherIdentity(identity) => write!(
                f,
                "the data volume belongs to {identity}: it was copied or restored, and has no vote here. Give the member a new volume"
            ),
            Self::NoLedger => f.write_str(
                "the data volume holds a database that does not say whose it is; give the member an empty volume",
            ),
            Self::OtherClaim(claim) => {
                write!(f, "the operator knows this member on claim {claim}; mount that one, or let a new member take its place")
            }
            Self::RuleNamesOtherClaim(claim) => write!(
                f,
                "the cluster counts this member on claim {claim}, whose data this volume does not hold; mount that claim"
            ),
            Self::OtherSystem { rule, volume } => write!(
                f,
                "the data is that of database system {volume}, the cluster's is {rule}; give the member a new volume"
            ),
            Self::RolledBack { told, found } => write!(
                f,
                "the data volume was rolled back: it has seen {found} starts, and this member once told of {told}. Give the member a new volume"
            ),
            Self::RuleMissing => f.write_str(
                "there was a database here, and the topology knows of no such cluster: it was lost or replaced. Restore etcd, or rebuild it from the members",
            ),
            Self::TopologyBehind { promised, rule } => write!(
                f,
                "this member took part in term {promised}, and the topology knows only term {rule}: it was restored from an older backup. A person must decide"
            ),
            Self::PrimaryEmpty => f.write_str(
                "the primary's data volume is empty; mount the volume that it served from, or accept the loss of that member",
            ),
            Self::OtherLineage => f.write_str(
                "this member's log went another way than the primary's; it needs a new copy of the data",
            ),
        }
    }
}
