//! The topology's store: records with revisions, a swap that happens wholly or not at all, and all that ever changed, for whoever watches.

use berth_core::election::{KnownRule, News, RuleRevision, View};
use berth_core::topology::{Intent, MemberRecord, Phase, Route, Rule};

/// A record that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// What the operator asks.
    Intent(Box<Intent>),
    /// Who is primary.
    Rule(Box<KnownRule>),
    /// What a member says of itself.
    Member(Box<MemberRecord>),
    /// Where clients go.
    Route(Box<Route>),
}

/// The store. Nobody forgets: what is watched late is watched whole.
#[derive(Debug, Clone, Default)]
pub(super) struct Store {
    revision: i64,
    view: View,
    route: Option<(Route, i64)>,
    changes: Vec<(i64, Change)>,
    /// Whether it shows what a backup had, and nobody has changed the rule since.
    restored: bool,
}

/// Somebody else wrote the rule first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Conflict;

impl Store {
    /// A moment of its past in which the cluster had served, by lot.
    pub(super) fn a_moment(&self, random: &mut crate::Random) -> Option<i64> {
        let served = |change: &Change| matches!(change, Change::Rule(known) if known.rule.phase != Phase::Bootstrapping);
        let first = self.changes.iter().find(|(_, change)| served(change)).map(|(at, _)| *at)?;
        let later: Vec<i64> = self.changes.iter().map(|(at, _)| *at).filter(|at| *at >= first).collect();
        random.pick(&later).copied()
    }

    /// Forgets all that came after a moment, or all; what is left is as if it had been written from a revision on.
    pub(super) fn forget(&mut self, upto: Option<i64>, from: i64) {
        let kept = self.changes.iter().filter(|(at, _)| upto.is_some_and(|upto| *at <= upto));
        let kept: Vec<Change> = kept.map(|(_, change)| change.clone()).collect();
        *self = Self { revision: from, restored: upto.is_some(), ..Self::default() };
        for change in kept {
            self.revision += 1;
            match &change {
                Change::Intent(intent) => self.view.intent = Some((**intent).clone()),
                Change::Rule(known) => {
                    let revision = RuleRevision(self.revision);
                    self.view.rule = Some(KnownRule { revision, restored: true, ..(**known).clone() });
                }
                Change::Member(record) => {
                    self.view.members.insert(record.identity.member.clone(), (**record).clone());
                }
                Change::Route(route) => self.route = Some(((**route).clone(), self.revision)),
            }
            self.changes.push((self.revision, change));
        }
    }

    /// The rule, unless it is only what a backup had.
    pub(super) fn rule_in_force(&self) -> Option<&Rule> {
        self.rule().filter(|_| !self.restored)
    }

    /// How many transactions there were.
    pub(super) fn revision(&self) -> i64 {
        self.revision
    }

    /// All that members read.
    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// The rule.
    pub(super) fn rule(&self) -> Option<&Rule> {
        self.view.rule.as_ref().map(|known| &known.rule)
    }

    /// The route.
    pub(super) fn route(&self) -> Option<&Route> {
        self.route.as_ref().map(|(route, _)| route)
    }

    /// What changed after one revision and up to another.
    pub(super) fn changes(&self, after: i64, upto: i64) -> impl Iterator<Item = &(i64, Change)> {
        let from = self.changes.partition_point(|(at, _)| *at <= after);
        self.changes.iter().skip(from).take_while(move |(at, _)| *at <= upto)
    }

    /// Every route there ever was, with its revision.
    pub(super) fn routes(&self) -> impl Iterator<Item = (i64, &Route)> {
        self.changes.iter().filter_map(|(at, change)| match change {
            Change::Route(route) => Some((*at, &**route)),
            Change::Intent(_) | Change::Rule(_) | Change::Member(_) => None,
        })
    }

    /// Swaps the rule and writes its route, if the rule is at `expected`.
    pub(super) fn swap(
        &mut self,
        rule: Rule,
        route: Route,
        expected: Option<RuleRevision>,
    ) -> Result<KnownRule, Conflict> {
        if self.view.rule.as_ref().map(|known| known.revision) != expected {
            return Err(Conflict);
        }
        self.revision += 1;
        self.restored = false;
        let known = KnownRule { rule, revision: RuleRevision(self.revision), restored: false };
        self.view.rule = Some(known.clone());
        self.changes.push((self.revision, Change::Rule(Box::new(known.clone()))));
        self.write_route(route);
        Ok(known)
    }

    /// Writes the route, if the rule is at this revision.
    pub(super) fn put_route(&mut self, route: Route, rule: RuleRevision) -> Result<(), Conflict> {
        if self.view.rule.as_ref().map(|known| known.revision) != Some(rule) {
            return Err(Conflict);
        }
        self.revision += 1;
        self.write_route(route);
        Ok(())
    }

    fn write_route(&mut self, route: Route) {
        self.changes.push((self.revision, Change::Route(Box::new(route.clone()))));
        self.route = Some((route, self.revision));
    }

    /// Writes what a member says of itself.
    pub(super) fn announce(&mut self, record: MemberRecord) {
        self.revision += 1;
        self.changes.push((self.revision, Change::Member(Box::new(record.clone()))));
        self.view.members.insert(record.identity.member.clone(), record);
    }

    /// Writes what the operator asks.
    pub(super) fn intend(&mut self, intent: Intent) {
        self.revision += 1;
        self.changes.push((self.revision, Change::Intent(Box::new(intent.clone()))));
        self.view.intent = Some(intent);
    }
}

impl Change {
    /// As members hear of it; none if it is not for them.
    pub(super) fn news(&self) -> Option<News> {
        match self {
            Self::Intent(intent) => Some(News::Intent(Some(intent.clone()))),
            Self::Rule(known) => Some(News::Rule(Some(known.clone()))),
            Self::Member(record) => Some(News::Member(record.identity.member.clone(), Some(record.clone()))),
            Self::Route(_) => None,
        }
    }
}
