//! What the status page, the probes and the metrics show of a member: a view for people, from which nothing is decided.

use super::announce;
use super::moment::Moment;
use super::state::{Gate, Server, State};
use crate::ids::MemberId;
use crate::term::{Term, Timeline};
use crate::topology::{Phase, Replication};
use serde::Serialize;
use std::time::Duration;

/// What a member shows of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a figure of its own on a page, and nothing is decided by them"
)]
pub struct Summary {
    /// The member.
    pub member: MemberId,
    /// Its cluster.
    pub cluster: String,
    /// The term of the rule; 0 before the first.
    pub term: Term,
    /// The rule's phase.
    pub phase: Option<Phase>,
    /// Who the rule names.
    pub primary: Option<MemberId>,
    /// Whether this member does what its role asks: the primary lets tenants in, a replica streams in bounds.
    pub ready: bool,
    /// Whether the server runs.
    pub running: bool,
    /// Whether tenants are let in here.
    pub gate_open: bool,
    /// How the log of a replica arrives.
    pub replication: Replication,
    /// The timeline that the server is on.
    pub timeline: Option<Timeline>,
    /// The position, as text.
    pub position: Option<String>,
    /// How many bytes a replica is behind.
    pub behind: Option<u64>,
    /// The effect that is being done.
    pub doing: Option<&'static str>,
    /// Why nothing is done.
    pub waiting: Option<String>,
    /// For how long.
    pub waiting_for: Option<Duration>,
    /// Whether the topology can be reached.
    pub topology_reached: bool,
    /// How often a database was started on the volume.
    pub starts: u64,
}

impl State {
    /// What is shown of the member now.
    pub fn summary(&self, now: Moment) -> Summary {
        let rule = self.world.view.rule.as_ref().map(|known| &known.rule);
        let up = self.server.up();
        let status = up.and_then(|up| up.status.as_ref());
        let gate_open = up.is_some_and(|up| up.gate == Gate::Open);
        let leads = announce::leads(self);
        let replication = if leads { Replication::Detached } else { self.lag.said };
        Summary {
            member: self.me.identity.member.clone(),
            cluster: self.me.cluster.to_string(),
            term: rule.map_or(Term(0), |rule| rule.term),
            phase: rule.map(|rule| rule.phase),
            primary: rule.map(|rule| rule.primary.member.clone()),
            ready: if leads { gate_open } else { replication == Replication::InBound },
            running: matches!(self.server, Server::Up(_)),
            gate_open,
            replication,
            timeline: status.map(|status| status.timeline),
            position: status.map(|status| status.position.to_string()),
            behind: status.and_then(|status| status.behind),
            doing: self.doing().map(super::EffectKind::label),
            waiting: self
                .waiting
                .as_ref()
                .map(|(wait, _)| wait.to_string())
                .or_else(|| announce::trouble(self, now)),
            waiting_for: self.waiting.as_ref().map(|(_, since)| now.since(*since)),
            topology_reached: self.world.listed && self.world.away.is_none(),
            starts: self.notes.ledger().map_or(0, |ledger| ledger.starts),
        }
    }

    /// Whether the server should be asked about itself often, because something is about to change.
    pub fn in_transition(&self) -> bool {
        let settled = self.server.up().is_some_and(|up| match &up.status {
            Some(status) if status.in_recovery => self.lag.said == Replication::InBound,
            Some(_) => announce::leads(self) && up.gate == Gate::Open && self.waiting.is_none(),
            None => false,
        });
        !settled
    }
}
