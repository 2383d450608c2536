//! What is looked through in every run of the tests. Each starts from three members of which one serves, with one acknowledgement asked for.

use crate::bounds::Bounds;
use crate::cluster::{Cluster, Search};
use crate::world::Lacks;
use std::fmt;
use std::time::Duration;

/// A search that is looked through to its end.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// What happens, in words.
    pub name: &'static str,
    /// How much of it.
    pub bounds: Bounds,
    /// Whether a term after the first is to acknowledge a row on some path. It shows that the search comes so far.
    pub goes_on: bool,
}

/// A world without one of its rules, and the bounds within which that must be seen.
#[derive(Debug, Clone, Copy)]
pub struct Mutant {
    /// What is missing, in words.
    pub name: &'static str,
    /// What is missing.
    pub lacks: Lacks,
    /// What must happen for it to be seen.
    pub bounds: Bounds,
}

const fn lasting(millis: u64) -> Bounds {
    Bounds { lasts: Duration::from_millis(millis), rows: 1, ..Bounds::NONE }
}

impl Scenario {
    /// All that is looked through.
    pub const ALL: [Self; 9] = [
        Self {
            name: "a server is killed, and anything is late once",
            bounds: Bounds { kills: 1, delays: 1, ..lasting(1_500) },
            goes_on: true,
        },
        Self {
            name: "two servers are killed",
            bounds: Bounds { rows: 2, kills: 2, ..lasting(1_200) },
            goes_on: true,
        },
        Self {
            name: "a machine loses power, and anything is late once",
            bounds: Bounds { outages: 1, delays: 1, ..lasting(3_200) },
            goes_on: false,
        },
        Self {
            name: "a server is killed, and a machine loses power",
            bounds: Bounds { kills: 1, outages: 1, ..lasting(900) },
            goes_on: true,
        },
        Self {
            name: "an agent stands still",
            bounds: Bounds { freezes: 1, ..lasting(3_600) },
            goes_on: true,
        },
        Self {
            name: "a server is killed, and a message is lost",
            bounds: Bounds { kills: 1, losses: 1, ..lasting(1_500) },
            goes_on: true,
        },
        Self {
            name: "an agent dies at any step, and a server is killed",
            bounds: Bounds { kills: 1, restarts: 1, ..lasting(1_000) },
            goes_on: true,
        },
        Self {
            name: "a switchover is asked for, and a server is killed",
            bounds: Bounds { kills: 1, switchovers: 1, ..lasting(1_500) },
            goes_on: true,
        },
        Self {
            name: "another durability is asked for, a server is killed, and anything is late once",
            bounds: Bounds { kills: 1, resizes: 1, delays: 1, ..lasting(700) },
            goes_on: true,
        },
    ];

    /// Looks through it.
    pub fn search(&self) -> Search {
        serving(self.bounds, Lacks::default())
    }
}

#[cfg(feature = "defects")]
impl Mutant {
    /// All that are looked for.
    pub fn all() -> Vec<Self> {
        use berth_core::election::{Defect, Defects};
        let lacks = |name, defect: Defect, bounds| Self {
            name,
            lacks: Lacks { defects: Defects::of(&[defect]), terms_in_names: false },
            bounds,
        };
        let killed = Bounds { kills: 1, ..lasting(1_200) };
        vec![
            lacks("the quorum is not in force at the promotion", Defect::AsynchronousAcknowledgement, killed),
            lacks("the term's row counts before it is flushed", Defect::TermRowNotFlushed, killed),
            lacks("the gate opens before the swap", Defect::GateBeforeSwap, killed),
            lacks(
                "voters change without the barrier",
                Defect::NoBarrier,
                Bounds { kills: 1, resizes: 1, delays: 1, ..lasting(700) },
            ),
            lacks(
                "a killed primary's position is believed",
                Defect::KilledPositionBelieved,
                Bounds { kills: 1, outages: 1, ..lasting(900) },
            ),
            lacks(
                "the candidate is chosen before the recruits are fenced",
                Defect::CandidateBeforeFencing,
                Bounds { freezes: 1, delays: 1, hurries: 1, ..lasting(3_600) },
            ),
            lacks(
                "a timeline's number is used twice",
                Defect::TimelineUsedTwice,
                Bounds { rows: 0, kills: 1, outages: 1, ..lasting(3_500) },
            ),
        ]
    }
}

impl Mutant {
    /// Looks for a broken promise.
    pub fn search(&self) -> Search {
        serving(self.bounds, self.lacks)
    }
}

fn serving(bounds: Bounds, lacks: Lacks) -> Search {
    Cluster::serving(3, 1, bounds, lacks).search()
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.bounds)
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.bounds)
    }
}
