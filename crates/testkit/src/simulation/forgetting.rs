//! A store that forgets: it comes back empty, or as a backup has it. What the operator and a person do about it.
//!
//! The operator has the wish from elsewhere and writes it again once the members have a rule. If after a while they have none, or one that is older
//! than what they pledged, a person asks for a rebuilding from all who are left, and asks again while it comes to nothing.

use super::clock::Time;
use super::happening::{Happening, ToAgent};
use super::names::{Who, nonce};
use super::world::World;
use berth_core::Term;
use berth_core::topology::{Identity, Phase, Rebuild};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a person waits for the primary to write back what it remembers.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a rebuilding may take before it is asked for again.
const AGAIN: Duration = Duration::from_secs(25);

/// What is known of a store that has forgotten.
#[derive(Debug, Default)]
pub(super) struct Forgetting {
    /// How often it has.
    times: i64,
    /// Since when it is so.
    since: Option<Time>,
    /// When a rebuilding was last asked for.
    asked: Time,
}

impl World {
    /// The store forgets all, or all after a moment of its past; false if there is nothing to forget yet.
    pub(super) fn store_forgets(&mut self, all: bool) -> bool {
        let served = self.store.rule().is_some_and(|rule| rule.phase != Phase::Bootstrapping);
        if !served {
            return false;
        }
        let revision = self.store.revision();
        let upto = if all { None } else { self.store.a_moment(&mut self.random) };
        self.forgetting.times += 1;
        // Each history counts in a range of its own, below the one before or above it.
        let apart = 1_000_000 * self.forgetting.times;
        let counts_on = !all && self.random.once_in(2);
        let from = if counts_on { revision.max(0) + apart } else { -apart };
        self.store.forget(upto, from);
        let rule = self.store.rule().map(super::words::rule);
        self.say(&"etcd", || format!("has forgotten: {}", rule.unwrap_or_else(|| "it is empty".to_owned())));
        self.readers_list_anew(from);
        true
    }

    /// Whoever watches finds another history, and reads all of it, each in its time.
    fn readers_list_anew(&mut self, from: i64) {
        let watching: Vec<Who> = self.members.keys().copied().collect();
        for who in watching {
            let pause = self.millis(20, 2_500);
            let Some(agent) = self.member(who).and_then(|member| member.agent_mut()) else { continue };
            agent.watch.listed = false;
            let life = agent.life;
            self.plan(pause, Happening::Agent { who, life, what: ToAgent::Lists });
        }
        for proxy in &mut self.clients.proxies {
            proxy.begins_anew(from);
        }
        self.proxies_mind();
    }

    /// Whether the store knows nothing of the cluster, or less than its members have pledged, or is being rebuilt.
    pub(super) fn has_forgotten(&self) -> bool {
        let Some(rule) = self.store.rule() else { return self.facts.elections > 0 };
        let ledgers = self.databases.disks.values().filter_map(|disk| disk.ledger.as_ref());
        let pledged = ledgers.map(|ledger| ledger.promise).max().unwrap_or(Term(0));
        self.store.rule_in_force().is_none() || rule.everybody().is_some() || pledged > rule.term
    }

    /// The operator writes the wish again where it was forgotten, and a person asks for a rebuilding where nothing else helps.
    pub(super) fn recalls(&mut self) {
        if !self.has_forgotten() {
            self.forgetting.since = None;
            return self.wish_is_told();
        }
        let now = self.now;
        let since = *self.forgetting.since.get_or_insert(now);
        let due = now.since(since) > PATIENCE && now.since(self.forgetting.asked) > AGAIN;
        if !due {
            return;
        }
        self.forgetting.asked = now;
        let left: Vec<&super::member::Member> = self.members.values().filter(|member| !member.lost).collect();
        let of: BTreeSet<Identity> = left.iter().map(|member| member.who.identity()).collect();
        let able = left.iter().find(|member| member.works() && self.reaches_store(member.who));
        let Some(by) = able.map(|member| member.who.identity()) else { return };
        self.faults.nonces += 1;
        let nonce = nonce(self.faults.nonces);
        self.say(&"operator", || format!("asks for a rebuilding by {} of {}", by.member, of.len()));
        self.wishes(|intent| intent.rebuild = Some(Rebuild { nonce, by, of }));
        self.wish_is_told();
    }
}
