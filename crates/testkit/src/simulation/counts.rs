//! What happened in a run, or in many: so that a campaign that proves nothing because nothing happened is seen to.

use super::clients::Fate;
use super::faults::Kind;
use berth_core::election::EffectKind;
use std::collections::BTreeMap;
use std::fmt;

/// What a cluster was doing when a fault hit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// There is no rule.
    Nothing,
    /// The first primary is made.
    Bootstrapping,
    /// The primary serves.
    Serving,
    /// A coordinator recruits.
    Electing,
    /// Somebody is chosen, and not serving yet.
    Chosen,
    /// A planned hand-over.
    Switching,
}

impl Stage {
    const ALL: [Self; 6] =
        [Self::Nothing, Self::Bootstrapping, Self::Serving, Self::Electing, Self::Chosen, Self::Switching];
}

/// What happened.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Runs.
    pub runs: u64,
    /// The fewest faults of a run.
    pub fewest: Option<u64>,
    /// All that happened.
    pub happenings: u64,
    /// Calls of the decision core.
    pub decisions: u64,
    /// Simulated seconds.
    pub seconds: u64,
    /// Terms that began.
    pub terms: u64,
    /// Reads that were served.
    pub reads: u64,
    /// Old routes that came to proxies.
    pub old_routes: u64,
    /// Leases that ended a server.
    pub leases: u64,
    /// Faults by what the cluster was doing.
    pub faults: BTreeMap<(Stage, Kind), u64>,
    /// Effects that were begun.
    pub effects: BTreeMap<EffectKind, u64>,
    /// Reasons to wait that came up.
    pub waits: BTreeMap<String, u64>,
    /// What clients know of their rows.
    pub rows: BTreeMap<Fate, u64>,
}

fn sum<K: Ord + Clone>(into: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, count) in from {
        *into.entry(key.clone()).or_default() += count;
    }
}

impl Counts {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        let Self {
            runs,
            fewest,
            happenings,
            decisions,
            seconds,
            terms,
            reads,
            old_routes,
            leases,
            faults,
            effects,
            waits,
            rows,
        } = other;
        self.runs += runs;
        self.fewest = self.fewest.into_iter().chain(*fewest).min();
        self.happenings += happenings;
        self.decisions += decisions;
        self.seconds += seconds;
        self.terms += terms;
        self.reads += reads;
        self.old_routes += old_routes;
        self.leases += leases;
        sum(&mut self.faults, faults);
        sum(&mut self.effects, effects);
        sum(&mut self.waits, waits);
        sum(&mut self.rows, rows);
    }

    /// How many faults there were.
    pub fn all_faults(&self) -> u64 {
        self.faults.values().sum()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} runs, {} simulated hours, {} happenings, {} decisions, {} terms, {} faults, at least {} in a run",
            self.runs,
            self.seconds / 3_600,
            self.happenings,
            self.decisions,
            self.terms,
            self.all_faults(),
            self.fewest.unwrap_or(0)
        )?;
        let fate = |fate| self.rows.get(&fate).copied().unwrap_or(0);
        writeln!(
            f,
            "rows: {} acknowledged, {} refused, {} unknown; {} reads; {} old routes; {} servers ended by their lease",
            fate(Fate::Acknowledged),
            fate(Fate::Refused),
            fate(Fate::Unknown),
            self.reads,
            self.old_routes,
            self.leases
        )?;
        write!(f, "\n{:<22}", "fault")?;
        for stage in Stage::ALL {
            write!(f, "{:>15}", format!("{stage:?}"))?;
        }
        writeln!(f)?;
        for kind in Kind::all() {
            write!(f, "{:<22}", format!("{kind:?}"))?;
            for stage in Stage::ALL {
                write!(f, "{:>15}", self.faults.get(&(stage, kind)).copied().unwrap_or(0))?;
            }
            writeln!(f)?;
        }
        writeln!(f, "\neffects begun")?;
        for (kind, count) in &self.effects {
            writeln!(f, "  {:<32}{count:>12}", kind.to_string())?;
        }
        writeln!(f, "\nreasons to wait")?;
        for (wait, count) in &self.waits {
            writeln!(f, "  {wait:<32}{count:>12}")?;
        }
        Ok(())
    }
}
