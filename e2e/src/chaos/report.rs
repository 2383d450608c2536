//! What a campaign showed, in figures: as a text for people and as JSON for comparison.

mod text;

use super::check::Finding;
use super::choice::Step;
use super::scene::{Counts, Sight, Window};
use super::workload::Kept;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// One fault, with what clients saw of it until the system was whole again.
#[derive(Debug, Clone, Serialize)]
pub struct Hit {
    /// Its number in the campaign.
    pub number: usize,
    /// Under which name it is counted.
    pub kind: String,
    /// What exactly was done.
    pub what: String,
    /// Whether clients must not notice.
    pub planned: bool,
    /// Seconds from the beginning of the campaign.
    pub at: f64,
    /// Seconds from the fault until the system was whole again; nothing if it never was.
    pub whole_after: Option<f64>,
    /// How many terms began.
    pub terms: u64,
    /// The longest time without any acknowledged write, in milliseconds.
    pub pause_of_all: u64,
    /// The longest time for which one client got no answer, in milliseconds.
    pub pause_of_one: u64,
    /// How operations ended.
    pub counts: Counts,
    /// The first errors, in words.
    pub errors: Vec<String>,
}

/// Everything wrong that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Anomaly {
    /// Seconds from the beginning of the campaign.
    pub at: f64,
    /// Of which kind.
    pub kind: &'static str,
    /// What exactly.
    pub what: String,
}

/// Faults of one kind together.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Kind {
    /// How many.
    pub faults: u64,
    /// How many terms began.
    pub terms: u64,
    /// The median of the longest times without any acknowledged write, in milliseconds.
    pub median_pause_of_all: u64,
    /// The longest of them.
    pub longest_pause_of_all: u64,
    /// The longest time for which one client got no answer, in milliseconds.
    pub longest_pause_of_one: u64,
    /// Writes that were refused.
    pub refused: u64,
    /// Writes of which nobody knows.
    pub unknown: u64,
    /// The longest time until the system was whole again, in seconds.
    pub longest_whole_after: f64,
}

/// A campaign's report.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What repeats the choice of faults.
    pub seed: u64,
    /// When it began, in UTC.
    pub began: String,
    /// How long faults were done.
    pub hours: f64,
    /// Writes that were sent.
    pub operations: u64,
    /// How everything ended.
    pub counts: Counts,
    /// The same for each workload.
    pub by_workload: BTreeMap<&'static str, Counts>,
    /// Unknown writes of all that were sent.
    pub unknown_share: f64,
    /// Of the rows and transfers that were unknown: how many turned out to be there.
    pub unknown_there: u64,
    /// How many turned out not to be there.
    pub unknown_absent: u64,
    /// Acknowledged rows and transfers that are gone; nothing if the last look could not be taken.
    pub lost: Option<u64>,
    /// What was told to clients, by SQLSTATE.
    pub codes: BTreeMap<String, u64>,
    /// How many terms began.
    pub terms: u64,
    /// At most so many of all acknowledged writes are lost, with 95 % confidence, if what was done here is like what is done elsewhere.
    pub bound: Option<f64>,
    /// Faults by kind.
    pub kinds: BTreeMap<String, Kind>,
    /// Faults that could not be done, with the reason, and those that no other term followed although it had to.
    pub notes: Vec<String>,
    /// What is wrong.
    pub anomalies: Vec<Anomaly>,
    /// Anomalies that were not kept.
    pub more_anomalies: u64,
    /// Each fault.
    pub hits: Vec<Hit>,
}

/// What a report is made of.
#[derive(Debug)]
pub struct Collected {
    /// The campaign's seed.
    pub seed: u64,
    /// When it began, in UTC.
    pub began: String,
    /// How long faults were done.
    pub time: Duration,
    /// Each fault.
    pub hits: Vec<Hit>,
    /// Faults that could not be done, or did not do what they should.
    pub notes: Vec<String>,
    /// How many terms began.
    pub terms: u64,
    /// What clients saw.
    pub sight: Sight,
    /// What the last look found, if it could be taken.
    pub kept: Option<Kept>,
}

impl Hit {
    /// A fault and what clients saw of it.
    pub fn new(step: &Step, kind: String, what: String, at: Duration, window: Window) -> Self {
        let Window { counts, pause_of_all, pause_of_one, errors } = window;
        Self {
            number: step.number,
            kind,
            what,
            planned: step.fault.is_planned(),
            at: at.as_secs_f64(),
            whole_after: None,
            terms: 0,
            pause_of_all: millis(pause_of_all),
            pause_of_one: millis(pause_of_one),
            counts,
            errors,
        }
    }
}

impl Report {
    /// Adds everything up.
    pub fn of(collected: Collected) -> Self {
        let Collected { seed, began, time, hits, notes, terms, sight, kept } = collected;
        let Sight { total, by_workload, codes, findings, more_findings } = sight;
        let operations = total.acknowledged + total.refused + total.unknown;
        let lost = kept.as_ref().map(|kept| kept.lost);
        let anomalies: Vec<_> = findings
            .into_iter()
            .map(|(at, Finding { wrong, what })| Anomaly { at: at.as_secs_f64(), kind: wrong.name(), what })
            .collect();
        let kept = kept.unwrap_or_default();
        Self {
            seed,
            began,
            hours: time.as_secs_f64() / 3600.0,
            operations,
            unknown_share: share(total.unknown, operations),
            unknown_there: kept.unknown_there,
            unknown_absent: kept.unknown_absent,
            bound: (lost == Some(0) && anomalies.is_empty() && total.acknowledged > 0)
                .then(|| share(3, total.acknowledged)),
            lost,
            counts: total,
            by_workload,
            codes,
            terms,
            kinds: kinds(&hits),
            notes,
            anomalies,
            more_anomalies: more_findings,
            hits,
        }
    }

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.anomalies.is_empty() && self.lost == Some(0)
    }
}

fn kinds(hits: &[Hit]) -> BTreeMap<String, Kind> {
    let mut pauses: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let mut kinds: BTreeMap<String, Kind> = BTreeMap::new();
    for hit in hits {
        pauses.entry(&hit.kind).or_default().push(hit.pause_of_all);
        let kind = kinds.entry(hit.kind.clone()).or_default();
        kind.faults += 1;
        kind.terms += hit.terms;
        kind.longest_pause_of_all = kind.longest_pause_of_all.max(hit.pause_of_all);
        kind.longest_pause_of_one = kind.longest_pause_of_one.max(hit.pause_of_one);
        kind.refused += hit.counts.refused;
        kind.unknown += hit.counts.unknown;
        kind.longest_whole_after = kind.longest_whole_after.max(hit.whole_after.unwrap_or(f64::INFINITY));
    }
    for (name, mut pauses) in pauses {
        pauses.sort_unstable();
        if let Some(kind) = kinds.get_mut(name) {
            kind.median_pause_of_all = pauses.get(pauses.len() / 2).copied().unwrap_or_default();
        }
    }
    kinds
}

/// A part of a whole, both far below what a double counts exactly.
#[expect(clippy::cast_precision_loss, reason = "counts of a campaign are below two to the 53rd")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
