//! The topology's store: what it holds now, and which of it each member has not heard of yet.

use berth_core::election::{Event, KnownRule, News, RuleRevision, View};
use berth_core::topology::{MemberRecord, Route, Rule};
use berth_core::{MemberId, Nonce};

/// A record that changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    /// All: whoever starts reads everything.
    All,
    Intent,
    Rule,
    Member(MemberId),
}

/// The store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    pub(crate) view: View,
    route: Option<Route>,
    /// How often the rule was written. Other records do not count, so that it matters less in which order they were written.
    swaps: i64,
}

/// Somebody else wrote the rule first.
pub(crate) struct Conflict;

impl Store {
    pub(crate) fn rule(&self) -> Option<&Rule> {
        self.view.rule.as_ref().map(|known| &known.rule)
    }

    pub(crate) fn swap(
        &mut self,
        rule: Rule,
        route: Route,
        expected: Option<RuleRevision>,
    ) -> Result<KnownRule, Conflict> {
        if self.view.rule.as_ref().map(|known| known.revision) != expected {
            return Err(Conflict);
        }
        self.swaps += 1;
        let known = KnownRule { rule, revision: RuleRevision(self.swaps), restored: false };
        self.view.rule = Some(known.clone());
        self.route = Some(route);
        Ok(known)
    }

    pub(crate) fn put_route(&mut self, route: Route, rule: RuleRevision) -> Result<(), Conflict> {
        if self.view.rule.as_ref().map(|known| known.revision) != Some(rule) {
            return Err(Conflict);
        }
        self.route = Some(route);
        Ok(())
    }

    pub(crate) fn announce(&mut self, record: MemberRecord) -> Key {
        let member = record.identity.member.clone();
        self.view.members.insert(member.clone(), record);
        Key::Member(member)
    }

    pub(crate) fn ask_for_switchover(&mut self, nonce: Nonce) {
        if let Some(intent) = &mut self.view.intent {
            intent.switchover = Some(berth_core::topology::Switchover { nonce, to: None });
            intent.generation.0 += 1;
        }
    }

    pub(crate) fn ask_for_acks(&mut self, acks: u32) {
        if let Some(intent) = &mut self.view.intent {
            intent.durability.acks = acks;
            intent.generation.0 += 1;
        }
    }

    /// A record as it is now, for whoever hears of it: what was in between is not told.
    pub(crate) fn news(&self, key: &Key) -> Event {
        Event::Topology(match key {
            Key::All => News::Listed(Box::new(self.view.clone())),
            Key::Intent => News::Intent(self.view.intent.clone().map(Box::new)),
            Key::Rule => News::Rule(self.view.rule.clone().map(Box::new)),
            Key::Member(member) => {
                News::Member(member.clone(), self.view.members.get(member).cloned().map(Box::new))
            }
        })
    }
}
