//! Effects in simulated time: each begins, takes hold at some later moment, and its outcome is heard later still, so that anything can happen
//! in between. What is asked of the store, and the ledger's file, goes on when the agent has forgotten it.

use super::clock::Time;
use super::database::{Body, Server, Source, Wait};
use super::happening::{Happening, Life, Request, ToAgent};
use super::member::Doing;
use super::names::Who;
use super::network::{Plane, Way};
use super::pods::End;
use super::words;
use super::world::World;
use berth_core::Term;
use berth_core::database::{Boot, Peer, SettingsOutcome};
use berth_core::election::{Effect, Issued, Ledger, Outcome, Run};
use std::time::Duration;

/// How long a request to the store may take.
const REQUEST: Duration = Duration::from_secs(4);
/// How long the database may take for what it should do at once.
const QUICK: Duration = Duration::from_secs(3);
/// How long it may take for what depends on others.
const SLOW: Duration = Duration::from_secs(10);
/// How long a stop waits for standbys, before it goes on without them.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a stop in order may take before it becomes a kill.
const ORDERLY: Duration = Duration::from_secs(30);
/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(20);

/// What comes of a step of an effect.
enum Next {
    /// It goes on with this stage.
    After(Duration, u8),
    /// It is over.
    Over(Outcome),
}

fn failed(reason: &str) -> Next {
    Next::Over(Outcome::Failed { reason: reason.to_owned(), retryable: true })
}

impl World {
    /// An agent begins an effect; one that is still being done is forgotten.
    pub(super) fn begin(&mut self, who: Who, life: Life, issued: Issued, effect: Effect) {
        let kind = effect.kind();
        *self.counts.effects.entry(kind).or_default() += 1;
        self.say(&who, || format!("begins {}", words::effect(&effect)));
        let flaky = self.members.get(&who).is_some_and(|member| member.flaky > 0);
        let (fails_before, fails) = (flaky && self.random.once_in(4), flaky && self.random.once_in(4));
        let doing = Doing { issued, effect: effect.clone(), since: self.now, fails };
        let Some(agent) = self.agent(who, life) else { return };
        agent.doing = Some(doing);
        if fails_before {
            let outcome = Outcome::Failed { reason: "it did not work out".to_owned(), retryable: true };
            let pause = self.millis(1, 200);
            self.plan(pause, Happening::done(who, life, issued, outcome));
        } else {
            self.set_out(who, life, issued, effect);
        }
        self.faults_by_effect(who, kind, false);
    }

    fn set_out(&mut self, who: Who, life: Life, issued: Issued, effect: Effect) {
        let overdue = Outcome::Failed { reason: "etcd does not answer".to_owned(), retryable: true };
        match effect {
            Effect::SwapRule { rule, route, expected } => {
                let request =
                    Request::Swap { issued, rule: Box::new(rule), route: Box::new(route), expected };
                self.request(who, life, request);
                self.plan(REQUEST, Happening::done(who, life, issued, overdue));
            }
            Effect::PutRoute { route, rule } => {
                self.request(who, life, Request::PutRoute { issued, route: Box::new(route), rule });
                self.plan(REQUEST, Happening::done(who, life, issued, overdue));
            }
            Effect::WriteLedger(ledger) => {
                let (delay, now, overtakes) = (self.disk(who), self.now, self.options.overtakes());
                let what = ToAgent::LedgerLands { issued, ledger: Box::new(ledger) };
                let Some(agent) = self.agent(who, life) else { return };
                // One after the other, also when nobody waits for the first any more.
                let after = if overtakes { now } else { agent.ledger.max(now) };
                let lands = after.after(delay);
                agent.ledger = lands;
                self.queue.plan(lands, Happening::Agent { who, life, what });
            }
            effect => {
                let delay = self.duration(&effect);
                let what = ToAgent::Step { number: issued.number, stage: 0 };
                self.plan(delay, Happening::Agent { who, life, what });
            }
        }
    }

    /// How long a flush takes.
    pub(super) fn disk(&mut self, who: Who) -> Duration {
        if self.members.get(&who).is_some_and(|member| member.slow > 0) {
            self.millis(20, 2_500)
        } else {
            self.between(400, 6_000)
        }
    }

    fn duration(&mut self, effect: &Effect) -> Duration {
        match effect {
            Effect::Initialize => self.millis(300, 1_200),
            Effect::Clone(_) => self.millis(300, 2_500),
            Effect::Rewind(_) => self.millis(100, 900),
            Effect::Start { .. } | Effect::Stop(_) => self.millis(3, 40),
            Effect::Fence if self.random.once_in(40) => self.millis(200, 2_500),
            Effect::Fence => self.millis(2, 30),
            Effect::Promote(_) => self.millis(15, 150),
            Effect::Inspect
            | Effect::WriteLedger(_)
            | Effect::Detach
            | Effect::Follow(_)
            | Effect::SetQuorum(_)
            | Effect::WriteTerm(_)
            | Effect::EnsureAccess(_)
            | Effect::OpenGate
            | Effect::Apply(_)
            | Effect::SwapRule { .. }
            | Effect::PutRoute { .. } => self.millis(1, 15),
        }
    }

    /// The ledger's file is in place. An agent that has begun something else since does not hear of it.
    pub(super) fn ledger_lands(&mut self, who: Who, life: Life, issued: Issued, ledger: Ledger) {
        let disk = self.databases.disks.entry(who).or_default();
        let before = disk.ledger.replace(ledger.clone());
        if self.options.forgets_promises()
            && let Some(member) = self.members.get_mut(&who)
        {
            member.lasting.get_or_insert_with(|| before.clone());
        }
        self.facts.ledger(who, before.as_ref(), &ledger);
        self.finish(who, life, issued, Outcome::LedgerWritten(ledger));
    }

    /// The agent died, and what it had asked for is done all the same.
    pub(super) fn happens_all_the_same(&mut self, who: Who, doing: Doing) {
        self.say(&who, || format!("  {} goes on without it", doing.effect.kind()));
        if let Effect::WriteLedger(ledger) = doing.effect {
            self.ledger_lands(who, 0, doing.issued, ledger);
        } else {
            let _nobody_hears = self.go_on(who, doing.issued, doing.since, &doing.effect, 0);
        }
    }

    /// The next step of the effect, if it is still being done.
    pub(super) fn effect_goes_on(&mut self, who: Who, life: Life, number: u64, stage: u8) {
        let Some(agent) = self.agent(who, life) else { return };
        let Some(doing) = agent.doing.as_ref().filter(|doing| doing.issued.number == number) else { return };
        let (issued, since, effect) = (doing.issued, doing.since, doing.effect.clone());
        match self.go_on(who, issued, since, &effect, stage) {
            Next::After(pause, stage) => {
                let what = ToAgent::Step { number, stage };
                self.plan(pause, Happening::Agent { who, life, what });
            }
            Next::Over(outcome) => self.finish(who, life, issued, outcome),
        }
    }

    /// The effect has taken hold, or failed; the agent hears of it a little later.
    pub(super) fn finish(&mut self, who: Who, life: Life, issued: Issued, outcome: Outcome) {
        let Some(agent) = self.agent(who, life) else { return };
        let Some(doing) = agent.doing.take_if(|doing| doing.issued == issued) else { return };
        let kind = doing.effect.kind();
        let outcome = if doing.fails {
            Outcome::Failed { reason: "its outcome is lost".to_owned(), retryable: true }
        } else {
            outcome
        };
        self.say(&who, || format!("  {}", words::outcome(&outcome)));
        let pause = self.between(50, 2_000);
        self.plan(pause, Happening::done(who, life, issued, outcome));
        self.faults_by_effect(who, kind, true);
    }

    fn go_on(&mut self, who: Who, issued: Issued, since: Time, effect: &Effect, stage: u8) -> Next {
        match effect {
            Effect::Inspect => Next::Over(Outcome::Inspected(self.databases.volume(who))),
            Effect::Initialize => match self.databases.initialize(who, 7_001) {
                Ok(()) => Next::Over(Outcome::Initialized),
                Err(reason) => failed(reason),
            },
            Effect::Clone(peer) => self.copies(who, peer),
            Effect::Rewind(peer) => self.rewinds(who, peer, stage),
            Effect::Start { boot, settings, quorum } => {
                let source = match boot {
                    Boot::Alone => None,
                    Boot::Following(peer) => Source::of(peer),
                };
                let wait = self.named(quorum.into());
                match self.starts(who, source.map(|source| self.nameless(source)), settings.term, wait) {
                    Ok(run) => Next::Over(Outcome::Started {
                        run,
                        boot: boot.clone(),
                        settings: settings.clone(),
                        quorum: quorum.clone(),
                    }),
                    Err(reason) => failed(reason),
                }
            }
            Effect::Stop(run) => self.stops(who, *run, since, stage),
            Effect::Fence => {
                self.server_ends(who, End::Killed, true);
                Next::Over(Outcome::Fenced)
            }
            Effect::Detach
            | Effect::Follow(_)
            | Effect::Promote(_)
            | Effect::SetQuorum(_)
            | Effect::WriteTerm(_)
            | Effect::EnsureAccess(_)
            | Effect::OpenGate
            | Effect::Apply(_) => self.with_server(who, issued, since, effect, stage),
            // These do not go by steps.
            Effect::WriteLedger(_) | Effect::SwapRule { .. } | Effect::PutRoute { .. } => {
                failed("it has no steps")
            }
        }
    }

    fn copies(&mut self, who: Who, peer: &Peer) -> Next {
        let Some(source) = self.reached(who, peer) else { return failed("nobody answers there") };
        match self.databases.clone_from(who, source) {
            Ok(()) => Next::Over(Outcome::Cloned),
            Err(reason) => failed(reason),
        }
    }

    fn rewinds(&mut self, who: Who, peer: &Peer, stage: u8) -> Next {
        let Some(source) = self.reached(who, peer) else { return failed("nobody answers there") };
        if stage == 0 {
            self.databases.tear(who, source);
            return Next::After(self.millis(50, 500), 1);
        }
        match self.databases.rewind(who, source) {
            Ok(()) => Next::Over(Outcome::Rewound),
            Err(reason) => failed(reason),
        }
    }

    /// Whom a peer's address leads to, if the network does and a server answers there.
    pub(super) fn reached(&self, who: Who, peer: &Peer) -> Option<Who> {
        let source = Source::of(peer)?;
        self.source_answers(who, source).then_some(source.address.who)
    }

    /// With or without terms in the names.
    fn named(&self, wait: Wait) -> Wait {
        match wait {
            Wait::Any { acks, members, .. } if self.options.forgets_terms_in_names() => {
                Wait::Any { acks, members, term: Term(0) }
            }
            Wait::Any { .. } | Wait::Nobody | Wait::None => wait,
        }
    }

    fn nameless(&self, source: Source) -> Source {
        if self.options.forgets_terms_in_names() { Source { term: Term(0), ..source } } else { source }
    }

    fn starts(
        &mut self,
        who: Who,
        source: Option<Source>,
        term: Term,
        wait: Wait,
    ) -> Result<Run, &'static str> {
        let Some(pod) = self.members.get_mut(&who).and_then(|member| member.pod.as_mut()) else {
            return Err("there is no pod");
        };
        if pod.stopping {
            return Err("the container ends");
        }
        let run = Run(pod.runs + 1);
        self.databases.start(who, run, source, term, wait)?;
        pod.runs += 1;
        self.process_starts(who, run);
        Ok(run)
    }

    fn stops(&mut self, who: Who, run: Run, since: Time, stage: u8) -> Next {
        let Some(process) = self.members.get(&who).and_then(|member| member.process()) else {
            return Next::Over(Outcome::Stopped);
        };
        let frozen = process.frozen;
        if process.run != run {
            return Next::Over(Outcome::Stopped);
        }
        if self.now.since(since) >= ORDERLY {
            self.server_ends(who, End::Killed, true);
            return Next::Over(Outcome::Stopped);
        }
        if frozen {
            return Next::After(LOOK, stage);
        }
        if stage == 0 {
            self.databases.begin_stop(who);
            self.kick(who);
            return Next::After(self.millis(5, 60), 1);
        }
        if !self.databases.drained(who) && self.now.since(since) < DRAIN {
            return Next::After(LOOK, 1);
        }
        self.server_ends(who, End::Stopped, false);
        Next::Over(Outcome::Stopped)
    }

    /// What is asked of a server that must answer first.
    fn with_server(&mut self, who: Who, issued: Issued, since: Time, effect: &Effect, stage: u8) -> Next {
        let Some(process) = self.members.get(&who).and_then(|member| member.process()) else {
            return failed("no server runs");
        };
        let (life, hangs) = (process.life, process.frozen || self.now < process.ready);
        let patience = match effect {
            Effect::Promote(_) | Effect::SetQuorum(_) | Effect::Detach => SLOW,
            Effect::Inspect
            | Effect::WriteLedger(_)
            | Effect::Initialize
            | Effect::Clone(_)
            | Effect::Start { .. }
            | Effect::Stop(_)
            | Effect::Fence
            | Effect::Rewind(_)
            | Effect::Follow(_)
            | Effect::WriteTerm(_)
            | Effect::EnsureAccess(_)
            | Effect::OpenGate
            | Effect::Apply(_)
            | Effect::SwapRule { .. }
            | Effect::PutRoute { .. } => QUICK,
        };
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
                        Next::Over(Outcome::Promoted(start.position()))
                    }
                    Err(reason) => failed(reason),
                }
            }
            Effect::SetQuorum(quorum) => self.sets_quorum(who, life, quorum, stage),
            Effect::WriteTerm(row) => self.notes(who, Body::Term(row.term), |position| {
                Outcome::TermWritten { row: row.clone(), position }
            }),
            Effect::EnsureAccess(wanted) => {
                self.notes(who, Body::Access, |_| Outcome::AccessEnsured(wanted.clone()))
            }
            Effect::OpenGate => self.opens(who),
            Effect::Apply(settings) => match self.databases.servers.get_mut(&who) {
                Some(server) => {
                    server.term = settings.term;
                    Next::Over(Outcome::Applied {
                        settings: settings.clone(),
                        outcome: SettingsOutcome::default(),
                    })
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
            Some(end) => Next::Over(Outcome::Detached(end)),
            None => failed("there is no data"),
        }
    }

    fn points(&mut self, who: Who, source: Option<Source>, outcome: Outcome) -> Next {
        self.hang_up(who);
        match self.databases.follow(who, source) {
            Ok(()) => {
                self.connect_soon(who);
                Next::Over(outcome)
            }
            Err(reason) => failed(reason),
        }
    }

    fn sets_quorum(
        &mut self,
        who: Who,
        life: Life,
        quorum: &berth_core::database::Quorum,
        stage: u8,
    ) -> Next {
        let wanted = self.named(Wait::from(quorum));
        match stage {
            // The way from one quorum to another leads over one in which commits wait for ever.
            0 if self.databases.anybody_counts(who) => self.asks_for(who, life, Wait::Nobody, 1),
            1 if self.databases.anybody_counts(who) => Next::After(LOOK, 1),
            0 | 1 => self.asks_for(who, life, wanted, 2),
            _ if !self.databases.all_read(who) => Next::After(LOOK, 2),
            _ => {
                let armed = wanted != Wait::None;
                for commit in self.databases.arm(who, armed) {
                    self.acknowledge(who, commit, Some(&Wait::None));
                }
                let position =
                    self.databases.data(who).map_or(super::database::End(0), |data| data.log.flushed());
                Next::Over(Outcome::QuorumInForce { quorum: quorum.clone(), position: position.position() })
            }
        }
    }

    fn asks_for(&mut self, who: Who, life: Life, wait: Wait, then: u8) -> Next {
        if let Some(server) = self.databases.servers.get_mut(&who) {
            server.wait = wait.clone();
        }
        self.walsenders_read_later(who, life);
        if wait != Wait::None {
            // The checkpointer arms the wait a little later than the walsenders read it.
            let pause = self.millis(1, 20);
            let what = super::happening::ToServer::Arms;
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
                Next::Over(outcome(end.position()))
            }
            Err(reason) => failed(reason),
        }
    }

    fn opens(&mut self, who: Who) -> Next {
        let Some(server) = self.databases.servers.get_mut(&who) else { return failed("no server runs") };
        server.open = true;
        if let Some(led) = server.led() {
            self.facts.gate_opened(who, led, &self.databases, &self.store);
            self.say(&who, || format!("tenants of term {led} are let in"));
        }
        Next::Over(Outcome::GateOpened)
    }

    /// Whether a source answers at its address.
    pub(super) fn source_answers(&self, who: Who, source: Source) -> bool {
        let Some(member) = self.members.get(&source.address.who) else { return false };
        let up = member.process().is_some_and(|process| !process.frozen && process.ready <= self.now);
        up && member.address() == source.address
            && self.network.connects(Way::between(who, source.address.who, Plane::Data))
    }
}
