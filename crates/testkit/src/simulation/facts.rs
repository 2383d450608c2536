//! What is true of a run whatever anybody in it believes, and the promises that it is held against. The first that is broken ends the run.

use super::database::{Databases, Log, Wait};
use super::judge::Seen;
use super::names::Who;
use berth_core::election::Ledger;
use berth_core::topology::{Phase, Rule};
use berth_core::{Term, Timeline};
use std::collections::{BTreeMap, BTreeSet};

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// How, in words.
    pub how: String,
}

/// What every run is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// No acknowledged row is missing from a later primary.
    NothingLost,
    /// Every acknowledged row is on as many voters as the rule says, and on the primary.
    EnoughHold,
    /// At most one member acknowledges writes in a term, and a term has one primary.
    OnePerTerm,
    /// Terms, and what members promised, only grow.
    TermsGrow,
    /// A timeline's number is used once.
    TimelinesOnce,
    /// No proxy goes back to an older route.
    RoutesNeverBack,
    /// No old primary serves a read after a newer one has let tenants in.
    FreshReads,
    /// Those whom a commit waited for are voters, and as many as the rule says.
    VotersCount,
    /// Tenants are let in only by the primary that the topology names.
    GateAfterSwap,
    /// One bad link costs a healthy primary nothing.
    OneBadLink,
    /// Writes resume when nothing is in their way.
    Live,
    /// After all is healed the cluster serves, and all members hold the same.
    Heals,
}

/// What is true of a run, or of a path that the model checker takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Facts {
    /// The promise that was broken first.
    pub violation: Option<Violation>,
    /// Rows that a database acknowledged, with the term.
    pub acknowledged: BTreeMap<u32, Term>,
    /// Who acknowledged in each term.
    by: BTreeMap<Term, Who>,
    /// What each member has promised.
    promised: BTreeMap<Who, Term>,
    /// Who served in each term.
    pub served: BTreeMap<Term, Who>,
    promoted: BTreeMap<Timeline, (Who, Term)>,
    /// The highest term in which tenants were let in.
    pub opened: Term,
    /// What was on volumes that are lost: their loss is what the others are there for.
    pub buried: BTreeMap<Who, Log>,
    /// Whether rows may be lost by the cluster's own choice.
    pub lossy: bool,
    /// How many terms began.
    pub elections: u32,
    pub(super) seen: Seen,
}

impl Facts {
    pub(super) fn broken(&mut self, promise: Promise, how: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { promise, how: how() });
        }
    }

    /// A ledger was written.
    pub fn ledger(&mut self, who: Who, before: Option<&Ledger>, after: &Ledger) {
        if let Some(before) = before.filter(|before| before.promise > after.promise) {
            self.broken(Promise::TermsGrow, || {
                format!("{who} had promised term {} and now promises {}", before.promise, after.promise)
            });
        }
        let promised = self.promised.entry(who).or_default();
        *promised = after.promise.max(*promised);
    }

    /// An agent starts with what it finds on its volume.
    pub fn remembers(&mut self, who: Who, ledger: Option<&Ledger>) {
        let promised = self.promised.get(&who).copied().unwrap_or_default();
        let found = ledger.map_or(Term(0), |ledger| ledger.promise);
        if found < promised {
            self.broken(Promise::TermsGrow, || {
                format!("{who} had promised term {promised} and finds a promise of {found}")
            });
        }
    }

    /// The rule was swapped.
    pub fn rule(&mut self, before: Option<&Rule>, rule: &Rule, databases: &Databases) {
        let term = before.map_or(Term(0), |before| before.term);
        if rule.term < term {
            self.broken(Promise::TermsGrow, || format!("term {term} was followed by {}", rule.term));
        }
        if rule.term > term {
            self.elections += 1;
        }
        if rule.phase != Phase::Serving {
            return;
        }
        let Some(primary) = Who::of(&rule.primary.member) else { return };
        match self.served.get(&rule.term) {
            None => {
                self.served.insert(rule.term, primary);
                self.holds_all(primary, rule.term, databases);
            }
            Some(first) if *first != primary => {
                let first = *first;
                self.broken(Promise::OnePerTerm, || {
                    format!("{first} and then {primary} serve in term {}", rule.term)
                });
            }
            Some(_) => {}
        }
        self.enough_hold(rule, databases);
    }

    /// Whoever is left when fewer voters than acknowledge are lost, and the primary with them, holds every acknowledged row.
    fn enough_hold(&mut self, rule: &Rule, databases: &Databases) {
        if self.lossy || rule.acks == 0 {
            return;
        }
        let rows: Vec<BTreeSet<u32>> = self.logs_of(rule, databases).map(Log::lasting_rows).collect();
        let thin = self.acknowledged.keys().find(|row| !enough(rule, rows.iter(), |rows| rows.contains(row)));
        if let Some(row) = thin.copied() {
            self.broken(Promise::EnoughHold, || {
                format!(
                    "term {} serves with fewer than {} voters that hold the acknowledged row {row}",
                    rule.term, rule.acks
                )
            });
        }
    }

    /// The logs of a rule's voters, as they are or as they were when they were lost.
    fn logs_of<'a>(&'a self, rule: &'a Rule, databases: &'a Databases) -> impl Iterator<Item = &'a Log> {
        rule.voters.iter().filter_map(|voter| Who::of(&voter.member)).filter_map(|who| {
            let kept = databases.data(who).map(|data| &data.log);
            kept.or_else(|| self.buried.get(&who))
        })
    }

    /// A primary that comes to serve holds every row that was acknowledged.
    fn holds_all(&mut self, primary: Who, term: Term, databases: &Databases) {
        let rows = databases.data(primary).map(|data| data.log.rows()).unwrap_or_default();
        let missing: BTreeSet<u32> =
            self.acknowledged.keys().filter(|row| !rows.contains(row)).copied().collect();
        if !missing.is_empty() && !self.lossy {
            self.broken(Promise::NothingLost, || {
                format!("{primary} serves in term {term} without the acknowledged rows {missing:?}")
            });
        }
    }

    /// A server was promoted.
    pub fn promoted(&mut self, who: Who, timeline: Timeline, led: Term) {
        if let Some((first, term)) = self.promoted.insert(timeline, (who, led)) {
            self.broken(Promise::TimelinesOnce, || {
                format!("{first} was promoted onto timeline {timeline} in term {term}, and then {who} in term {led}")
            });
        }
    }

    /// Tenants were let in.
    pub fn gate_opened(&mut self, who: Who, led: Term, databases: &Databases, rule: Option<&Rule>) {
        let names = |rule: &Rule| {
            rule.term == led && rule.phase == Phase::Serving && Who::of(&rule.primary.member) == Some(who)
        };
        let ever = self.served.get(&led) == Some(&who);
        if !ever && !rule.is_some_and(names) {
            self.broken(Promise::GateAfterSwap, || {
                format!("{who} lets tenants in, in term {led}, which it does not serve")
            });
        }
        if led > self.opened {
            self.opened = led;
            self.holds_all(who, led, databases);
        }
    }

    /// A row was acknowledged, by this setting if it waited.
    pub fn acknowledged(
        &mut self,
        who: Who,
        led: Term,
        row: u32,
        by: Option<&Wait>,
        databases: &Databases,
        rule: Option<&Rule>,
    ) {
        self.acknowledged.insert(row, led);
        let first = *self.by.entry(led).or_insert(who);
        if first != who {
            self.broken(Promise::OnePerTerm, || format!("{first} and {who} acknowledge in term {led}"));
        }
        if let Some(rule) = rule.filter(|rule| rule.term == led && rule.phase == Phase::Serving) {
            let voters: BTreeSet<Who> =
                rule.voters.iter().filter_map(|voter| Who::of(&voter.member)).collect();
            let lawful = match by {
                // Released before, and looked at then.
                None => true,
                Some(Wait::None | Wait::Nobody) => rule.acks == 0,
                Some(Wait::Any { acks, members, .. }) => *acks >= rule.acks && members.is_subset(&voters),
            };
            if !lawful {
                self.broken(Promise::VotersCount, || {
                    format!(
                        "{who} acknowledges row {row} by {by:?}; the rule says {} of {voters:?}",
                        rule.acks
                    )
                });
            }
            let waited = matches!(by, Some(Wait::Any { .. }));
            if waited && !self.lossy && !enough(rule, self.logs_of(rule, databases), |log| log.keeps(row)) {
                self.broken(Promise::EnoughHold, || {
                    format!("{who} acknowledges row {row}, which fewer than {} of {voters:?} hold", rule.acks)
                });
            }
        }
        let later = self.served.range(Term(led.0 + 1)..).next_back();
        if let Some((term, primary)) = later.map(|(term, primary)| (*term, *primary)) {
            let holds = databases.data(primary).is_some_and(|data| data.log.holds(row));
            if !holds && !self.lossy {
                self.broken(Promise::NothingLost, || {
                    format!("{who} acknowledges row {row} in term {led}, and {primary}, which serves term {term}, has not got it")
                });
            }
        }
    }

    /// A read was served.
    pub fn read(&mut self, who: Who, led: Term) {
        let opened = self.opened;
        if led < opened {
            self.broken(Promise::FreshReads, || {
                format!("{who} serves a read in term {led} after tenants were let in, in term {opened}")
            });
        }
    }

    /// A proxy obeys a route.
    pub(super) fn obeyed(&mut self, proxy: u8, before: Option<(Term, i64)>, now: (Term, i64)) {
        if let Some(before) = before.filter(|before| *before > now) {
            self.broken(Promise::RoutesNeverBack, || {
                format!("proxy {proxy} goes back from {before:?} to {now:?}")
            });
        }
    }
}

/// Whether as many of these as the rule asks for hold something.
fn enough<T>(rule: &Rule, logs: impl Iterator<Item = T>, holds: impl Fn(T) -> bool) -> bool {
    let asked = usize::try_from(rule.acks).unwrap_or(usize::MAX);
    logs.map(holds).filter(|holds| *holds).take(asked).count() == asked
}
