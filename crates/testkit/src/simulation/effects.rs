//! Effects in simulated time: each begins, takes hold at some later moment, and its outcome is heard later still, so that anything can happen
//! in between. What is asked of the store, and the ledger's file, goes on when the agent has forgotten it.

mod process;
mod running;

use super::clock::Time;
use super::database::Source;
use super::happening::{Happening, Life, Request, ToAgent};
use super::member::{Doing, Lasting};
use super::names::Who;
use super::words;
use super::world::World;
use berth_core::database::Boot;
use berth_core::election::{Effect, Issued, Ledger, Outcome};
use std::time::Duration;

/// How long a request to the store may take.
const REQUEST: Duration = Duration::from_secs(4);
/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(20);

/// What comes of a step of an effect.
enum Next {
    /// It goes on with this stage.
    After(Duration, u8),
    /// It is over.
    Over(Box<Outcome>),
}

fn over(outcome: Outcome) -> Next {
    Next::Over(Box::new(outcome))
}

fn failed(reason: &str) -> Next {
    over(Outcome::Failed { reason: reason.to_owned(), retryable: true })
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
                let (delay, now) = (self.disk(who), self.now);
                let what = ToAgent::LedgerLands { issued, ledger: Box::new(ledger) };
                let Some(agent) = self.agent(who, life) else { return };
                // One after the other, also when nobody waits for the first any more.
                let lands = agent.ledger.max(now).after(delay);
                agent.ledger = lands;
                self.queue.plan(lands, Happening::Agent { who, life, what });
            }
            Effect::Inspect
            | Effect::Initialize
            | Effect::Clone(_)
            | Effect::Start { .. }
            | Effect::Stop(_)
            | Effect::Fence
            | Effect::Detach
            | Effect::Rewind(_)
            | Effect::Follow(_)
            | Effect::Promote(_)
            | Effect::SetQuorum { .. }
            | Effect::WriteTerm(_)
            | Effect::EnsureAccess(_)
            | Effect::Checkpoint(_)
            | Effect::OpenGate
            | Effect::Apply(_) => {
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
            Effect::Checkpoint(patience) => self.millis(5, 20_000).min(*patience),
            Effect::Inspect
            | Effect::WriteLedger(_)
            | Effect::Detach
            | Effect::Follow(_)
            | Effect::SetQuorum { .. }
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
            && let Lasting::AsWritten = member.lasting
        {
            member.lasting = Lasting::Older(before.clone());
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
            Next::Over(outcome) => self.finish(who, life, issued, *outcome),
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
            Effect::Inspect => over(Outcome::Inspected(self.databases.volume(who))),
            Effect::Initialize => match self.databases.initialize(who, 7_001) {
                Ok(()) => over(Outcome::Initialized),
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
                    Ok(run) => over(Outcome::Started {
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
                self.fenced(who);
                over(Outcome::Fenced)
            }
            Effect::Detach
            | Effect::Follow(_)
            | Effect::Promote(_)
            | Effect::SetQuorum { .. }
            | Effect::WriteTerm(_)
            | Effect::EnsureAccess(_)
            | Effect::Checkpoint(_)
            | Effect::OpenGate
            | Effect::Apply(_) => self.with_server(who, issued, since, effect, stage),
            // These do not go by steps.
            Effect::WriteLedger(_) | Effect::SwapRule { .. } | Effect::PutRoute { .. } => {
                failed("it has no steps")
            }
        }
    }
}
