//! Tenants: writers of numbered rows and readers, each through a proxy that follows the routes and never goes back.

use super::clock::Time;
use super::database::{Commit, Server, Wait};
use super::happening::{Asking, Happening, Life, ToServer, Told};
use super::names::{Address, Who};
use super::network::{Place, Plane, Way};
use super::world::World;
use berth_core::Term;
use berth_core::topology::{Admission, Phase, Route};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// A writer that has no next row.
const FLOOD: u8 = u8::MAX;
/// How long one waits at a proxy that knows no primary, before it looks again.
const HELD: Duration = Duration::from_millis(60);

/// What a client knows of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// It was sent, and nothing was heard yet.
    Sent,
    /// It is kept for ever.
    Acknowledged,
    /// It was not taken.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// A proxy: the newest route that it knows.
#[derive(Debug, Default)]
pub(super) struct Proxy {
    pub known: Option<(Term, i64, Route)>,
    cursor: i64,
    due: Time,
}

/// A row that somebody wrote.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub writer: u8,
    pub proxy: u8,
    pub fate: Fate,
}

/// All tenants and their proxies.
#[derive(Debug, Default)]
pub(super) struct Clients {
    pub proxies: Vec<Proxy>,
    pub rows: BTreeMap<u32, Row>,
    /// Rows that were sent and not yet answered.
    pub open: u32,
    /// The last acknowledgement that a client heard.
    pub last: Time,
    /// Nobody begins anything more.
    pub silent: bool,
}

impl Proxy {
    /// The store has another history, which counts from here: no revision of before compares with one of now.
    pub(super) fn begins_anew(&mut self, from: i64) {
        self.cursor = from;
        if let Some((_, revision, _)) = &mut self.known {
            *revision = i64::MIN;
        }
    }
}

impl World {
    /// Tenants begin: so many proxies, writers and readers.
    pub(super) fn clients_begin(&mut self, proxies: u8, writers: u8, readers: u8) {
        self.clients.proxies = (0..proxies).map(|_| Proxy::default()).collect();
        for writer in 0..writers {
            self.plan(Duration::from_millis(u64::from(writer) * 17), Happening::Writes { writer });
        }
        for reader in 0..readers {
            self.plan(Duration::from_millis(u64::from(reader) * 23), Happening::Reads { reader });
        }
    }

    /// Where a proxy sends its clients, if anywhere.
    fn target(&self, proxy: u8) -> Option<(Address, Term)> {
        let (_, _, route) = self.clients.proxies.get(usize::from(proxy))?.known.as_ref()?;
        let primary = match (route.phase, route.admission) {
            (Phase::Serving, Admission::ReadWrite) => route.primary.as_ref()?,
            (Phase::Serving | Phase::Bootstrapping | Phase::Electing | Phase::Switching, _) => return None,
        };
        Some((Address::parse(&primary.address)?, route.term))
    }

    fn proxy_of(&self, client: u8) -> u8 {
        client % u8::try_from(self.clients.proxies.len()).unwrap_or(1).max(1)
    }

    /// A writer's turn: it sends its next row, or waits.
    pub(super) fn writer_turns(&mut self, writer: u8) {
        if self.clients.silent {
            return;
        }
        let proxy = self.proxy_of(writer);
        let Some((address, term)) = self.target(proxy) else {
            return self.plan(HELD, Happening::Writes { writer });
        };
        let row = u32::try_from(self.clients.rows.len()).unwrap_or(u32::MAX);
        self.clients.rows.insert(row, Row { writer, proxy, fate: Fate::Sent });
        self.clients.open += 1;
        self.plan(PATIENCE, Happening::GivesUp { row });
        let sent = self.question(proxy, address, term, Asking::Write { row });
        if !sent {
            self.refuse(row, proxy, address.who);
        }
    }

    /// A reader's turn.
    pub(super) fn reader_turns(&mut self, reader: u8) {
        let pause = self.millis(60, 300);
        self.plan(pause, Happening::Reads { reader });
        let proxy = self.proxy_of(reader);
        if let Some((address, term)) = self.target(proxy) {
            self.question(proxy, address, term, Asking::Read);
        }
    }

    /// A tenant of its own writes many rows at once, and waits for none of them.
    pub(super) fn flood(&mut self, who: Who) -> bool {
        let Some(life) = self.life(who).filter(|_| !self.frozen(who)) else { return false };
        let rows = 10 + self.random.below(90);
        for _ in 0..rows {
            let row = u32::try_from(self.clients.rows.len()).unwrap_or(u32::MAX);
            let Some(commit) = self.databases.write(who, row) else { return false };
            self.clients.rows.insert(row, Row { writer: FLOOD, proxy: 0, fate: Fate::Sent });
            self.clients.open += 1;
            self.plan(PATIENCE, Happening::GivesUp { row });
            let delay = self.disk(who);
            self.plan(delay, Happening::Server { who, life, what: ToServer::Commits { commit } });
        }
        true
    }

    /// Sends a question to where the route says; false if nobody is there to take it.
    fn question(&mut self, proxy: u8, address: Address, term: Term, asking: Asking) -> bool {
        let way = Way { from: Place::Proxy(proxy), to: Place::Member(address.who), plane: Plane::Data };
        if !self.network.passes(way) {
            // It is lost, and nobody says so.
            return true;
        }
        let member = self.members.get(&address.who).filter(|member| member.address() == address);
        let Some(process) = member.and_then(|member| member.process()) else { return false };
        let (life, delay) = (process.life, self.delay());
        let what = ToServer::Asked { proxy, term, asking };
        self.plan(delay, Happening::Server { who: address.who, life, what });
        true
    }

    /// A question arrives at a database.
    pub(super) fn asked(&mut self, who: Who, life: Life, proxy: u8, term: Term, asking: Asking) {
        let Some(server) = self.databases.servers.get(&who) else { return };
        // A proxy looks at the role and the term of whom it has reached before it sends anything.
        let fits = server.writes() && server.open && !server.stopping && server.term >= term;
        let led = server.led().filter(|_| fits);
        match (asking, led) {
            (Asking::Write { row }, Some(_)) => match self.databases.write(who, row) {
                Some(commit) => {
                    let delay = self.disk(who);
                    self.plan(delay, Happening::Server { who, life, what: ToServer::Commits { commit } });
                }
                None => self.refuse(row, proxy, who),
            },
            (Asking::Write { row }, None) => self.refuse(row, proxy, who),
            (Asking::Read, Some(led)) => {
                self.counts.reads += 1;
                self.facts.read(who, led);
            }
            (Asking::Read, None) => {}
        }
    }

    fn refuse(&mut self, row: u32, proxy: u8, by: Who) {
        let way = Way { from: Place::Member(by), to: Place::Proxy(proxy), plane: Plane::Data };
        if self.network.passes(way) {
            let delay = self.delay();
            self.plan(delay, Happening::Told { row, answer: Told::Refused });
        }
    }

    /// A commit is acknowledged, by this setting if it was released by one now.
    pub(super) fn acknowledge(&mut self, who: Who, commit: Commit, by: Option<&Wait>) {
        let Some(led) = self.databases.servers.get(&who).and_then(Server::led) else { return };
        self.facts.acknowledged(who, led, commit.row, by, &self.databases, self.store.rule_in_force());
        let Some(row) = self.clients.rows.get(&commit.row) else { return };
        let way = Way { from: Place::Member(who), to: Place::Proxy(row.proxy), plane: Plane::Data };
        if self.network.passes(way) {
            let delay = self.delay();
            self.plan(delay, Happening::Told { row: commit.row, answer: Told::Acknowledged });
        }
    }

    /// A client hears what came of its row.
    pub(super) fn told(&mut self, row: u32, answer: Told) {
        let fate = match answer {
            Told::Acknowledged => Fate::Acknowledged,
            Told::Refused => Fate::Refused,
        };
        self.settle(row, fate);
        if answer == Told::Acknowledged {
            self.clients.last = self.now;
        }
    }

    /// A client has waited long enough.
    pub(super) fn gives_up(&mut self, row: u32) {
        self.settle(row, Fate::Unknown);
    }

    fn settle(&mut self, row: u32, fate: Fate) {
        let Some(known) = self.clients.rows.get_mut(&row).filter(|row| row.fate == Fate::Sent) else {
            return;
        };
        known.fate = fate;
        let writer = known.writer;
        self.clients.open -= 1;
        *self.counts.rows.entry(fate).or_default() += 1;
        if writer != FLOOD {
            let pause = self.millis(40, 350);
            self.plan(pause, Happening::Writes { writer });
        }
    }

    /// Proxies will hear of new routes.
    pub(super) fn proxies_hear(&mut self, upto: i64) {
        for proxy in 0..u8::try_from(self.clients.proxies.len()).unwrap_or(0) {
            let late = self.random.once_in(40);
            let delay = if late { self.millis(500, 6_000) } else { self.delay() };
            let now = self.now;
            let Some(known) = self.clients.proxies.get_mut(usize::from(proxy)) else { continue };
            known.due = known.due.max(now.after(delay));
            self.queue.plan(known.due, Happening::ProxySees { proxy, upto });
        }
    }

    /// Proxies look whether their watch still stands.
    pub(super) fn proxies_mind(&mut self) {
        let upto = self.store.revision();
        self.proxies_hear(upto);
    }

    /// New routes reach a proxy.
    pub(super) fn proxy_sees(&mut self, proxy: u8, upto: i64) {
        let way = Way { from: Place::Store, to: Place::Proxy(proxy), plane: Plane::Words };
        // What it was to hear of a history that is gone, it never will.
        let gone = upto > self.store.revision();
        if gone || self.store_away > 0 || !self.network.connects(way) {
            return;
        }
        let Some(after) = self.clients.proxies.get(usize::from(proxy)).map(|proxy| proxy.cursor) else {
            return;
        };
        let new: Vec<(i64, Route)> = self
            .store
            .routes()
            .filter(|(at, _)| *at > after && *at <= upto)
            .map(|(at, route)| (at, route.clone()))
            .collect();
        if let Some(known) = self.clients.proxies.get_mut(usize::from(proxy)) {
            known.cursor = known.cursor.max(upto);
        }
        for (revision, route) in new {
            self.proxy_learns(proxy, revision, route);
        }
    }

    /// A proxy comes upon an old route: a list from a store that lags, a watch that begins anew.
    pub(super) fn proxy_sees_old(&mut self, proxy: u8) {
        let routes: Vec<(i64, Route)> = self.store.routes().map(|(at, route)| (at, route.clone())).collect();
        if let Some((revision, route)) = self.random.pick(&routes).cloned() {
            self.counts.old_routes += 1;
            self.proxy_learns(proxy, revision, route);
        }
    }

    /// The highest term, and in it the highest revision, is obeyed; nothing older ever is.
    fn proxy_learns(&mut self, proxy: u8, revision: i64, route: Route) {
        let obeys_any = self.options.obeys_old_routes();
        let Some(known) = self.clients.proxies.get_mut(usize::from(proxy)) else { return };
        let newer = known.known.as_ref().is_none_or(|(term, at, _)| (route.term, revision) > (*term, *at));
        if newer || obeys_any {
            let before = known.known.as_ref().map(|(term, at, _)| (*term, *at));
            let now = (route.term, revision);
            known.known = Some((route.term, revision, route));
            self.facts.obeyed(proxy, before, now);
        }
    }
}
