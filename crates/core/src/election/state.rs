//! What a member knows when it decides: the topology, its volume, its server, and the one effect that it has asked for.
//!
//! It holds nothing that could not be asked again: an agent that is restarted builds it anew and comes to the same decisions. What must
//! survive is in the [`Ledger`] on the volume and in the topology.

mod server;

pub use server::{Down, Force, Gate, Server, Source, Up};

use super::action::{AccessWanted, Effect, EffectKind, Issued, Run};
use super::contact::Contact;
use super::defect::{Defect, Defects};
use super::event::View;
use super::failure::Failures;
use super::forgotten::Forgotten;
use super::ledger::Ledger;
use super::moment::Moment;
use super::serve;
use super::wait::Wait;
use crate::database::{Standby, Volume};
use crate::disk::Space;
use crate::ids::{ClusterRef, ClusterUid, MemberId};
use crate::position::LogPosition;
use crate::term::Term;
use crate::topology::{Identity, MemberRecord, Phase, Replication, Route};
use std::collections::BTreeMap;

/// Who the member is. Never changes in a run of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Me {
    /// The member and its claim.
    pub identity: Identity,
    /// Its cluster as people say it.
    pub cluster: ClusterRef,
    /// The incarnation of that cluster.
    pub uid: ClusterUid,
    /// The uid of the pod.
    pub incarnation: String,
    /// `address:port` of the database.
    pub address: String,
    /// `address:port` at which this agent hears the others.
    pub peer: String,
    /// The agent's version.
    pub version: String,
}

/// What the volume's ledger was found to be when the agent started.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Notes {
    /// There is none: nothing ever ran here.
    Absent,
    /// It is here.
    Present(Ledger),
    /// It is damaged. Never replaced by guessing.
    Unreadable(String),
}

impl Notes {
    /// The ledger, if there is one.
    pub fn ledger(&self) -> Option<&Ledger> {
        match self {
            Self::Present(ledger) => Some(ledger),
            Self::Absent | Self::Unreadable(_) => None,
        }
    }
}

/// What is known of the topology.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    /// Whether it has been read since the agent started.
    pub listed: bool,
    /// Why it cannot be reached, while it cannot.
    pub away: Option<String>,
    /// A record that could not be read.
    pub unreadable: Option<(String, String)>,
    /// What it said last.
    pub view: View,
    /// Set while the topology shows no rule or an older one than `view`, which then holds what is remembered.
    pub forgotten: Option<Forgotten>,
    /// The route that is known to be stored; none if that is not known.
    pub route: Option<Route>,
    /// What this member said of itself, as far as it is known to be stored.
    pub announced: Option<MemberRecord>,
    /// How many starts this member told of before this run of the agent.
    pub told_starts: u64,
}

/// The effect that is being done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Pending {
    pub issued: Issued,
    pub since: Moment,
    pub effect: Effect,
}

/// The announcement that is being written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Announcing {
    pub number: u64,
    pub record: MemberRecord,
}

/// How far the member is in stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stopping {
    No,
    Asked,
    /// The proxies were told, or could not be.
    Told,
}

/// What a member knows when it decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub(super) me: Me,
    pub(super) world: World,
    pub(super) notes: Notes,
    pub(super) volume: Option<Volume>,
    pub(super) server: Server,
    /// The latest run that is known to be over: a late word about it or one before is ignored.
    pub(super) ended: Run,
    pub(super) verifier: Option<String>,
    pub(super) access: Option<AccessWanted>,
    /// Whether the data volume has room.
    pub(super) space: Space,
    pub(super) pending: Option<Pending>,
    /// The announcement that is under way.
    pub(super) announcing: Option<Announcing>,
    pub(super) numbers: u64,
    pub(super) failures: Failures,
    pub(super) waiting: Option<(Wait, Moment)>,
    pub(super) stopping: Stopping,
    pub(super) stop_asked: Option<Moment>,
    /// When each standby was last seen streaming in the present term.
    pub(super) streamed: BTreeMap<MemberId, Moment>,
    /// Since when this standby streams in bounds, or does not: what it says of itself follows with a delay, so that it does not flap.
    pub(super) lag: Lag,
    /// How often its server was ended because no stream came, since one last did.
    pub(super) partings: u32,
    /// Since when fewer voters stream than a commit waits for.
    pub(super) short: Option<Moment>,
    /// What is known of the others by their own word.
    pub(super) contact: Contact,
    /// The highest term that the topology has shown to this run of the agent.
    pub(super) seen: Term,
    /// The highest promise that this run of the agent has tried to make durable.
    pub(super) pledged: Term,
    pub(super) alarm: Option<Moment>,
    pub(super) defects: Defects,
}

/// How a standby's log arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Lag {
    /// What it is now.
    pub now: Replication,
    /// Since when.
    pub since: Moment,
    /// What is said of it.
    pub said: Replication,
}

impl State {
    /// What a member knows when its agent starts.
    pub fn new(me: Me, notes: Notes) -> Self {
        Self {
            me,
            world: World {
                listed: false,
                away: None,
                unreadable: None,
                view: View::default(),
                forgotten: None,
                route: None,
                announced: None,
                told_starts: 0,
            },
            notes,
            volume: None,
            server: Server::Unknown,
            ended: Run(0),
            verifier: None,
            access: None,
            space: Space::Ample,
            pending: None,
            announcing: None,
            numbers: 0,
            failures: Failures::default(),
            waiting: None,
            stopping: Stopping::No,
            stop_asked: None,
            streamed: BTreeMap::new(),
            lag: Lag { now: Replication::Detached, since: Moment::default(), said: Replication::Detached },
            partings: 0,
            short: None,
            contact: Contact::default(),
            seen: Term(0),
            pledged: Term(0),
            alarm: None,
            defects: Defects::default(),
        }
    }

    /// The same with rules taken out; there is nothing to take out without the feature `defects`.
    #[must_use]
    pub fn with(self, defects: Defects) -> Self {
        Self { defects, ..self }
    }

    /// Whether a rule is taken out on purpose.
    pub(super) fn lacks(&self, rule: Defect) -> bool {
        self.defects.has(rule)
    }

    /// The run of the server that may be asked about itself, if one runs.
    pub fn run(&self) -> Option<Run> {
        self.server.up().map(|up| up.run)
    }

    /// When to decide again even if nothing is heard.
    pub fn alarm(&self) -> Option<Moment> {
        self.alarm
    }

    /// The kind of the effect that is being done.
    pub fn doing(&self) -> Option<EffectKind> {
        self.pending.as_ref().map(|pending| pending.effect.kind())
    }

    /// The term of the rule that is known; 0 before the first.
    pub fn term(&self) -> Term {
        self.world.view.rule.as_ref().map_or(Term(0), |known| known.rule.term)
    }

    /// The phase of the rule that is known.
    pub fn phase(&self) -> Option<Phase> {
        self.world.view.rule.as_ref().map(|known| known.rule.phase)
    }

    /// Whom the rule that is known names.
    pub fn primary(&self) -> Option<&MemberId> {
        self.world.view.rule.as_ref().map(|known| &known.rule.primary.member)
    }

    /// Grows with everything that is done: after it the server has something new to say.
    pub fn changes(&self) -> u64 {
        self.numbers
    }

    /// Why nothing is being done, and since when.
    pub fn waiting(&self) -> Option<(&Wait, Moment)> {
        self.waiting.as_ref().map(|(wait, since)| (wait, *since))
    }

    /// Whether the topology tells others where this run of the member is.
    pub(super) fn is_announced(&self) -> bool {
        self.world.announced.as_ref().is_some_and(|record| {
            record.identity == self.me.identity
                && record.address == self.me.address
                && record.incarnation == self.me.incarnation
        })
    }

    /// The standbys that the server last told of under their names of `term`. One that says to hold more than the server itself went another way:
    /// it is sent what is older than the parting of their logs, and for a moment looks like the best of all.
    fn standbys(&self, term: Term) -> impl Iterator<Item = &Standby> {
        let status = self.server.up().and_then(|up| up.status.as_ref());
        status.into_iter().flat_map(move |status| {
            let counts = move |standby: &&Standby| standby.term == term && standby.flushed <= status.position;
            status.standbys.iter().filter(counts)
        })
    }

    /// How far each standby has flushed under its name of `term`.
    pub(super) fn flushed(&self, term: Term) -> BTreeMap<MemberId, LogPosition> {
        self.standbys(term).map(|standby| (standby.member.clone(), standby.flushed)).collect()
    }

    /// Whether this replica, on this claim, streams in bounds under its name of `term`.
    pub(super) fn streams(&self, replica: &Identity, term: Term, position: LogPosition) -> bool {
        let told =
            self.world.view.members.get(&replica.member).is_some_and(|record| record.identity == *replica);
        let in_bounds = |standby: &Standby| position.0.saturating_sub(standby.flushed.0) <= serve::LAG_BOUND;
        told && self
            .standbys(term)
            .any(|standby| standby.member == replica.member && standby.streaming && in_bounds(standby))
    }

    /// How many voters stream now.
    pub(super) fn present_voters(&self) -> u32 {
        let Some(known) = &self.world.view.rule else { return 0 };
        let present = known.rule.voters.iter().filter(|voter| {
            self.standbys(known.rule.term).any(|standby| standby.member == voter.member && standby.streaming)
        });
        u32::try_from(present.count()).unwrap_or(u32::MAX)
    }

    /// The next number of this run of the agent.
    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}
