//! What a decision asks for: at most one effect on the world at a time, and beside it what the member says of itself.
//!
//! An effect carries all that its doing needs, so that nothing is left to decide where it is done.

use super::ledger::Ledger;
use super::message::Message;
use super::moment::Moment;
use crate::database::{Boot, Peer, Quorum, Settings, TermRow};
use crate::ids::MemberId;
use crate::term::{Term, Timeline};
use crate::topology::{Access, MemberRecord, Route, Rule};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// A store's count of changes, as far as a decision needs it: which writing of the rule it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleRevision(pub i64);

/// One run of the server under one warden.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run(pub u64);

/// What a decision asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Do this, and say what came of it under the same `issued`. An effect that is still being done is dropped first: its outcome
    /// would be ignored.
    Run {
        /// What the outcome must carry.
        issued: Issued,
        /// What to do.
        effect: Box<Effect>,
    },
    /// Write what the member says of itself, beside the effect that is being done.
    Announce {
        /// What the outcome must carry.
        number: u64,
        /// The record.
        record: Box<MemberRecord>,
    },
    /// Say this to another member; it may be lost.
    Send {
        /// Whom.
        to: MemberId,
        /// Where its agent hears, by its own word in the topology.
        address: String,
        /// What.
        message: Message,
    },
    /// Read the rule in a way that cannot show an old one, beside the effect that is being done.
    Confirm {
        /// What the outcome must carry.
        number: u64,
    },
    /// The server may run until this moment and not longer: the warden kills it then, whatever becomes of the agent. With none it may run on.
    Lease(Option<Moment>),
    /// All is stopped: end the process.
    Exit,
}

/// Which asking an outcome answers. An outcome whose number is not the pending one's is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Issued {
    /// Grows with every effect of this run of the agent.
    pub number: u64,
    /// The term of the rule that it was decided from; 0 if there was none.
    pub term: Term,
    /// The revision of that rule.
    pub rule: Option<RuleRevision>,
}

/// An effect on the world. Each is idempotent: asked again after a crash at any point of it, it comes to the same end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it travels in a box")]
pub enum Effect {
    /// Look what lies on the volume.
    Inspect,
    /// Make the ledger durable.
    WriteLedger(Ledger),
    /// Make a new database.
    Initialize,
    /// Copy the data of a peer onto the empty volume.
    Clone(Peer),
    /// Start the server, as a standby.
    Start {
        /// How.
        boot: Boot,
        /// With which settings.
        settings: Settings,
        /// With which quorum.
        quorum: Quorum,
    },
    /// Stop the server fast and in order.
    Stop(Run),
    /// Kill whatever could still write, at once.
    Fence,
    /// Have the standby receive nothing any more, replay all it has, and say where its log ends.
    Detach,
    /// Take from the stopped server's data what the peer's history does not have.
    Rewind(Peer),
    /// Point the standby at a peer, or at nobody.
    Follow(Option<Peer>),
    /// End recovery onto exactly this timeline.
    Promote(Timeline),
    /// Put a quorum in force, and then take the position.
    SetQuorum {
        /// The quorum.
        quorum: Quorum,
        /// Before a promotion: who may follow the server then. They can from the moment this is done, and try before.
        followers: BTreeSet<MemberId>,
    },
    /// Write the term's row.
    WriteTerm(TermRow),
    /// Make and keep Berth's roles, the owner, the database and the slots.
    EnsureAccess(AccessWanted),
    /// Write to disk what is dirty, so that an orderly stop that follows has little left to write. It goes on by itself when so much time has passed.
    Checkpoint(Duration),
    /// Let tenants in.
    OpenGate,
    /// Apply settings to the running server.
    Apply(Settings),
    /// Swap the rule and write its route, if the rule is still at `expected`.
    SwapRule {
        /// The new rule.
        rule: Rule,
        /// Its route.
        route: Route,
        /// The revision of the rule that it replaces; none if there is none.
        expected: Option<RuleRevision>,
    },
    /// Write the route, if the rule is still at this revision.
    PutRoute {
        /// The route.
        route: Route,
        /// The rule that it mirrors.
        rule: RuleRevision,
    },
}

/// What the database must hold for the cluster to be used. The verifier itself stays with whoever does it; decisions know its digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccessWanted {
    /// The database and its owner.
    pub access: Access,
    /// The members that need a slot.
    pub members: BTreeSet<MemberId>,
    /// The digest of the owner's verifier.
    pub verifier: String,
}

/// The kinds of effects: what back-offs, logs and metrics are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EffectKind {
    /// [`Effect::Inspect`].
    Inspect,
    /// [`Effect::WriteLedger`].
    WriteLedger,
    /// [`Effect::Initialize`].
    Initialize,
    /// [`Effect::Clone`].
    Clone,
    /// [`Effect::Start`].
    Start,
    /// [`Effect::Stop`].
    Stop,
    /// [`Effect::Fence`].
    Fence,
    /// [`Effect::Detach`].
    Detach,
    /// [`Effect::Rewind`].
    Rewind,
    /// [`Effect::Follow`].
    Follow,
    /// [`Effect::Promote`].
    Promote,
    /// [`Effect::SetQuorum`].
    SetQuorum,
    /// [`Effect::WriteTerm`].
    WriteTerm,
    /// [`Effect::EnsureAccess`].
    EnsureAccess,
    /// [`Effect::Checkpoint`].
    Checkpoint,
    /// [`Effect::OpenGate`].
    OpenGate,
    /// [`Effect::Apply`].
    Apply,
    /// [`Effect::SwapRule`].
    SwapRule,
    /// [`Effect::PutRoute`].
    PutRoute,
    /// [`Action::Announce`]: not an effect, but it fails and is tried again like one.
    Announce,
}

impl Effect {
    /// Whether it writes this rule.
    pub(super) fn swaps_to(&self, wanted: &Rule) -> bool {
        matches!(self, Self::SwapRule { rule, .. } if rule == wanted)
    }

    /// Which kind it is.
    pub fn kind(&self) -> EffectKind {
        match self {
            Self::Inspect => EffectKind::Inspect,
            Self::WriteLedger(_) => EffectKind::WriteLedger,
            Self::Initialize => EffectKind::Initialize,
            Self::Clone(_) => EffectKind::Clone,
            Self::Start { .. } => EffectKind::Start,
            Self::Stop(_) => EffectKind::Stop,
            Self::Fence => EffectKind::Fence,
            Self::Detach => EffectKind::Detach,
            Self::Rewind(_) => EffectKind::Rewind,
            Self::Follow(_) => EffectKind::Follow,
            Self::Promote(_) => EffectKind::Promote,
            Self::SetQuorum { .. } => EffectKind::SetQuorum,
            Self::WriteTerm(_) => EffectKind::WriteTerm,
            Self::EnsureAccess(_) => EffectKind::EnsureAccess,
            Self::Checkpoint(_) => EffectKind::Checkpoint,
            Self::OpenGate => EffectKind::OpenGate,
            Self::Apply(_) => EffectKind::Apply,
            Self::SwapRule { .. } => EffectKind::SwapRule,
            Self::PutRoute { .. } => EffectKind::PutRoute,
        }
    }
}

impl EffectKind {
    /// Whether it speaks to a running server, so that it is over when the server is.
    pub(super) fn needs_server(self) -> bool {
        match self {
            Self::Detach
            | Self::Follow
            | Self::Promote
            | Self::SetQuorum
            | Self::WriteTerm
            | Self::EnsureAccess
            | Self::Checkpoint
            | Self::OpenGate
            | Self::Apply => true,
            Self::Inspect
            | Self::WriteLedger
            | Self::Initialize
            | Self::Clone
            | Self::Rewind
            | Self::Start
            | Self::Stop
            | Self::Fence
            | Self::SwapRule
            | Self::PutRoute
            | Self::Announce => false,
        }
    }

    /// Whether it needs the topology.
    pub(super) fn needs_topology(self) -> bool {
        matches!(self, Self::SwapRule | Self::PutRoute)
    }

    /// As a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Inspect => "inspect",
            Self::WriteLedger => "write_ledger",
            Self::Initialize => "initialize",
            Self::Clone => "clone",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Fence => "fence",
            Self::Detach => "detach",
            Self::Rewind => "rewind",
            Self::Follow => "follow",
            Self::Promote => "promote",
            Self::SetQuorum => "set_quorum",
            Self::WriteTerm => "write_term",
            Self::EnsureAccess => "ensure_access",
            Self::Checkpoint => "checkpoint",
            Self::OpenGate => "open_gate",
            Self::Apply => "apply",
            Self::SwapRule => "swap_rule",
            Self::PutRoute => "put_route",
            Self::Announce => "announce",
        }
    }
}

impl fmt::Display for EffectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inspect => "looking at the data volume",
            Self::WriteLedger => "writing the ledger",
            Self::Initialize => "making the database",
            Self::Clone => "copying the data",
            Self::Start => "starting the database",
            Self::Stop => "stopping the database",
            Self::Fence => "fencing",
            Self::Detach => "ending the stream",
            Self::Rewind => "rewinding the data",
            Self::Follow => "following the primary",
            Self::Promote => "the promotion",
            Self::SetQuorum => "setting the quorum",
            Self::WriteTerm => "writing the term's row",
            Self::EnsureAccess => "making roles and database",
            Self::Checkpoint => "the checkpoint before a switchover",
            Self::OpenGate => "opening the gate",
            Self::Apply => "applying the settings",
            Self::SwapRule => "swapping the rule",
            Self::PutRoute => "writing the route",
            Self::Announce => "writing the member's record",
        })
    }
}
