//! Effects on a server that runs: pointed, promoted, told whom to wait for, opened.

use super::{LOOK, Next, failed, over};
use crate::simulation::clock::Time;
use crate::simulation::database::{Body, End, Server, Source, Wait};
use crate::simulation::happening::{Happening, Life, ToServer};
use crate::simulation::names::Who;
use crate::simulation::network::{Plane, Way};
use crate::simulation::world::World;
use berth_core::database::{Quorum, SettingsOutcome};
use berth_core::election::{Effect, Issued, Outcome};
use std::time::Duration;

/// How long the database may take for what it should do at once.
const QUICK: Duration = Duration::from_secs(3);
/// How long it may take for what depends on others.
const SLOW: Duration = Duration::from_secs(10);

impl World {
    /// What is asked of a server that must answer first.
    pub(super) fn with_server(
        &mut self,
        who: Who,
        issued: Issued,
        since: Time,
        effect: &Effect,
        stage: u8,
    ) -> Next {
        let Some(process) = self.members.get(&who).and_then(|member| member.process()) else {
            return failed("no server runs");
        };
        let (life, hangs) = (process.life, process.frozen || self.now < process.ready);
        let slow = matches!(effect, Effect::Promote(_) | Effect::SetQuorum { .. } | Effect::Detach);
        let patience = if slow { SLOW } else { QUICK };
        if self.now.since(since) >= patience {
            return failed("the database takes too long");
        }
        if hangs {
            return Next::After(LOOK, stage);
        }
        match effect {
            Effect::Detach => self.detaches(who, stage),
            Effect::Follow(peer) => {
                let source = peer.as_ref().and_then(Source::of).map(|source| self.nameless(source));
                self.points(who, source, Outcome::Following(peer.clone()))
            }
            Effect::Promote(timeline) => {
                if self.replayed_at(who).is_none_or(|at| at > self.now) {
                    return Next::After(LOOK, stage);
                }
                match self.databases.promote(who, *timeline, issued.term) {
                    Ok(start) => {
                        self.facts.promoted(who, *timeline, issued.term);
                        self.connections_end(who, false);
                        self.checkpoints_later(who, life);
                        over(Outcome::Promoted(start.position()))
                    }
                    Err(reason) => failed(reason),
                }
            }
            Effect::SetQuorum { quorum, .. } => self.sets_quorum(who, life, quorum, stage),
            Effect::WriteTerm(row) => self.notes(who, Body::Term(row.term), |position| {
                Outcome::TermWritten { row: row.clone(), position }
            }),
            Effect::EnsureAccess(wanted) => {
                self.notes(who, Body::Access, |_| Outcome::AccessEnsured(wanted.clone()))
            }
            Effect::Checkpoint(_) => over(Outcome::Checkpointed),
            Effect::OpenGate => self.opens(who),
            Effect::Apply(settings) => match self.databases.servers.get_mut(&who) {
                Some(server) => {
                    server.term = settings.term;
                    over(Outcome::Applied { settings: settings.clone(), outcome: SettingsOutcome::default() })
                }
                None => failed("no server runs"),
            },
            Effect::Inspect
            | Effect::WriteLedger(_)
            | Effect::Initialize
            | Effect::Clone(_)
            | Effect::Start { .. }
            | Effect::Stop(_)
            | Effect::Fence
            | Effect::Rewind(_)
            | Effect::SwapRule { .. }
            | Effect::PutRoute { .. } => failed("it needs no server"),
        }
    }

    fn detaches(&mut self, who: Who, stage: u8) -> Next {
        if stage == 0 {
            if self.databases.servers.get(&who).is_some_and(Server::writes) {
                return failed("it is a primary");
            }
            self.hang_up(who);
            if let Err(reason) = self.databases.follow(who, None) {
                return failed(reason);
            }
            return Next::After(self.millis(2, 60), 1);
        }
        if self.replayed_at(who).is_none_or(|at| at > self.now) {
            return Next::After(LOOK, 1);
        }
        self.databases.flush(who);
        match self.databases.log_end(who) {
            Some(end) => over(Outcome::Detached(end)),
            None => failed("there is no data"),
        }
    }

    fn points(&mut self, who: Who, source: Option<Source>, outcome: Outcome) -> Next {
        self.hang_up(who);
        match self.databases.follow(who, source) {
            Ok(()) => {
                self.connect_soon(who);
                over(outcome)
            }
            Err(reason) => failed(reason),
        }
    }

    fn sets_quorum(&mut self, who: Who, life: Life, quorum: &Quorum, stage: u8) -> Next {
        let wanted = self.named(Wait::from(quorum));
        match stage {
            // The way from one quorum to another leads over one in which commits wait for ever.
            0 if self.databases.anybody_counts(who) => self.asks_for(who, life, &Wait::Nobody, 1),
            1 if self.databases.anybody_counts(who) => Next::After(LOOK, 1),
            0 | 1 => self.asks_for(who, life, &wanted, 2),
            _ if !self.databases.all_read(who) => Next::After(LOOK, 2),
            _ => {
                let armed = wanted != Wait::None;
                for commit in self.databases.arm(who, armed) {
                    self.acknowledge(who, commit, Some(&Wait::None));
                }
                if let (Quorum::Any { term, .. }, Some(server)) =
                    (quorum, self.databases.servers.get_mut(&who))
                    && !server.writes()
                {
                    server.term = *term;
                }
                let position = self.databases.data(who).map_or(End(0), |data| data.log.flushed());
                over(Outcome::QuorumInForce { quorum: quorum.clone(), position: position.position() })
            }
        }
    }

    fn asks_for(&mut self, who: Who, life: Life, wait: &Wait, then: u8) -> Next {
        if let Some(server) = self.databases.servers.get_mut(&who) {
            server.wait = wait.clone();
        }
        self.walsenders_read_later(who, life);
        if *wait != Wait::None {
            // The checkpointer arms the wait a little later than the walsenders read it.
            let pause = self.millis(1, 20);
            let what = ToServer::Arms;
            self.plan(pause, Happening::Server { who, life, what });
            return Next::After(Duration::from_millis(25), then);
        }
        Next::After(LOOK, then)
    }

    fn notes(
        &mut self,
        who: Who,
        body: Body,
        outcome: impl FnOnce(berth_core::LogPosition) -> Outcome,
    ) -> Next {
        match self.databases.note(who, body) {
            Ok(end) => {
                self.kick(who);
                over(outcome(end.position()))
            }
            Err(reason) => failed(reason),
        }
    }

    fn opens(&mut self, who: Who) -> Next {
        let Some(server) = self.databases.servers.get_mut(&who) else { return failed("no server runs") };
        server.open = true;
        if let Some(led) = server.led() {
            self.facts.gate_opened(who, led, &self.databases, self.store.rule());
            self.say(&who, || format!("tenants of term {led} are let in"));
        }
        over(Outcome::GateOpened)
    }

    /// Whether a source answers at its address.
    pub(in crate::simulation) fn source_answers(&self, who: Who, source: Source) -> bool {
        let Some(member) = self.members.get(&source.address.who) else { return false };
        let up = member.process().is_some_and(|process| !process.frozen && process.ready <= self.now);
        up && member.address() == source.address
            && self.network.connects(Way::between(who, source.address.who, Plane::Data))
    }
}
