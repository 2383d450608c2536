//! The mutation gate: worlds that lack one rule each, and how soon a promise is broken in them.
//!
//! A simulation that finds nothing says something only if it finds what is there. Each mutant is looked for in the seeds in which the whole world is
//! held to all its promises, from the first one on, and the same seeds must be clean without the defect.

use super::facts::Violation;
use super::many::{first, many};
use super::options::{Flaw, Options};
use berth_core::election::{Defect, Defects};
use std::fmt;

/// A world that lacks something.
#[derive(Debug, Clone, Copy)]
pub struct Mutant {
    /// What it lacks, in words.
    pub name: &'static str,
    /// The rules that its members lack.
    pub defects: &'static [Defect],
    /// What is wrong with everything else.
    pub flaw: Option<Flaw>,
    /// The layer that had to be taken away too, because it sees to the same alone; none if there is none.
    pub without: Option<&'static str>,
    /// It must be found in so many seeds.
    pub within: u64,
}

/// How a mutant was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// In which seed, of those from the first one on.
    pub seed: u64,
    /// What was broken in it.
    pub violation: Violation,
}

impl Mutant {
    /// All that are looked for.
    pub const ALL: [Self; 15] = [
        lacks("the quorum is not in force at the promotion", &[Defect::AsynchronousAcknowledgement], 20),
        lacks("a diverged log is attached as it is", &[Defect::NoRewind], 20),
        Self {
            without: Some("the look at the log before a member follows anybody"),
            ..world("no term in the standbys' names", &[Defect::UncheckedRejoin], Flaw::NoTermInNames, 300)
        },
        lacks("one recruit suffices", &[Defect::OneRecruitSuffices], 100),
        lacks(
            "the candidate is chosen before the recruits are fenced",
            &[Defect::CandidateBeforeFencing],
            500,
        ),
        lacks("the order is by position alone", &[Defect::PositionOnly], 3_000),
        lacks("the term of a log is read from the newest history", &[Defect::TermOfNewestHistory], 500),
        lacks("a killed primary's position is believed", &[Defect::KilledPositionBelieved], 200),
        lacks("a timeline's number is used twice", &[Defect::TimelineUsedTwice], 300),
        lacks("voters change without the barrier", &[Defect::NoBarrier], 300),
        lacks("the term's row counts before it is flushed", &[Defect::TermRowNotFlushed], 50),
        lacks("the gate opens before the swap", &[Defect::GateBeforeSwap], 20),
        world("a smart shutdown is taken for a fence", &[], Flaw::SmartShutdown, 100),
        world("a promise is not fsynced", &[], Flaw::PromiseNotDurable, 50),
        world("a proxy obeys an old route", &[], Flaw::OldRouteObeyed, 50),
    ];

    /// What a run of it is told.
    pub fn options(&self) -> Options {
        // What a store that forgets may do is another matter, and would only make the defects rarer.
        Options { trace: false, flaw: self.flaw, defects: Defects::of(self.defects), keeps: true }
    }

    /// The first seed, of so many, in which a promise is broken.
    pub fn find(&self, seeds: u64) -> Option<Found> {
        first(0..seeds, self.options()).map(|(seed, violation)| Found { seed, violation })
    }
}

/// The seeds, of so many, in which a promise is broken though nothing is wrong.
pub fn control(seeds: u64) -> Vec<(u64, Violation)> {
    many(0..seeds, Options { keeps: true, ..Options::default() }).broken
}

const fn lacks(name: &'static str, defects: &'static [Defect], within: u64) -> Mutant {
    Mutant { name, defects, flaw: None, without: None, within }
}

const fn world(name: &'static str, defects: &'static [Defect], flaw: Flaw, within: u64) -> Mutant {
    Mutant { flaw: Some(flaw), ..lacks(name, defects, within) }
}

impl Found {
    /// How many seeds it took.
    pub fn seeds(&self) -> u64 {
        self.seed + 1
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        self.without.map_or(Ok(()), |layer| write!(f, "; and without {layer}"))
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { promise, how } = &self.violation;
        write!(f, "{promise:?} | {} | {how}", self.seeds())
    }
}
