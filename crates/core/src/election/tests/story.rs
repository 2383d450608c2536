//! A member with a world around it that answers as real parts would, one word at a time.

use crate::database::{LocalStatus, LogEnd, Quorum, Settings, SettingsOutcome, Standby, Volume};
use crate::disk::Space;
use crate::election::*;
use crate::topology::{
    Access, Activity, BootstrapGrant, Durability, DurabilityMode, EngineKind, Identity, Intent, MemberRecord,
    OnLoss, Phase, Proposal, Replication, Rule,
};
use crate::{ClaimUid, ClusterUid, Generation, LogPosition, MemberId, Nonce, Term, Timeline};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(super) const SYSTEM: &str = "7001";

pub(super) fn member(name: char) -> MemberId {
    MemberId::new(format!("orders-{}", name.to_string().repeat(5))).unwrap()
}

pub(super) fn identity(name: char) -> Identity {
    Identity { member: member(name), claim: ClaimUid::new(name.to_string()).unwrap() }
}

pub(super) fn identities(names: &str) -> BTreeSet<Identity> {
    names.chars().map(identity).collect()
}

pub(super) fn address(name: char) -> String {
    format!("{name}:5432")
}

pub(super) fn peer_address(name: char) -> String {
    format!("{name}:5433")
}

pub(super) fn me(name: char) -> Me {
    Me {
        identity: identity(name),
        cluster: "shop/orders".parse().unwrap(),
        uid: ClusterUid::new("u1").unwrap(),
        incarnation: "pod-1".to_owned(),
        address: address(name),
        peer: peer_address(name),
        version: "test".to_owned(),
    }
}

/// Three members, a quorum of one, the grant to `a`.
pub(super) fn intent() -> Intent {
    Intent {
        cluster: "shop/orders".parse().unwrap(),
        generation: Generation(1),
        members: identities("abc").into_iter().map(|id| (id.member, id.claim)).collect(),
        durability: Durability { mode: DurabilityMode::Quorum, acks: 1, on_loss: OnLoss::Block },
        engine: EngineKind::Postgres,
        parameters: BTreeMap::new(),
        access: Access { database: "app".to_owned(), owner: "app".to_owned() },
        grant: Some(BootstrapGrant { to: identity('a'), nonce: Nonce::new("n1").unwrap() }),
        paused: false,
        switchover: None,
        accept_loss: None,
        rebuild: None,
    }
}

/// Term 4, served by `a` on timeline 5 with the other two as voters.
pub(super) fn rule() -> Rule {
    Rule {
        term: Term(4),
        phase: Phase::Serving,
        primary: identity('a'),
        coordinator: None,
        timeline: Timeline(5),
        branched: Some(LogPosition(400)),
        voters: identities("bc"),
        acks: 1,
        grants: 1,
        proposal: None,
        cause: None,
        loss: None,
        rebuild: None,
        switched: None,
        system: Some(SYSTEM.to_owned()),
        grant: Nonce::new("n1").unwrap(),
    }
}

/// The choice of a candidate with these voters, one of whom must acknowledge.
pub(super) fn proposal(candidate: char, voters: &str) -> Proposal {
    Proposal { candidate: identity(candidate), voters: identities(voters), acks: 1, grants: 1, end: None }
}

pub(super) fn known(rule: Rule, revision: i64) -> KnownRule {
    KnownRule { rule, revision: RuleRevision(revision), restored: false }
}

pub(super) fn record(name: char) -> MemberRecord {
    MemberRecord {
        identity: identity(name),
        incarnation: "pod-1".to_owned(),
        address: address(name),
        peer: peer_address(name),
        version: "test".to_owned(),
        starts: 1,
        term: Term(4),
        activity: Activity::Following,
        replication: Replication::InBound,
        trouble: None,
        beyond_repair: None,
        space: Space::Ample,
        pending_restart: Vec::new(),
    }
}

pub(super) fn view(rule: Option<Rule>) -> View {
    View {
        intent: Some(intent()),
        rule: rule.map(|rule| known(rule, 40)),
        members: "abc".chars().map(|name| (member(name), record(name))).collect(),
    }
}

/// The ledger of a member that took part in term 4.
pub(super) fn ledger(name: char) -> Ledger {
    let era = Era { term: Term(4), timeline: Timeline(5), start: Some(LogPosition(400)) };
    let mut ledger = Ledger::new(me(name).uid, identity(name)).entering(era, Timeline(5));
    ledger.starts = 1;
    ledger
}

pub(super) fn present() -> Volume {
    Volume::Present { system: SYSTEM.to_owned(), timeline: Timeline(5), closed: None, torn: false }
}

/// A volume on which a rewind was begun.
pub(super) fn torn() -> Volume {
    Volume::Present { system: SYSTEM.to_owned(), timeline: Timeline(5), closed: None, torn: true }
}

/// The volume of a primary that was stopped in order, and whose last record begins here.
pub(super) fn closed(position: u64) -> Volume {
    Volume::Present {
        system: SYSTEM.to_owned(),
        timeline: Timeline(5),
        closed: Some(LogPosition(position)),
        torn: false,
    }
}

/// The putting in force of a quorum in a term that serves.
pub(super) fn set(quorum: Quorum) -> Effect {
    Effect::SetQuorum { quorum, followers: BTreeSet::new() }
}

/// A standby's log: the term and timeline of the last of it, and its end.
pub(super) fn ends(term: u64, timeline: u32, position: u64) -> Log {
    Log::Ends {
        term: Term(term),
        end: LogEnd { timeline: Timeline(timeline), position: LogPosition(position) },
    }
}

/// What a recruit that granted nothing lately says.
pub(super) fn pledged(term: u64, log: Log) -> Message {
    pledged_with(Space::Ample, term, log)
}

/// The same of a recruit whose volume is full or not.
pub(super) fn pledged_with(space: Space, term: u64, log: Log) -> Message {
    let holding = Holding { log, granted: Duration::ZERO, system: Some(SYSTEM.to_owned()), space };
    Message::Pledged { term: Term(term), holding }
}

pub(super) fn standby_status(timeline: u32, position: u64, receiving: bool) -> LocalStatus {
    LocalStatus {
        in_recovery: true,
        timeline: Timeline(timeline),
        position: LogPosition(position),
        receiving,
        behind: receiving.then_some(0),
        standbys: Vec::new(),
        transactions: 0,
    }
}

/// A primary's status with standbys that stream under `term` and have flushed all.
pub(super) fn primary_status(timeline: u32, position: u64, term: u64, standbys: &str) -> LocalStatus {
    LocalStatus {
        in_recovery: false,
        timeline: Timeline(timeline),
        position: LogPosition(position),
        receiving: false,
        behind: None,
        standbys: standbys
            .chars()
            .map(|name| Standby {
                member: member(name),
                term: Term(term),
                streaming: true,
                flushed: LogPosition(position),
                counted: true,
            })
            .collect(),
        transactions: 0,
    }
}

/// A member in the middle of its story.
pub(super) struct Story {
    pub(super) state: State,
    pub(super) now: Moment,
    /// The latest effect that was asked for and not yet answered.
    pub(super) doing: Option<(Issued, Effect)>,
    /// What the member wrote of itself, oldest first.
    pub(super) said: Vec<MemberRecord>,
    pub(super) exited: bool,
    /// What was said to the others, oldest first.
    pub(super) sent: Vec<(MemberId, Message)>,
    /// Whether the others answer beats.
    pub(super) grants: bool,
    /// What the warden was told last.
    pub(super) lease: Option<Moment>,
    /// What is found on its volume.
    volume: Volume,
    revision: i64,
}

impl Story {
    pub(super) fn new(name: char, notes: Notes) -> Self {
        Self {
            state: State::new(me(name), notes),
            now: Moment::at(Duration::from_secs(1_000)),
            doing: None,
            said: Vec::new(),
            exited: false,
            sent: Vec::new(),
            grants: true,
            lease: None,
            volume: present(),
            revision: 100,
        }
    }

    /// An agent that finds this on its volume, no server, and this topology.
    pub(super) fn started(name: char, notes: Notes, volume: Volume, view: View) -> Self {
        let mut story = Self::new(name, notes);
        story.hear(Event::Verifier(Some("v1".to_owned())));
        story.hear(Event::Topology(News::Listed(Box::new(view))));
        story.hear(Event::Process(ProcessNews::Absent { latest: Run(0) }));
        story.volume = volume;
        if let Some((_, Effect::Inspect)) = story.doing {
            story.succeeds();
        }
        story
    }

    pub(super) fn hear(&mut self, event: Event) {
        let (state, actions) = decide(&self.state, event, self.now);
        self.state = state;
        let (mut announced, mut words) = (Vec::new(), Vec::new());
        for action in actions {
            match action {
                Action::Run { issued, effect } => self.doing = Some((issued, *effect)),
                Action::Announce { number, record } => announced.push((number, *record)),
                Action::Send { to, message, .. } => {
                    // The others grant what they are asked for, unless a story says otherwise.
                    if let (Message::Beat { term, at }, true) = (&message, self.grants) {
                        let from = identities("abc").into_iter().find(|id| id.member == to).unwrap();
                        words.push(Event::Heard { from, message: Message::Grant { term: *term, at: *at } });
                    }
                    self.sent.push((to, message));
                }
                Action::Confirm { number } => {
                    let result = match &self.state.world.away {
                        Some(reason) => Err(reason.clone()),
                        None => Ok(self.state.world.view.rule.clone().map(Box::new)),
                    };
                    words.push(Event::Confirmed { number, asked: self.now, result });
                }
                Action::Lease(lease) => self.lease = lease,
                Action::Exit => self.exited = true,
            }
        }
        for (number, record) in announced {
            self.said.push(record);
            self.hear(Event::Announced { number, result: Ok(()) });
        }
        for word in words {
            self.hear(word);
        }
    }

    pub(super) fn pass(&mut self, duration: Duration) {
        // In steps, because a real agent wakes at its alarms.
        let until = self.now.after(duration);
        while self.now < until {
            self.now = self.now.after(Duration::from_millis(500)).min(until);
            self.hear(Event::Tick);
        }
    }

    pub(super) fn rule(&mut self, rule: Rule, revision: i64) {
        self.hear(Event::Topology(News::Rule(Some(Box::new(known(rule, revision))))));
    }

    pub(super) fn status(&mut self, status: LocalStatus) {
        let run = self.state.run().expect("a server must run to say something");
        self.now = self.now.after(Duration::from_millis(1));
        self.hear(Event::Status { run, asked: self.now, answer: Ok(status) });
    }

    /// Another member says this.
    pub(super) fn told(&mut self, name: char, message: Message) {
        self.hear(Event::Heard { from: identity(name), message });
    }

    /// What was last said to a member.
    pub(super) fn last_to(&self, name: char) -> Option<&Message> {
        self.sent.iter().rev().find(|(to, _)| *to == member(name)).map(|(_, message)| message)
    }

    /// The server ends.
    pub(super) fn dies(&mut self, asked: bool) {
        let run = self.state.run().expect("a server must run to die");
        self.hear(Event::Process(ProcessNews::Exited { run, how: "signal 9".to_owned(), asked }));
    }

    /// The effect that is being done, without its answer.
    pub(super) fn effect(&self) -> &Effect {
        &self.doing.as_ref().expect("nothing is being done").1
    }

    pub(super) fn answer(&mut self, outcome: Outcome) {
        let (issued, _) = self.doing.take().expect("nothing is being done");
        self.hear(Event::Done { issued, outcome });
    }

    /// Lets the effect succeed, as the real part would, and returns it.
    pub(super) fn succeeds(&mut self) -> Effect {
        let (issued, effect) = self.doing.take().expect("nothing is being done");
        let outcome = self.outcome(&effect);
        if let Effect::Stop(_) | Effect::Fence = effect {
            self.dies(true);
        }
        self.hear(Event::Done { issued, outcome });
        effect
    }

    /// Lets effects succeed until none is asked for or one is of this kind, and returns the kinds that were done.
    pub(super) fn until(&mut self, kind: EffectKind) -> Vec<EffectKind> {
        let mut done = Vec::new();
        self.give_time();
        while let Some((_, effect)) = &self.doing {
            if effect.kind() == kind {
                return done;
            }
            assert!(done.len() < 50, "it never comes to {kind:?}: {done:?}");
            done.push(self.succeeds().kind());
            self.give_time();
        }
        done
    }

    /// Lets the time go by that an election gives to those who are silent.
    fn give_time(&mut self) {
        for _ in 0..60 {
            if self.doing.is_some() || !matches!(self.wait(), Some(Wait::Recruiting(_) | Wait::Granted(_))) {
                return;
            }
            self.pass(Duration::from_millis(100));
        }
    }

    /// Lets all effects succeed until none is asked for.
    pub(super) fn settles(&mut self) -> Vec<EffectKind> {
        let mut done = Vec::new();
        while self.doing.is_some() {
            assert!(done.len() < 50, "it never comes to rest: {done:?}");
            done.push(self.succeeds().kind());
        }
        done
    }

    fn outcome(&mut self, effect: &Effect) -> Outcome {
        self.revision += 1;
        if let Effect::Initialize | Effect::Clone(_) | Effect::Start { .. } = effect {
            self.volume = present();
        }
        match effect.clone() {
            Effect::Inspect => Outcome::Inspected(self.volume.clone()),
            Effect::WriteLedger(ledger) => Outcome::LedgerWritten(ledger),
            Effect::Initialize => Outcome::Initialized,
            Effect::Clone(_) => Outcome::Cloned,
            Effect::Start { boot, settings, quorum } => {
                let run = Run(self.state.ended.0 + 1);
                Outcome::Started { run, boot, settings, quorum }
            }
            Effect::Stop(_) => Outcome::Stopped,
            Effect::Fence => Outcome::Fenced,
            Effect::Detach => {
                let status = self.state.server.up().and_then(|up| up.status.clone()).unwrap();
                Outcome::Detached(LogEnd { timeline: status.timeline, position: status.position })
            }
            Effect::Rewind(_) => Outcome::Rewound,
            Effect::Follow(peer) => Outcome::Following(peer),
            Effect::Promote(_) => Outcome::Promoted(LogPosition(500)),
            Effect::SetQuorum { quorum, .. } => Outcome::QuorumInForce { quorum, position: LogPosition(600) },
            Effect::WriteTerm(row) => Outcome::TermWritten { row, position: LogPosition(550) },
            Effect::EnsureAccess(wanted) => Outcome::AccessEnsured(wanted),
            Effect::Checkpoint(_) => Outcome::Checkpointed,
            Effect::OpenGate => Outcome::GateOpened,
            Effect::Apply(settings) => Outcome::Applied { settings, outcome: SettingsOutcome::default() },
            Effect::SwapRule { rule, route, .. } => {
                Outcome::RuleSwapped { known: known(rule, self.revision), route }
            }
            Effect::PutRoute { route, .. } => Outcome::RoutePut(route),
        }
    }

    pub(super) fn wait(&self) -> Option<&Wait> {
        self.state.waiting().map(|(wait, _)| wait)
    }

    /// The rule that is being swapped in.
    pub(super) fn swapping(&self) -> &Rule {
        let Effect::SwapRule { rule, .. } = self.effect() else {
            panic!("not a swap: {:?}", self.effect());
        };
        rule
    }
}

/// `b` streams from `a` in term 4, and `a` was heard a moment ago.
pub(super) fn standby() -> Story {
    let mut story = Story::started('b', Notes::Present(ledger('b')), present(), view(Some(rule())));
    story.until(EffectKind::Start);
    story.succeeds();
    story.status(standby_status(5, 450, true));
    story.settles();
    // What it may have granted before it was restarted has run out.
    for _ in 0..8 {
        story.pass(Duration::from_millis(500));
        story.told('a', Message::Beat { term: Term(4), at: Moment::at(Duration::from_secs(1)) });
    }
    story.status(standby_status(5, 480, true));
    story.sent.clear();
    story
}

/// A primary of term 4 with an open gate, at rest.
pub(super) fn serving() -> Story {
    let mut story = Story::started('a', Notes::Present(ledger('a')), present(), view(Some(rule())));
    // It comes up as an agent that was restarted: the server went on.
    story.doing = None;
    story.state = State::new(me('a'), Notes::Present(ledger('a')));
    story.hear(Event::Verifier(Some("v1".to_owned())));
    story.hear(Event::Topology(News::Listed(Box::new(view(Some(rule()))))));
    story.hear(Event::Process(ProcessNews::Runs(Run(1))));
    story.until(EffectKind::SetQuorum);
    story.status(primary_status(5, 450, 4, "bc"));
    story.settles();
    story
}

pub(super) fn settings(term: u64) -> Settings {
    Settings {
        parameters: BTreeMap::new(),
        members: "abc".chars().map(member).collect(),
        term: Term(term),
        space: Space::Ample,
    }
}

pub(super) fn any(acks: u32, names: &str, term: u64) -> Quorum {
    Quorum::Any { acks, members: names.chars().map(member).collect(), term: Term(term) }
}
