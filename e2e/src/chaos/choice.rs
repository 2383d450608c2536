//! Which fault comes next, and whom it hits: decided by the seed alone. When it comes is decided by how long the system takes to be whole
//! again, so a seed repeats the choice and not the timing.

use super::fault::Fault;
use std::fmt;
use std::time::Duration;

/// A generator (splitmix64): small, the same on every machine. Not for secrets.
#[derive(Debug, Clone)]
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound.max(1)
    }

    fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = u64::try_from(most.saturating_sub(least).as_millis()).unwrap_or(u64::MAX);
        least + Duration::from_millis(self.below(span.saturating_add(1)))
    }
}

/// Whom a fault of a member hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The member that takes writes.
    Primary,
    /// One that follows it.
    Replica,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
        })
    }
}

/// Which packets a cut loses, seen from the node that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// All.
    Both,
    /// What it sends.
    From,
    /// What is sent to it.
    To,
}

/// One fault as it was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its number in the campaign, from 1.
    pub number: usize,
    /// What is done.
    pub fault: Fault,
    /// To whom, where that is a question.
    pub role: Role,
    /// Chooses among several of the same kind, by its remainder.
    pub pick: u64,
    /// Which packets, where packets are lost.
    pub way: Way,
    /// How long it lasts, unless its effect ends it sooner.
    pub hold: Duration,
    /// How long the system is left alone before.
    pub pause: Duration,
}

impl Step {
    /// One of so many, by the step's pick.
    pub fn index(&self, of: usize) -> usize {
        let of = u64::try_from(of).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.pick % of).unwrap_or(0)
    }
}

/// The shortest and the longest time that a fault lasts. Past the two seconds after which silence counts as loss, and past the lease of three;
/// below the half minute after which the kubelet kills what answers no probe.
const HOLD: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(15));
/// The system is left alone for so long between two faults: some come upon members that have just come back.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));

/// An endless sequence of steps. Each round has every fault once, in an order of its own, so that a campaign of any length has about as many of each.
#[derive(Debug, Clone)]
pub struct Choice {
    random: Random,
    faults: Vec<Fault>,
    /// What is left of the round, last first.
    round: Vec<Fault>,
    number: usize,
}

impl Choice {
    /// The sequence that a seed decides. Without any fault it is empty.
    pub fn seeded(seed: u64, faults: &[Fault]) -> Self {
        Self { random: Random(seed), faults: faults.to_vec(), round: Vec::new(), number: 0 }
    }
}

impl Iterator for Choice {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if self.round.is_empty() {
            self.round.clone_from(&self.faults);
            for last in (1..self.round.len()).rev() {
                let bound = u64::try_from(last + 1).unwrap_or(u64::MAX);
                self.round.swap(last, usize::try_from(self.random.below(bound)).unwrap_or(0));
            }
        }
        let fault = self.round.pop()?;
        self.number += 1;
        // Everything is drawn for every step, so that a fault's parameters do not depend on what the ones before needed.
        let role = if self.random.below(3) < 2 { Role::Primary } else { Role::Replica };
        let pick = self.random.bits();
        let way = match self.random.below(4) {
            0 => Way::From,
            1 => Way::To,
            2.. => Way::Both,
        };
        let hold = self.random.between(HOLD.0, HOLD.1);
        let pause = self.random.between(PAUSE.0, PAUSE.1);
        Some(Step { number: self.number, fault, role, pick, way, hold, pause })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn first(seed: u64, count: usize) -> Vec<Step> {
        Choice::seeded(seed, &Fault::ALL).take(count).collect()
    }

    #[test]
    fn a_seed_repeats_the_choice_and_another_makes_another() {
        assert_eq!(first(7, 60), first(7, 60));
        let faults = |seed| first(seed, 23).into_iter().map(|s| s.fault).collect::<Vec<_>>();
        assert_ne!(faults(7), faults(8));
    }

    #[test]
    fn every_round_has_every_fault_once() {
        let steps = first(3, 3 * Fault::ALL.len());
        for round in steps.chunks(Fault::ALL.len()) {
            let kinds: BTreeSet<_> = round.iter().map(|s| s.fault).collect();
            assert_eq!(kinds.len(), Fault::ALL.len());
        }
        assert_ne!(
            steps[..23].iter().map(|s| s.fault).collect::<Vec<_>>(),
            steps[23..46].iter().map(|s| s.fault).collect::<Vec<_>>()
        );
    }

    #[test]
    fn both_roles_and_all_ways_come_up_and_times_stay_in_their_bounds() {
        let steps = first(1, 200);
        for role in [Role::Primary, Role::Replica] {
            assert!(steps.iter().filter(|s| s.role == role).count() > 40, "{role}");
        }
        for way in [Way::Both, Way::From, Way::To] {
            assert!(steps.iter().filter(|s| s.way == way).count() > 30, "{way:?}");
        }
        assert!(steps.iter().all(|s| (HOLD.0..=HOLD.1).contains(&s.hold)));
        assert!(steps.iter().all(|s| (PAUSE.0..=PAUSE.1).contains(&s.pause)));
        assert!(steps.iter().any(|s| s.hold > HOLD.1 / 2) && steps.iter().any(|s| s.hold < HOLD.1 / 2));
    }

    #[test]
    fn no_faults_make_no_steps() {
        assert_eq!(Choice::seeded(1, &[]).next(), None);
    }
}
