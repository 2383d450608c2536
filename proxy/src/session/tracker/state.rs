//! The conversation itself: what was sent and is not answered, and what it will have done once it is.

use super::super::belongings::{Belongings, Prepared, Statements, Trace};
use super::super::sql::{Act, Weight, read};
use super::Heard;
use crate::wire::{Fields, Reader, Sighting};
use std::collections::VecDeque;
use std::sync::Arc;

/// Something that the server answers, in order.
#[derive(Debug)]
enum Awaited {
    /// With a `ReadyForQuery`; then these acts are done.
    Query(Vec<Act>),
    /// The same, for all since the last Sync.
    Sync(Vec<Act>),
    /// With a `ParseComplete`.
    Parse(Box<Parsed>),
    /// With a `CloseComplete`. No name: a portal.
    Close(Option<Box<[u8]>>),
}

#[derive(Debug)]
struct Parsed {
    name: Box<[u8]>,
    prepared: Arc<Prepared>,
}

/// What a transaction ended with, in the answer that is being given.
#[derive(Debug, Clone, Copy, Default)]
struct Outcome {
    failed: bool,
    committed: bool,
    rolled_back: bool,
}

/// Whether what runs is a COMMIT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Commits {
    /// Nothing runs.
    #[default]
    Nothing,
    /// COMMITs and nothing else.
    Alone,
    /// Something else too.
    Mixed,
}

/// What the client has been told since the session was idle last.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    /// Messages, those apart that come at any time.
    messages: usize,
    /// How many of them answered what is answered in full.
    settled: usize,
    /// One of them said more than that a transaction has begun.
    revealing: bool,
    /// One of them said that a statement was done, other than one that begins a transaction.
    done: bool,
}

/// What the server takes in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Takes {
    /// Messages.
    #[default]
    Messages,
    /// The data of a COPY.
    Data,
    /// Nothing up to the next Sync.
    Nothing,
}

#[derive(Debug)]
pub(super) struct State {
    statements: Arc<Statements>,
    belongings: Belongings,
    /// What was sent and not answered.
    awaited: VecDeque<Awaited>,
    /// What messages of the extended protocol do that no Sync has ended yet.
    unsynced: Option<Vec<Act>>,
    takes: Takes,
    /// The transaction's state as the last `ReadyForQuery` told it: I, T or E.
    status: u8,
    outcome: Outcome,
    /// What the open transaction has done that is undone if it is rolled back.
    open: Vec<Act>,
    may_commit: bool,
    commits: Commits,
    weight: Weight,
    told: Told,
    /// The server has said that it is a standby.
    standby: bool,
    left: bool,
}

impl State {
    pub(super) fn new(statements: Arc<Statements>) -> Self {
        Self {
            statements,
            belongings: Belongings::default(),
            awaited: VecDeque::new(),
            unsynced: None,
            takes: Takes::Messages,
            status: b'I',
            outcome: Outcome::default(),
            open: Vec::new(),
            may_commit: false,
            commits: Commits::Nothing,
            weight: Weight::Nothing,
            told: Told::default(),
            standby: false,
            left: false,
        }
    }

    pub(super) fn moved(&mut self) {
        self.outcome = Outcome::default();
        self.standby = false;
    }

    pub(super) fn has_left(&self) -> bool {
        self.left
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.awaited.is_empty() || self.unsynced.is_some()
    }

    pub(super) fn in_transaction(&self) -> bool {
        self.status != b'I'
    }

    pub(super) fn may_commit(&self) -> bool {
        self.may_commit
    }

    pub(super) fn may_pause(&self) -> bool {
        !self.in_transaction() && self.unsynced.is_none() && self.takes != Takes::Data
    }

    pub(super) fn commits_alone(&self) -> bool {
        self.commits == Commits::Alone
    }

    pub(super) fn weight(&self) -> Weight {
        self.weight
    }

    pub(super) fn unrevealed(&self) -> Option<usize> {
        (self.unsettled() == Some(0)).then_some(self.told.settled)
    }

    pub(super) fn unsettled(&self) -> Option<usize> {
        (!self.told.revealing).then(|| self.told.messages - self.told.settled)
    }

    pub(super) fn take_back(&mut self) {
        self.told.messages = self.told.settled;
    }

    pub(super) fn has_done(&self) -> bool {
        self.told.done
    }

    pub(super) fn is_revealing(&self) -> bool {
        self.told.revealing
    }

    pub(super) fn belongings(&self) -> &Belongings {
        &self.belongings
    }

    pub(super) fn leave(&mut self, trace: Trace) {
        self.belongings.leave(trace);
    }

    pub(super) fn client(&mut self, Sighting { kind, prefix, whole, .. }: Sighting<'_>) {
        if self.takes == Takes::Nothing && !matches!(kind, b'S' | b'X') {
            return;
        }
        match kind {
            b'Q' => {
                let text = if whole { prefix.strip_suffix(&[0]).unwrap_or(prefix) } else { prefix };
                let script = read(text, whole);
                self.runs(script.weight, script.may_commit, script.commits_alone);
                self.belongings.forget_unnamed();
                self.awaited.push_back(Awaited::Query(script.acts));
            }
            b'F' => {
                self.runs(Weight::Lasting, true, false);
                self.awaited.push_back(Awaited::Query(vec![Act::Leave(Trace::Code)]));
            }
            b'P' => {
                self.unsynced.get_or_insert_default();
                self.parse(prefix, whole);
            }
            b'B' => {
                self.unsynced.get_or_insert_default();
                self.bind(prefix);
            }
            b'C' => {
                self.unsynced.get_or_insert_default();
                let name = match prefix {
                    [b'S', name @ ..] => Some(Reader(name).cstr().unwrap_or(name).into()),
                    _ => None,
                };
                self.awaited.push_back(Awaited::Close(name));
            }
            b'E' | b'D' => {
                self.unsynced.get_or_insert_default();
            }
            b'S' => {
                if self.takes == Takes::Nothing {
                    self.takes = Takes::Messages;
                }
                let acts = self.unsynced.take().unwrap_or_default();
                self.awaited.push_back(Awaited::Sync(acts));
            }
            b'X' => self.left = true,
            _ => {}
        }
    }

    fn runs(&mut self, weight: Weight, may_commit: bool, commits_alone: bool) {
        self.weight = self.weight.max(weight);
        self.may_commit |= may_commit;
        self.commits = match (self.commits, commits_alone) {
            (Commits::Nothing | Commits::Alone, true) => Commits::Alone,
            (Commits::Mixed, _) | (_, false) => Commits::Mixed,
        };
    }

    fn parse(&mut self, prefix: &[u8], whole: bool) {
        let mut reader = Reader(prefix);
        let Ok(name) = reader.cstr() else { return self.leave(Trace::Unclear) };
        let prepared = if name.is_empty() {
            // Most are run once; what they have in common is not looked for.
            Arc::new(Prepared::read(reader.0, whole))
        } else {
            self.statements.read(reader.0, whole)
        };
        self.awaited.push_back(Awaited::Parse(Box::new(Parsed { name: name.into(), prepared })));
    }

    fn bind(&mut self, prefix: &[u8]) {
        let mut reader = Reader(prefix);
        let _portal = reader.cstr();
        let name = reader.cstr();
        let waiting = |name: &[u8]| {
            self.awaited.iter().rev().find_map(|awaited| match awaited {
                Awaited::Parse(parsed) if *parsed.name == *name => Some(&parsed.prepared),
                Awaited::Parse(_) | Awaited::Query(_) | Awaited::Sync(_) | Awaited::Close(_) => None,
            })
        };
        let prepared =
            name.ok().and_then(|name| waiting(name).or_else(|| self.belongings.prepared(name))).cloned();
        let Some(prepared) = prepared else {
            // Prepared by SQL, forgotten because there were too many, or an error.
            return self.runs(Weight::Lasting, true, false);
        };
        self.runs(prepared.weight, prepared.may_commit, prepared.commits_alone);
        self.unsynced.get_or_insert_default().extend(prepared.acts.iter().cloned());
    }

    pub(super) fn server(&mut self, Sighting { kind, prefix, .. }: &Sighting<'_>) -> Heard {
        match kind {
            b'Z' => {
                self.tell(true);
                self.ready(prefix.first().copied().unwrap_or(b'I'));
            }
            b'1' => {
                let first = self.answered(|awaited| matches!(awaited, Awaited::Parse(_)));
                let mut named = false;
                if let Some(Awaited::Parse(parsed)) = first {
                    named = !parsed.name.is_empty();
                    self.belongings.put(&parsed.name, parsed.prepared);
                }
                // With a name it is among the belongings from here on, which are made anew without the client's messages.
                self.tell(!named);
            }
            b'3' => {
                self.tell(true);
                if let Some(Awaited::Close(Some(name))) =
                    self.answered(|awaited| matches!(awaited, Awaited::Close(_)))
                {
                    self.belongings.remove(&name);
                }
            }
            b'C' => {
                let tag = prefix.strip_suffix(&[0]).unwrap_or(prefix);
                self.outcome.committed |= tag == b"COMMIT";
                self.outcome.rolled_back |= tag == b"ROLLBACK";
                let begins = matches!(tag, b"BEGIN" | b"START TRANSACTION" | b"SET" | b"RESET");
                self.told.done |= !begins;
                self.tell(begins);
            }
            b'E' => {
                let fields = Fields::parse(prefix);
                if fields.ends_session() {
                    return Heard::Farewell;
                }
                if self.standby && fields.code == b"25006" {
                    return Heard::Standby;
                }
                self.tell(false);
                self.fail();
                if fields.code == b"25006" {
                    return Heard::ReadOnly;
                }
            }
            b'N' => {
                let fields = Fields::parse(prefix);
                if fields.gives_up_replication() {
                    return Heard::Abandoned;
                }
                if fields.routine == b"quickdie" {
                    return Heard::Dying;
                }
            }
            b'S' => self.standby |= prefix.starts_with(b"in_hot_standby\0on\0"),
            b'A' => {}
            // While it takes in a COPY, the server passes over every Sync that was sent before its data.
            b'G' | b'W' => {
                self.tell(false);
                self.takes = Takes::Data;
                while let Some(Awaited::Sync(_)) = self.awaited.front() {
                    if let Some(Awaited::Sync(acts)) = self.awaited.pop_front() {
                        self.unsynced.get_or_insert_default().extend(acts);
                    }
                }
            }
            // Binding, no data, parameters, the form of rows, an empty query.
            b'2' | b'n' | b't' | b'T' | b'I' => self.tell(true),
            _ => self.tell(false),
        }
        Heard::Nothing
    }

    /// The client is told something; whether nothing more than that its transaction has begun.
    fn tell(&mut self, harmless: bool) {
        self.told.messages += 1;
        self.told.revealing |= !harmless;
    }

    /// Takes the first of what is awaited, if it is of this kind.
    fn answered(&mut self, kind: fn(&Awaited) -> bool) -> Option<Awaited> {
        if self.awaited.front().is_some_and(kind) { self.awaited.pop_front() } else { None }
    }

    /// An error: of a query by itself, or of everything up to the next Sync.
    fn fail(&mut self) {
        self.outcome.failed = true;
        if let Some(Awaited::Query(_)) = self.awaited.front() {
            return;
        }
        while self.awaited.front().is_some_and(|awaited| !matches!(awaited, Awaited::Sync(_))) {
            self.awaited.pop_front();
        }
        let unsynced = self.awaited.is_empty() && self.unsynced.is_some();
        self.takes = if unsynced { Takes::Nothing } else { Takes::Messages };
    }

    fn ready(&mut self, status: u8) {
        self.status = status;
        self.takes = Takes::Messages;
        let acts = loop {
            match self.awaited.pop_front() {
                Some(Awaited::Query(acts) | Awaited::Sync(acts)) => break acts,
                Some(Awaited::Parse(_) | Awaited::Close(_)) => {}
                None => break Vec::new(),
            }
        };
        self.settle(acts);
        if self.awaited.is_empty() {
            self.may_commit = false;
            self.commits = Commits::Nothing;
            // An idle session keeps no memory of its busiest moment.
            self.awaited = VecDeque::new();
            if self.unsynced.is_none() {
                self.told.settled = self.told.messages;
                if status == b'I' {
                    self.told = Told::default();
                    self.weight = Weight::Nothing;
                }
            }
        }
    }

    /// What an answered exchange has done, by how its transaction ended. Where that is not clear, the session keeps a trace.
    fn settle(&mut self, acts: Vec<Act>) {
        let Outcome { failed, committed, rolled_back } = std::mem::take(&mut self.outcome);
        for act in &acts {
            if let Act::Leave(trace) = act {
                self.leave(*trace);
            }
        }
        let open = std::mem::take(&mut self.open);
        let ends = committed || rolled_back;
        if failed {
            // What no rollback undoes may have been done before the failure, and a transaction that ended before it took some of
            // the rest with it.
            let lasting = acts.iter().any(|act| !act.is_transactional());
            if lasting || (ends && !(open.is_empty() && acts.is_empty())) {
                self.leave(Trace::Unclear);
            } else if self.in_transaction() {
                self.open = open;
            }
            return;
        }
        let (done, now) = match (self.in_transaction(), ends) {
            (true, false) => {
                self.open = open;
                (Vec::new(), acts)
            }
            // A savepoint, or a transaction right behind another: which of this belongs to which is not known.
            (true, true) if rolled_back && !(open.is_empty() && acts.is_empty()) || !acts.is_empty() => {
                return self.leave(Trace::Unclear);
            }
            (true, true) => (open, Vec::new()),
            (false, _) if rolled_back && !acts.is_empty() => return self.leave(Trace::Unclear),
            (false, _) if rolled_back => return,
            (false, _) => (open.into_iter().chain(acts).collect(), Vec::new()),
        };
        for act in done {
            self.belongings.apply(act);
        }
        for act in now {
            if act.is_transactional() {
                self.open.push(act);
            } else {
                self.belongings.apply(act);
            }
        }
    }
}
