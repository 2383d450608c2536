//! What a decision hears: of the topology, of the server, and what came of the effect it asked for.
//!
//! Every word about the server names the run, and every outcome what it answers, so that what is late changes nothing.

use super::action::{AccessWanted, Issued, RuleRevision, Run};
use super::ledger::Ledger;
use super::message::Message;
use super::moment::Moment;
use crate::database::{Boot, LocalStatus, LogEnd, Peer, Quorum, Settings, SettingsOutcome, TermRow, Volume};
use crate::disk::Space;
use crate::ids::MemberId;
use crate::position::LogPosition;
use crate::topology::{Identity, Intent, MemberRecord, Route, Rule};
use std::collections::BTreeMap;

/// What a decision hears.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "each is moved once or twice, and a handful wait at a time")]
pub enum Event {
    /// Of the topology.
    Topology(News),
    /// Of the server's process.
    Process(ProcessNews),
    /// What the server answered when it was asked about itself.
    Status {
        /// The run that was asked.
        run: Run,
        /// When it was asked: an answer from before a change says nothing of what came after.
        asked: Moment,
        /// The answer, or why there was none.
        answer: Result<LocalStatus, Silence>,
    },
    /// The digest of the owner's verifier as it lies in the file; none while there is no file.
    Verifier(Option<String>),
    /// Whether the data volume has room.
    Space(Space),
    /// What came of an effect.
    Done {
        /// Which asking this answers.
        issued: Issued,
        /// What came of it.
        outcome: Outcome,
    },
    /// What came of writing the member's own record.
    Announced {
        /// Which asking this answers.
        number: u64,
        /// Whether it was written, or why not.
        result: Result<(), String>,
    },
    /// Another member said this.
    Heard {
        /// Who; its certificate proves the member, and the claim is by its own word.
        from: Identity,
        /// What.
        message: Message,
    },
    /// What came of reading the rule in a way that cannot show an old one.
    Confirmed {
        /// Which asking this answers.
        number: u64,
        /// When it was asked: what the answer shows was true at some moment after it.
        asked: Moment,
        /// The rule, or why it could not be read.
        result: Result<Option<Box<KnownRule>>, String>,
    },
    /// The pod is to end.
    StopAsked,
    /// Nothing but that time went by.
    Tick,
}

/// Why a server does not say anything of itself that counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Hash)]
pub enum Silence {
    /// It did not answer.
    #[error("{0}")]
    NoAnswer(String),
    /// Its volume takes no write: it may answer, but no commit of it ends.
    #[error("its disk hangs: a write to the data volume does not end")]
    DiskHangs,
}

/// A rule as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KnownRule {
    /// The rule.
    pub rule: Rule,
    /// The revision at which it was written: what a swap expects.
    pub revision: RuleRevision,
    /// Whether the topology has it from a backup only, so that others may have followed.
    pub restored: bool,
}

/// All that the topology holds of the cluster, at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct View {
    /// What the operator asks.
    pub intent: Option<Intent>,
    /// Who is primary.
    pub rule: Option<KnownRule>,
    /// What the members say of themselves.
    pub members: BTreeMap<MemberId, MemberRecord>,
}

/// What is heard of the topology.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum News {
    /// Everything, at once; what is not in it does not exist.
    Listed(Box<View>),
    /// The intent changed.
    Intent(Option<Box<Intent>>),
    /// The rule changed.
    Rule(Option<Box<KnownRule>>),
    /// A member's record changed.
    Member(MemberId, Option<Box<MemberRecord>>),
    /// A record cannot be read.
    Unreadable {
        /// Its key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It cannot be reached.
    Away(String),
    /// It is back, and nothing was missed.
    Back,
}

/// What is heard of the server's process.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ProcessNews {
    /// A server runs.
    Runs(Run),
    /// None runs, and nothing that one left behind is alive. Told at the agent's start; `latest` is the last run of this warden.
    Absent {
        /// The last run that ended; 0 if none did.
        latest: Run,
    },
    /// A run is over, and nothing that it left behind is alive.
    Exited {
        /// The run.
        run: Run,
        /// How, for people.
        how: String,
        /// Whether we ended it, so that its end says nothing of its health.
        asked: bool,
    },
}

/// What came of an effect. It repeats what was done, so that nobody has to remember what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is moved once")]
pub enum Outcome {
    /// What lies on the volume.
    Inspected(Volume),
    /// The ledger is durable.
    LedgerWritten(Ledger),
    /// The database was made.
    Initialized,
    /// The data was copied.
    Cloned,
    /// The server's process runs.
    Started {
        /// The run.
        run: Run,
        /// How it was started.
        boot: Boot,
        /// With which settings.
        settings: Settings,
        /// With which quorum.
        quorum: Quorum,
    },
    /// The server is stopped.
    Stopped,
    /// Nothing that could write is alive.
    Fenced,
    /// The standby receives nothing any more, has replayed all it had, and its log ends here.
    Detached(LogEnd),
    /// What the data held beyond its source's history is gone from it.
    Rewound,
    /// The standby is pointed at this peer.
    Following(Option<Peer>),
    /// Recovery ended onto the timeline that was asked; it begins here.
    Promoted(LogPosition),
    /// The quorum is in force, and this position was taken after it was.
    QuorumInForce {
        /// The quorum.
        quorum: Quorum,
        /// The end of the flushed log.
        position: LogPosition,
    },
    /// The term's row is written; it counts when voters have flushed the position.
    TermWritten {
        /// The row.
        row: TermRow,
        /// The position.
        position: LogPosition,
    },
    /// Roles, database and slots are as wanted.
    AccessEnsured(AccessWanted),
    /// What was dirty is on disk, or will be soon.
    Checkpointed,
    /// Tenants are let in.
    GateOpened,
    /// The settings were applied.
    Applied {
        /// The settings.
        settings: Settings,
        /// What the engine said of them.
        outcome: SettingsOutcome,
    },
    /// The rule was swapped, the route with it.
    RuleSwapped {
        /// The new rule and its revision.
        known: KnownRule,
        /// Its route.
        route: Route,
    },
    /// The route was written.
    RoutePut(Route),
    /// Somebody else wrote the rule first; this is what the topology holds now.
    Conflict(Box<View>),
    /// It was not done, as far as is known.
    Failed {
        /// Why, and what to do.
        reason: String,
        /// Whether the same may succeed later by itself.
        retryable: bool,
    },
}
