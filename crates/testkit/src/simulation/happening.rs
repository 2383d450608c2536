//! What can happen, and to whom: everything in a simulation is one of these, taken in the order of time.

use super::clock::Time;
use super::database::{Commit, End, Shipment};
use super::names::Who;
use super::network::Place;
use berth_core::Term;
use berth_core::election::{Event, Issued, KnownRule, Ledger, Message, Moment, Outcome, RuleRevision, Run};
use berth_core::topology::{Identity, MemberRecord, Route, Rule};
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// One run of an agent or a server, of all that there ever were: what is meant for another is dropped.
pub(super) type Life = u64;

/// What an agent asks of the store.
#[derive(Debug, Clone)]
pub(super) enum Request {
    /// Swap the rule.
    Swap { issued: Issued, rule: Box<Rule>, route: Box<Route>, expected: Option<RuleRevision> },
    /// Write the route.
    PutRoute { issued: Issued, route: Box<Route>, rule: RuleRevision },
    /// Write the member's record.
    Announce { number: u64, record: Box<MemberRecord> },
    /// Read the rule.
    Confirm { number: u64, asked: Moment },
}

/// What a client asks of a database.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asking {
    /// Write this row.
    Write { row: u32 },
    /// Read.
    Read,
}

/// What an agent is told or does next.
#[derive(Debug, Clone)]
pub(super) enum ToAgent {
    /// It hears this.
    Hears(Box<Event>),
    /// Another agent said this.
    Message { from: Identity, message: Message },
    /// Its alarm goes off, if it is still this one.
    Alarm { number: u64 },
    /// It asks its server, if this is still what it means to do.
    Asks { number: u64 },
    /// Its server answers.
    Status { run: Run, asked: Moment, patience: Time },
    /// The effect goes on.
    Step { number: u64, stage: u8 },
    /// The ledger is written, whatever has become of the effect.
    LedgerLands { issued: Issued, ledger: Box<Ledger> },
    /// The store's records up to this revision come in.
    Watches { upto: i64 },
    /// It reads all records, for the first time.
    Lists,
    /// Its watch has been silent and is looked after.
    Minds,
}

/// What a server is told or does next.
#[derive(Debug, Clone)]
pub(super) enum ToServer {
    /// A standby connects to its source.
    Connects { attempt: u64 },
    /// Records from the source arrive.
    Lands { connection: u64, from: Who, shipment: Box<Shipment> },
    /// A standby makes what arrived last.
    Flushes { connection: u64, from: Who },
    /// A standby's word of what it has flushed arrives.
    Reports { connection: u64, standby: Who, flushed: End },
    /// A walsender reads the setting.
    Rereads { connection: u64, standby: Who },
    /// The checkpointer has read that commits wait.
    Arms,
    /// A commit's record is flushed.
    Commits { commit: Commit },
    /// A client asks.
    Asked { proxy: u8, term: Term, asking: Asking },
    /// A checkpoint ends.
    Checkpoints,
}

/// What can happen.
#[derive(Debug, Clone)]
pub(super) enum Happening {
    /// Something with an agent.
    Agent { who: Who, life: Life, what: ToAgent },
    /// Something with a server.
    Server { who: Who, life: Life, what: ToServer },
    /// A request arrives at the store.
    Request { who: Who, life: Life, request: Request },
    /// The store's answer arrives.
    Answer { who: Who, life: Life, event: Box<Event> },
    /// A pod starts.
    PodStarts { who: Who },
    /// A pod that was asked to end is ended.
    PodEnds { who: Who, pod: u32 },
    /// An agent starts.
    AgentStarts { who: Who, pod: u32 },
    /// A server's lease ends, if it is still this one.
    LeaseEnds { who: Who, life: Life, number: u64 },
    /// A server that lingers comes to its end.
    LastSessionEnds { who: Who, life: Life },
    /// An end of a connection is found to be dead.
    Closes { connection: u64, source: Who, standby: Who },
    /// Records of the store reach a proxy.
    ProxySees { proxy: u8, upto: i64 },
    /// A proxy comes upon an old route.
    ProxySeesOld { proxy: u8 },
    /// A writer's next turn.
    Writes { writer: u8 },
    /// A reader's next turn.
    Reads { reader: u8 },
    /// A client hears what came of its row.
    Told { row: u32, answer: Told },
    /// A client has waited long enough.
    GivesUp { row: u32 },
    /// A fault begins.
    Fault { index: usize },
    /// A fault is over.
    Heals { index: usize },
    /// A lost member is replaced.
    Replaced { who: Who },
    /// The state of all is looked at.
    Looks,
    /// An edge that was cut is looked after by those who speak over it.
    Stalls { a: Place, b: Place },
}

/// What a client is told of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It is kept.
    Acknowledged,
    /// It was not taken.
    Refused,
}

impl Happening {
    pub(super) fn hears(who: Who, life: Life, event: Event) -> Self {
        Self::Agent { who, life, what: ToAgent::Hears(Box::new(event)) }
    }

    pub(super) fn done(who: Who, life: Life, issued: Issued, outcome: Outcome) -> Self {
        Self::hears(who, life, Event::Done { issued, outcome })
    }
}

/// A rule as the store's answer.
pub(super) fn confirmed(number: u64, asked: Moment, rule: Option<KnownRule>) -> Event {
    Event::Confirmed { number, asked, result: Ok(rule.map(Box::new)) }
}

struct Entry {
    at: Time,
    number: u64,
    happening: Happening,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// The earliest is the greatest; of two at the same time, the one that was planned first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

/// What is to happen, in the order of time.
#[derive(Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Entry>,
    number: u64,
}

impl Queue {
    pub(super) fn plan(&mut self, at: Time, happening: Happening) {
        self.number += 1;
        self.heap.push(Entry { at, number: self.number, happening });
    }

    /// The next one, if it is not after `end`.
    pub(super) fn next(&mut self, end: Time) -> Option<(Time, Happening)> {
        self.heap.peek().filter(|entry| entry.at <= end)?;
        self.heap.pop().map(|entry| (entry.at, entry.happening))
    }
}
