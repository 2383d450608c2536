//! What reaches whom: each way of each edge can be cut by itself, and the weather decides what is lost, doubled and late.

use super::names::Who;
use crate::Random;
use std::fmt;
use std::time::Duration;

/// An end of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Place {
    /// A member's pod.
    Member(Who),
    /// The topology's store.
    Store,
    /// A proxy.
    Proxy(u8),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(who) => who.fmt(f),
            Self::Store => f.write_str("etcd"),
            Self::Proxy(number) => write!(f, "proxy {number}"),
        }
    }
}

/// What is spoken over an edge: agents and databases have ports of their own, and one may be shut while the other is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Plane {
    /// Agents among themselves, and everybody with the store.
    Words,
    /// Databases among themselves, and proxies with them.
    Data,
}

/// One way of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Way {
    /// Who speaks.
    pub from: Place,
    /// Who hears.
    pub to: Place,
    /// What is spoken.
    pub plane: Plane,
}

impl Way {
    /// From one member to another.
    pub(super) fn between(from: Who, to: Who, plane: Plane) -> Self {
        Self { from: Place::Member(from), to: Place::Member(to), plane }
    }

    /// The other way of the same edge.
    pub(super) fn back(self) -> Self {
        Self { from: self.to, to: self.from, plane: self.plane }
    }
}

/// The network.
#[derive(Debug, Clone, Default)]
pub(super) struct Network {
    /// What is cut now. A way that two faults have cut is here twice, and passes again when both are over.
    cut: Vec<Way>,
    /// How many faults make the weather bad.
    storms: u32,
}

impl Network {
    /// Whether anything passes this way.
    pub(super) fn passes(&self, way: Way) -> bool {
        !self.cut.contains(&way)
    }

    /// Whether anything passes both ways.
    pub(super) fn connects(&self, way: Way) -> bool {
        self.passes(way) && self.passes(way.back())
    }

    /// Cuts a way.
    pub(super) fn cut(&mut self, way: Way) {
        self.cut.push(way);
    }

    /// Mends what [`Network::cut`] has cut.
    pub(super) fn mend(&mut self, way: Way) {
        if let Some(at) = self.cut.iter().position(|cut| *cut == way) {
            self.cut.swap_remove(at);
        }
    }

    /// A storm begins or ends.
    pub(super) fn storm(&mut self, begins: bool) {
        self.storms = if begins { self.storms + 1 } else { self.storms.saturating_sub(1) };
    }

    /// Whether it storms.
    pub(super) fn storms(&self) -> bool {
        self.storms > 0
    }

    /// When copies of a message arrive: none if it is lost, two if it is doubled. Later ones overtake earlier ones.
    pub(super) fn arrivals(&self, random: &mut Random) -> Vec<Duration> {
        let (lost, doubled) = if self.storms() { (3, 8) } else { (200, 200) };
        if random.once_in(lost) {
            return Vec::new();
        }
        let copies = if random.once_in(doubled) { 2 } else { 1 };
        (0..copies).map(|_| self.delay(random)).collect()
    }

    /// How long something takes that is not lost.
    pub(super) fn delay(&self, random: &mut Random) -> Duration {
        let micros = if self.storms() && random.once_in(3) {
            50_000 + random.below(2_500_000)
        } else if random.once_in(100) {
            5_000 + random.below(200_000)
        } else {
            100 + random.below(2_000)
        };
        Duration::from_micros(micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_that_two_faults_have_cut_passes_again_when_both_are_over() {
        let mut network = Network::default();
        let way = Way::between(Who(0), Who(1), Plane::Words);
        network.cut(way);
        network.cut(way);
        network.mend(way);
        assert!(!network.passes(way) && network.passes(way.back()) && !network.connects(way.back()));
        network.mend(way);
        assert!(network.connects(way));
    }

    #[test]
    fn a_storm_loses_doubles_and_reorders() {
        let (mut network, mut random) = (Network::default(), Random::new(1));
        network.storm(true);
        let sent: Vec<Vec<Duration>> = (0..100).map(|_| network.arrivals(&mut random)).collect();
        assert!(sent.iter().any(Vec::is_empty) && sent.iter().any(|copies| copies.len() == 2));
        let mut firsts = sent.iter().filter_map(|copies| copies.first());
        let first = firsts.next().unwrap();
        assert!(firsts.any(|later| later < first));
    }
}
