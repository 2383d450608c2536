//! What agents have done: each effect at once and whole.

use crate::store::{Conflict, Key};
use crate::world::{World, needs_store};
use berth_core::LogPosition;
use berth_core::database::{Boot, Peer, Quorum, SettingsOutcome};
use berth_core::election::{Effect, Event, Issued, Ledger, Outcome, ProcessNews, Run};
use berth_core::topology::{Route, Rule};
use berth_testkit::simulation::database::{Body, End, Server, Source, Wait};
use berth_testkit::simulation::names::Who;

/// The engine's identity of the one database that there is.
const SYSTEM: u32 = 7_001;

fn failed(reason: &str) -> Outcome {
    Outcome::Failed { reason: reason.to_owned(), retryable: true }
}

impl World {
    /// Does it, and returns what the agent hears.
    pub(crate) fn perform(&mut self, who: Who, issued: Issued, effect: &Effect) -> Outcome {
        let cut = self.members.get(&who).is_some_and(|member| member.cut);
        if cut && needs_store(effect) {
            return failed("the store does not answer");
        }
        let done = match effect {
            Effect::Inspect => Ok(Outcome::Inspected(self.databases.volume(who))),
            Effect::WriteLedger(ledger) => Ok(self.writes_ledger(who, ledger)),
            Effect::Initialize => self.databases.initialize(who, SYSTEM).map(|()| Outcome::Initialized),
            Effect::Clone(peer) => {
                let source = self.peer(who, peer);
                source.and_then(|source| self.databases.clone_from(who, source)).map(|()| Outcome::Cloned)
            }
            Effect::Rewind(peer) => {
                let source = self.peer(who, peer);
                source.and_then(|source| self.databases.rewind(who, source)).map(|()| Outcome::Rewound)
            }
            Effect::Start { boot, settings, quorum } => {
                self.starts(who, boot, settings.term, quorum).map(|run| Outcome::Started {
                    run,
                    boot: boot.clone(),
                    settings: settings.clone(),
                    quorum: quorum.clone(),
                })
            }
            Effect::Stop(run) => {
                self.stops(who, *run);
                Ok(Outcome::Stopped)
            }
            Effect::Fence => {
                self.killed(who, true);
                Ok(Outcome::Fenced)
            }
            Effect::SwapRule { rule, route, expected } => Ok(self.swaps(rule, route, *expected)),
            Effect::PutRoute { route, rule } => Ok(match self.store.put_route(route.clone(), *rule) {
                Ok(()) => Outcome::RoutePut(route.clone()),
                Err(Conflict) => Outcome::Conflict(Box::new(self.store.view.clone())),
            }),
            Effect::Detach
            | Effect::Follow(_)
            | Effect::Promote(_)
            | Effect::SetQuorum { .. }
            | Effect::WriteTerm(_)
            | Effect::EnsureAccess(_)
            | Effect::Checkpoint(_)
            | Effect::OpenGate
            | Effect::Apply(_) => self.with_server(who, issued, effect),
        };
        done.unwrap_or_else(failed)
    }

    fn writes_ledger(&mut self, who: Who, ledger: &Ledger) -> Outcome {
        let before = self.databases.disks.entry(who).or_default().ledger.replace(ledger.clone());
        self.facts.ledger(who, before.as_ref(), ledger);
        Outcome::LedgerWritten(ledger.clone())
    }

    fn peer(&self, who: Who, peer: &Peer) -> Result<Who, &'static str> {
        Source::of(peer).and_then(|source| self.answers(who, source)).ok_or("nobody answers there")
    }

    fn starts(
        &mut self,
        who: Who,
        boot: &Boot,
        term: berth_core::Term,
        quorum: &Quorum,
    ) -> Result<Run, &'static str> {
        let source = match boot {
            Boot::Alone => None,
            Boot::Following(peer) => Source::of(peer).map(|source| self.named(source)),
        };
        let wait = self.names(quorum.into());
        let Some(member) = self.members.get_mut(&who) else { return Err("there is no pod") };
        let run = Run(member.runs + 1);
        self.databases.start(who, run, source, term, wait)?;
        member.runs += 1;
        member.lease = None;
        self.tell(who, Event::Process(ProcessNews::Runs(run)));
        Ok(run)
    }

    fn stops(&mut self, who: Who, run: Run) {
        if self.databases.servers.get(&who).is_none_or(|server| server.run != run) {
            return;
        }
        self.databases.begin_stop(who);
        let standbys: Vec<Who> = self
            .databases
            .servers
            .get(&who)
            .map(|server| server.senders.keys().copied().collect())
            .unwrap_or_default();
        for standby in standbys {
            self.receives(standby);
        }
        self.databases.end_stop(who);
        self.gone(who, run, true);
    }

    fn swaps(
        &mut self,
        rule: &Rule,
        route: &Route,
        expected: Option<berth_core::election::RuleRevision>,
    ) -> Outcome {
        let before = self.store.rule().cloned();
        match self.store.swap(rule.clone(), route.clone(), expected) {
            Ok(known) => {
                self.facts.rule(before.as_ref(), &known.rule, &self.databases);
                self.spread(&Key::Rule);
                Outcome::RuleSwapped { known, route: route.clone() }
            }
            Err(Conflict) => Outcome::Conflict(Box::new(self.store.view.clone())),
        }
    }

    fn with_server(&mut self, who: Who, issued: Issued, effect: &Effect) -> Result<Outcome, &'static str> {
        if !self.databases.servers.contains_key(&who) {
            return Err("no server runs");
        }
        match effect {
            Effect::Detach => {
                self.ends_stream(who);
                self.databases.follow(who, None)?;
                self.databases.flush(who);
                self.databases.log_end(who).map(Outcome::Detached).ok_or("there is no data")
            }
            Effect::Follow(peer) => {
                self.ends_stream(who);
                let source = peer.as_ref().and_then(Source::of).map(|source| self.named(source));
                self.databases.follow(who, source)?;
                Ok(Outcome::Following(peer.clone()))
            }
            Effect::Promote(timeline) => {
                self.hang_up(who);
                let start = self.databases.promote(who, *timeline, issued.term)?;
                self.facts.promoted(who, *timeline, issued.term);
                Ok(Outcome::Promoted(start.position()))
            }
            Effect::SetQuorum { quorum, .. } => {
                Ok(Outcome::QuorumInForce { quorum: quorum.clone(), position: self.waits_for(who, quorum) })
            }
            Effect::WriteTerm(row) => {
                let end = self.databases.note(who, Body::Term(row.term))?;
                Ok(Outcome::TermWritten { row: row.clone(), position: end.position() })
            }
            Effect::EnsureAccess(wanted) => {
                self.databases.note(who, Body::Access)?;
                Ok(Outcome::AccessEnsured(wanted.clone()))
            }
            Effect::Checkpoint(_) => {
                self.databases.checkpoint(who);
                Ok(Outcome::Checkpointed)
            }
            Effect::OpenGate => {
                let led = self.databases.servers.get_mut(&who).and_then(|server| {
                    server.open = true;
                    server.led()
                });
                if let Some(led) = led {
                    self.facts.gate_opened(who, led, &self.databases, self.store.rule());
                }
                Ok(Outcome::GateOpened)
            }
            Effect::Apply(settings) => {
                if let Some(server) = self.databases.servers.get_mut(&who) {
                    server.term = settings.term;
                }
                Ok(Outcome::Applied { settings: settings.clone(), outcome: SettingsOutcome::default() })
            }
            Effect::Inspect
            | Effect::WriteLedger(_)
            | Effect::Initialize
            | Effect::Clone(_)
            | Effect::Start { .. }
            | Effect::Stop(_)
            | Effect::Fence
            | Effect::Rewind(_)
            | Effect::SwapRule { .. }
            | Effect::PutRoute { .. } => Err("it needs no server"),
        }
    }

    fn ends_stream(&mut self, standby: Who) {
        let source = self.databases.servers.get(&standby).and_then(|server| server.receiver);
        if let Some(source) = source {
            self.databases.close_sender(source.address.who, standby);
            self.databases.close_receiver(standby);
        }
    }

    /// Puts a quorum in force for all who release commits, and returns where the log ends then.
    fn waits_for(&mut self, who: Who, quorum: &Quorum) -> LogPosition {
        let wait = self.names(quorum.into());
        let armed = wait != Wait::None;
        let standbys: Vec<Who> = self.databases.servers.get_mut(&who).map_or_else(Vec::new, |server| {
            server.wait = wait;
            if let (Quorum::Any { term, .. }, false) = (quorum, server.writes()) {
                server.term = *term;
            }
            server.senders.keys().copied().collect()
        });
        for standby in standbys {
            self.databases.reread(who, standby);
        }
        for commit in self.databases.arm(who, armed) {
            self.acknowledge(who, commit, Some(&Wait::None));
        }
        let writes = self.databases.servers.get(&who).is_some_and(Server::writes);
        let end = self
            .databases
            .data(who)
            .map_or(End(0), |data| if writes { data.log.flushed() } else { data.log.end() });
        end.position()
    }
}
