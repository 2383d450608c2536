//! Random histories of one member: effects that fail before or after they took hold, an agent and a server that die at any moment, words
//! that come late, a topology that goes away and moves on. Whatever happens, the invariants hold.

use super::story::*;
use crate::database::{LocalStatus, Quorum, Settings, SettingsOutcome, Standby, Volume};
use crate::election::voters::setting;
use crate::election::*;
use crate::topology::{DurabilityMode, Phase, Rule};
use crate::{LogPosition, Term, Timeline};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

/// What may happen next.
#[derive(Debug, Clone, Copy)]
enum Happening {
    /// The effect succeeds.
    Succeeds,
    /// It fails, and nothing was done.
    FailsBefore,
    /// It was done, and its outcome is lost.
    FailsAfter,
    /// The agent dies while the effect is done, and a new one starts.
    AgentDies {
        done: bool,
    },
    ServerDies,
    Status,
    Attach(char),
    Detach(char),
    Away,
    Back,
    /// The watch delivers the rule as it is stored.
    Deliver,
    /// Another member wins a term.
    Deposed,
    Members(u8),
    Mode(u8),
    Passes(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let replica = || prop::sample::select(vec!['b', 'c']);
    prop_oneof![
        24 => Just(Happening::Succeeds),
        2 => Just(Happening::FailsBefore),
        2 => Just(Happening::FailsAfter),
        1 => proptest::bool::ANY.prop_map(|done| Happening::AgentDies { done }),
        1 => Just(Happening::ServerDies),
        12 => Just(Happening::Status),
        5 => replica().prop_map(Happening::Attach),
        1 => replica().prop_map(Happening::Detach),
        1 => Just(Happening::Away),
        2 => Just(Happening::Back),
        3 => Just(Happening::Deliver),
        1 => Just(Happening::Deposed),
        1 => (0_u8..4).prop_map(Happening::Members),
        1 => (0_u8..3).prop_map(Happening::Mode),
        3 => (1_u64..4).prop_map(Happening::Passes),
    ]
}

/// The server as it really is, whatever the member believes.
#[derive(Debug, Clone)]
struct Server {
    run: Run,
    term: Term,
    primary: bool,
    timeline: Timeline,
    quorum: Quorum,
    open: bool,
    attached: BTreeSet<char>,
}

/// The world as it really is, and one member in it.
struct World {
    state: State,
    now: Moment,
    pending: Option<(Issued, Effect)>,
    stored: View,
    revision: i64,
    notes: Notes,
    volume: Volume,
    server: Option<Server>,
    runs: u64,
    position: u64,
    timelines: BTreeSet<Timeline>,
    /// The terms in which this member was swapped in.
    served: BTreeSet<Term>,
}

impl World {
    fn new() -> Self {
        let stored = View { intent: Some(intent()), rule: None, members: view(None).members };
        let mut stored = stored;
        stored.members.remove(&member('a'));
        let mut world = Self {
            state: State::new(me('a'), Notes::Absent),
            now: Moment::at(Duration::from_secs(1_000)),
            pending: None,
            stored,
            revision: 1,
            notes: Notes::Absent,
            volume: Volume::Empty,
            server: None,
            runs: 0,
            position: 100,
            timelines: BTreeSet::from([Timeline(1)]),
            served: BTreeSet::new(),
        };
        world.agent_starts();
        world
    }

    fn agent_starts(&mut self) {
        self.state = State::new(me('a'), self.notes.clone());
        self.pending = None;
        self.hear(Event::Verifier(Some("v1".to_owned())));
        let process = match &self.server {
            Some(server) => ProcessNews::Runs(server.run),
            None => ProcessNews::Absent { latest: Run(self.runs) },
        };
        self.hear(Event::Process(process));
        self.hear(Event::Topology(News::Listed(Box::new(self.stored.clone()))));
    }

    fn hear(&mut self, event: Event) {
        let promise = self.promise();
        let (state, actions) = decide(&self.state, event, self.now);
        self.state = state;
        let mut words = Vec::new();
        for action in actions {
            match action {
                Action::Run { issued, effect } => {
                    self.check_effect(&effect);
                    self.pending = Some((issued, *effect));
                }
                Action::Announce { number, record } => {
                    self.stored.members.insert(member('a'), *record);
                    self.hear(Event::Announced { number, result: Ok(()) });
                }
                // The other two hear everything and grant what they may; nobody else is ever recruited.
                Action::Send { to, message: Message::Beat { term, at }, .. } => {
                    let stored = self.stored.rule.as_ref().is_some_and(|known| known.rule.term == term);
                    if let (true, Some(from)) =
                        (stored, identities("bc").into_iter().find(|id| id.member == to))
                    {
                        words.push(Event::Heard { from, message: Message::Grant { term, at } });
                    }
                }
                Action::Send { .. } | Action::Lease(_) => {}
                Action::Confirm { number } => {
                    let result = Ok(self.stored.rule.clone().map(Box::new));
                    words.push(Event::Confirmed { number, asked: self.now, result });
                }
                Action::Exit => panic!("nobody asked it to stop"),
            }
        }
        for word in words {
            self.hear(word);
        }
        assert!(self.promise() >= promise, "a promise never shrinks");
        self.check();
    }

    fn promise(&self) -> Term {
        self.notes.ledger().map_or(Term(0), |ledger| ledger.promise)
    }

    fn believed(&self) -> Option<&KnownRule> {
        self.state.world.view.rule.as_ref()
    }

    fn check_effect(&self, effect: &Effect) {
        match effect {
            Effect::Promote(timeline) => {
                let rule = &self.believed().unwrap().rule;
                assert!(
                    !matches!(rule.phase, Phase::Serving | Phase::Switching),
                    "promoted in {:?}",
                    rule.phase
                );
                let era = *self.notes.ledger().unwrap().newest().unwrap();
                assert_eq!((era.term, era.timeline), (rule.term, *timeline), "the pledge is durable first");
                assert!(!self.timelines.contains(timeline), "timeline {timeline} is used twice");
                let quorum = &self.server.as_ref().expect("only a server is promoted").quorum;
                match quorum {
                    Quorum::Any { .. } => {
                        let (voters, acks) = rule.slate();
                        let wanted = setting(rule.term, voters, acks, &Quorum::None);
                        assert_eq!(quorum, &wanted, "the quorum is set first");
                    }
                    Quorum::Nobody | Quorum::None => assert_eq!(rule.acks, 0, "the quorum is set first"),
                }
            }
            Effect::OpenGate => {
                let rule = &self.believed().unwrap().rule;
                assert_eq!((rule.phase, &rule.primary), (Phase::Serving, &identity('a')));
                assert!(self.served.contains(&rule.term), "the gate opens after the swap");
            }
            Effect::SwapRule { rule, expected, .. } => {
                let known = self.believed();
                assert_eq!(*expected, known.map(|known| known.revision));
                let before = known.map_or(Term(0), |known| known.rule.term);
                assert!(rule.term == before || rule.term == before.next(), "{before} to {}", rule.term);
                assert!(rule.term >= self.promise());
            }
            Effect::Initialize | Effect::Clone(_) => {
                assert_eq!(self.volume, Volume::Empty, "nothing is made over data");
            }
            Effect::Follow(_) => {
                let rule = &self.believed().unwrap().rule;
                assert!(self.notes.ledger().unwrap().era(rule.term).is_some(), "the pledge comes first");
            }
            Effect::Start { .. } => assert!(self.server.is_none(), "one server at a time"),
            Effect::Inspect
            | Effect::WriteLedger(_)
            | Effect::Detach
            | Effect::Rewind(_)
            | Effect::Stop(_)
            | Effect::Fence
            | Effect::SetQuorum { .. }
            | Effect::WriteTerm(_)
            | Effect::EnsureAccess(_)
            | Effect::Checkpoint(_)
            | Effect::Apply(_)
            | Effect::PutRoute { .. } => {}
        }
    }

    /// What must be true at every moment.
    fn check(&self) {
        let (Some(server), Some(known)) = (&self.server, self.believed()) else { return };
        let rule = &known.rule;
        let leads = *rule.leader() == identity('a');
        let seen_to_write = self.state.server.up().is_some_and(Up::writes);
        if server.primary && seen_to_write && !leads && rule.term >= self.promise() {
            let fencing = self.pending.as_ref().is_some_and(|(_, effect)| *effect == Effect::Fence);
            assert!(
                fencing || self.state.failures.holds(EffectKind::Fence, self.now).is_some(),
                "it writes against {rule:?}"
            );
        }
        let stored = &self.stored.rule.as_ref().unwrap().rule;
        if server.primary && server.open && stored.term == server.term {
            assert_eq!(stored.phase, Phase::Serving, "tenants are in before the term serves");
            let voters: BTreeSet<_> = stored.voters.iter().map(|voter| voter.member.clone()).collect();
            let (names, acks) = match &server.quorum {
                Quorum::None => (BTreeSet::new(), 0),
                Quorum::Nobody => (BTreeSet::new(), u32::MAX),
                Quorum::Any { acks, members, term } => {
                    assert_eq!(*term, stored.term, "names carry the term");
                    (members.clone(), *acks)
                }
            };
            assert!(names.is_subset(&voters) && acks >= stored.acks, "{:?} under {stored:?}", server.quorum);
        }
    }

    fn status(&self) -> Option<(Run, LocalStatus)> {
        let server = self.server.as_ref()?;
        let standbys = server.attached.iter().map(|name| Standby {
            member: member(*name),
            term: server.term,
            streaming: true,
            flushed: LogPosition(self.position),
            counted: true,
        });
        let status = LocalStatus {
            in_recovery: !server.primary,
            timeline: server.timeline,
            position: LogPosition(self.position),
            receiving: false,
            behind: None,
            standbys: standbys.collect(),
            transactions: 0,
        };
        Some((server.run, status))
    }

    fn end_server(&mut self, asked: bool) {
        if let Some(server) = self.server.take() {
            let how = "signal 9".to_owned();
            self.hear(Event::Process(ProcessNews::Exited { run: server.run, how, asked }));
        }
    }

    /// Does the effect, as the real part would.
    fn apply(&mut self, effect: &Effect) -> Outcome {
        self.position += 1;
        let position = LogPosition(self.position);
        match effect.clone() {
            Effect::Inspect => Outcome::Inspected(self.volume.clone()),
            Effect::WriteLedger(ledger) => {
                self.notes = Notes::Present(ledger.clone());
                Outcome::LedgerWritten(ledger)
            }
            Effect::Initialize => {
                self.volume = present();
                Outcome::Initialized
            }
            Effect::Clone(_) => {
                self.volume = present();
                Outcome::Cloned
            }
            Effect::Start { boot, settings, quorum } => self.start(boot, settings, quorum),
            Effect::Stop(_) => {
                self.end_server(true);
                Outcome::Stopped
            }
            Effect::Fence => {
                self.end_server(true);
                Outcome::Fenced
            }
            Effect::SwapRule { rule, route, expected } => self.swap(rule, route, expected),
            Effect::PutRoute { route, rule } => {
                if self.stored.rule.as_ref().map(|known| known.revision) == Some(rule) {
                    Outcome::RoutePut(route)
                } else {
                    Outcome::Conflict(Box::new(self.stored.clone()))
                }
            }
            Effect::Rewind(_) => Outcome::Rewound,
            Effect::Detach
            | Effect::Follow(_)
            | Effect::Promote(_)
            | Effect::SetQuorum { .. }
            | Effect::WriteTerm(_)
            | Effect::EnsureAccess(_)
            | Effect::Checkpoint(_)
            | Effect::OpenGate
            | Effect::Apply(_) => self.on_server(effect, position),
        }
    }

    fn start(&mut self, boot: crate::database::Boot, settings: Settings, quorum: Quorum) -> Outcome {
        self.runs += 1;
        let run = Run(self.runs);
        let timeline = self.timelines.iter().next_back().copied().unwrap();
        self.server = Some(Server {
            run,
            term: settings.term,
            primary: false,
            timeline,
            quorum: quorum.clone(),
            open: false,
            attached: BTreeSet::new(),
        });
        // The warden says so too, and first.
        self.hear(Event::Process(ProcessNews::Runs(run)));
        Outcome::Started { run, boot, settings, quorum }
    }

    fn swap(&mut self, rule: Rule, route: crate::topology::Route, expected: Option<RuleRevision>) -> Outcome {
        if self.stored.rule.as_ref().map(|known| known.revision) != expected {
            return Outcome::Conflict(Box::new(self.stored.clone()));
        }
        self.revision += 1;
        if rule.phase == Phase::Serving {
            self.served.insert(rule.term);
        }
        let known = known(rule, self.revision);
        self.stored.rule = Some(known.clone());
        Outcome::RuleSwapped { known, route }
    }

    fn on_server(&mut self, effect: &Effect, position: LogPosition) -> Outcome {
        let gone = || Outcome::Failed { reason: "the server is gone".to_owned(), retryable: true };
        let Some(server) = self.server.as_mut() else { return gone() };
        match effect.clone() {
            Effect::Detach => {
                Outcome::Detached(crate::database::LogEnd { timeline: server.timeline, position })
            }
            Effect::Follow(peer) => Outcome::Following(peer),
            Effect::Promote(timeline) => {
                (server.primary, server.timeline) = (true, timeline);
                self.timelines.insert(timeline);
                Outcome::Promoted(position)
            }
            Effect::SetQuorum { quorum, .. } => {
                server.quorum = quorum.clone();
                Outcome::QuorumInForce { quorum, position }
            }
            Effect::WriteTerm(row) => Outcome::TermWritten { row, position },
            Effect::EnsureAccess(wanted) => Outcome::AccessEnsured(wanted),
            Effect::Checkpoint(_) => Outcome::Checkpointed,
            Effect::OpenGate => {
                server.open = true;
                Outcome::GateOpened
            }
            Effect::Apply(settings) => Outcome::Applied { settings, outcome: SettingsOutcome::default() },
            Effect::Inspect
            | Effect::WriteLedger(_)
            | Effect::Initialize
            | Effect::Clone(_)
            | Effect::Rewind(_)
            | Effect::Start { .. }
            | Effect::Stop(_)
            | Effect::Fence
            | Effect::SwapRule { .. }
            | Effect::PutRoute { .. } => panic!("{effect:?} is not done to a server"),
        }
    }

    fn happen(&mut self, happening: Happening) {
        self.now = self.now.after(Duration::from_millis(50));
        match happening {
            Happening::Succeeds => self.answer(|world, effect| Some(world.apply(effect))),
            Happening::FailsBefore => self.answer(|_, _| None),
            Happening::FailsAfter => self.answer(|world, effect| {
                world.apply(effect);
                None
            }),
            Happening::AgentDies { done } => {
                if let (true, Some((_, effect))) = (done, self.pending.take()) {
                    self.apply(&effect);
                }
                self.agent_starts();
            }
            Happening::ServerDies => self.end_server(false),
            Happening::Status => {
                if let Some((run, status)) = self.status() {
                    self.hear(Event::Status { run, asked: self.now, answer: Ok(status) });
                }
            }
            Happening::Attach(name) => self.attach(name, true),
            Happening::Detach(name) => self.attach(name, false),
            Happening::Away => self.hear(Event::Topology(News::Away("refused".to_owned()))),
            Happening::Back => {
                self.hear(Event::Topology(News::Back));
                self.hear(Event::Tick);
            }
            Happening::Deliver => {
                let rule = self.stored.rule.clone().map(Box::new);
                self.hear(Event::Topology(News::Rule(rule)));
            }
            Happening::Deposed => self.deposed(),
            Happening::Members(count) => self.intend(|intent| {
                intent.members = identities(&"abc"[..usize::from(count.clamp(1, 3))])
                    .into_iter()
                    .map(|id| (id.member, id.claim))
                    .collect();
            }),
            Happening::Mode(mode) => self.intend(|intent| {
                intent.durability.mode =
                    [DurabilityMode::Quorum, DurabilityMode::Async, DurabilityMode::All][usize::from(mode)];
            }),
            Happening::Passes(seconds) => {
                self.now = self.now.after(Duration::from_secs(seconds));
                self.hear(Event::Tick);
            }
        }
    }

    fn answer(&mut self, outcome: impl FnOnce(&mut Self, &Effect) -> Option<Outcome>) {
        let Some((issued, effect)) = self.pending.take() else { return };
        let outcome = outcome(self, &effect)
            .unwrap_or(Outcome::Failed { reason: "it did not answer".to_owned(), retryable: true });
        self.hear(Event::Done { issued, outcome });
    }

    fn attach(&mut self, name: char, there: bool) {
        if let Some(server) = &mut self.server {
            if there {
                server.attached.insert(name)
            } else {
                server.attached.remove(&name)
            };
        }
    }

    fn deposed(&mut self) {
        let Some(known) = &mut self.stored.rule else { return };
        if known.rule.voters.is_empty() || self.timelines.len() > 20 {
            return;
        }
        self.revision += 1;
        let rule = &mut known.rule;
        (rule.term, rule.phase, rule.coordinator) = (rule.term.next(), Phase::Serving, None);
        (rule.primary, rule.timeline) = (identity('b'), rule.timeline.next());
        rule.branched = Some(LogPosition(self.position));
        self.timelines.insert(rule.timeline);
        known.revision = RuleRevision(self.revision);
    }

    fn intend(&mut self, change: impl FnOnce(&mut crate::topology::Intent)) {
        let intent = self.stored.intent.as_mut().unwrap();
        change(intent);
        intent.generation.0 += 1;
        let intent = intent.clone();
        self.hear(Event::Topology(News::Intent(Some(Box::new(intent)))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_happens_the_invariants_hold(history in prop::collection::vec(happening(), 1..200)) {
        let mut world = World::new();
        for happening in history {
            world.happen(happening);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn after_whatever_happened_a_member_that_leads_comes_to_serve(
        history in prop::collection::vec(happening(), 1..100)
    ) {
        let mut world = World::new();
        for happening in history {
            if !matches!(happening, Happening::Deposed) {
                world.happen(happening);
            }
        }
        world.happen(Happening::Members(3));
        world.happen(Happening::Mode(0));
        world.happen(Happening::Back);
        for _ in 0..120 {
            for happening in [
                Happening::Deliver,
                Happening::Succeeds,
                Happening::Attach('b'),
                Happening::Attach('c'),
                Happening::Status,
                Happening::Passes(1),
            ] {
                world.happen(happening);
            }
        }
        prop_assert!(world.server.as_ref().is_some_and(|server| server.primary && server.open), "{:?}", world.state.waiting());
        let rule = &world.stored.rule.as_ref().unwrap().rule;
        prop_assert_eq!((rule.phase, rule.acks, rule.voters.len()), (Phase::Serving, 1, 2));
        prop_assert_eq!(&world.state.doing(), &None);
    }
}

#[test]
fn two_runs_of_the_same_history_decide_the_same() {
    let run = || {
        let mut world = World::new();
        for n in 0..300_u32 {
            let happening = match n % 5 {
                0 | 2 => Happening::Succeeds,
                1 => Happening::Status,
                3 => Happening::Attach(if n % 2 == 0 { 'b' } else { 'c' }),
                _ => Happening::Deliver,
            };
            world.happen(happening);
        }
        world.state
    };
    assert_eq!(run(), run());
}
