//! One value with one writer, whose versions grow: a read shows at least what was acknowledged, or shown to anybody, before it began.

use super::{Fate, Finding, Wrong};
use std::collections::BTreeSet;

/// A register, judged while it is used.
#[derive(Debug, Default)]
pub struct Register {
    sent: i64,
    refused: BTreeSet<i64>,
    acknowledged: i64,
    shown: i64,
}

/// The least that a read must show, taken when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    acknowledged: i64,
    shown: i64,
}

impl Register {
    /// The writer is about to send its next version.
    pub fn writes(&mut self) -> i64 {
        self.sent += 1;
        self.sent
    }

    /// A write's call ended.
    pub fn ended(&mut self, version: i64, fate: Fate) {
        match fate {
            Fate::Acknowledged => self.acknowledged = self.acknowledged.max(version),
            Fate::Refused => drop(self.refused.insert(version)),
            Fate::Unknown => {}
        }
    }

    /// What a read that begins now must show at least.
    pub fn floor(&self) -> Floor {
        Floor { acknowledged: self.acknowledged, shown: self.shown }
    }

    /// A read's answer.
    pub fn read(&mut self, floor: Floor, version: i64) -> Option<Finding> {
        let Floor { acknowledged, shown } = floor;
        let found = if version < acknowledged {
            let what = format!("a read showed {version}, although {acknowledged} was acknowledged before it");
            Finding::new(Wrong::WentBack, what)
        } else if version < shown {
            let what = format!("a read showed {version}, although one before it showed {shown}");
            Finding::new(Wrong::WentBack, what)
        } else if version > self.sent {
            Finding::new(Wrong::Ghost, format!("a read showed {version}, and only {} was sent", self.sent))
        } else if self.refused.contains(&version) {
            Finding::new(Wrong::Ghost, format!("a read showed {version}, which was refused"))
        } else {
            self.shown = self.shown.max(version);
            return None;
        };
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1 is acknowledged, 2 refused, 3 unknown, 4 under way.
    fn history() -> Register {
        let mut register = Register::default();
        for fate in [Fate::Acknowledged, Fate::Refused, Fate::Unknown] {
            let version = register.writes();
            register.ended(version, fate);
        }
        register.writes();
        register
    }

    fn wrong(found: Option<Finding>) -> Option<Wrong> {
        found.map(|f| f.wrong)
    }

    #[test]
    fn what_is_unknown_or_under_way_may_be_shown_or_not() {
        let mut register = history();
        let early = register.floor();
        for version in [1, 3, 4] {
            let floor = register.floor();
            assert_eq!(register.read(floor, version), None);
        }
        assert_eq!(register.read(early, 1), None, "a read that began before the others may show less");
    }

    #[test]
    fn a_value_that_goes_back_is_found() {
        let mut register = history();
        let floor = register.floor();
        assert_eq!(wrong(register.read(floor, 0)), Some(Wrong::WentBack));
        assert_eq!(register.read(floor, 3), None);
        let floor = register.floor();
        assert_eq!(wrong(register.read(floor, 1)), Some(Wrong::WentBack));
    }

    #[test]
    fn refused_and_invented_values_are_found() {
        let mut register = history();
        let floor = register.floor();
        assert_eq!(wrong(register.read(floor, 2)), Some(Wrong::Ghost));
        assert_eq!(wrong(register.read(floor, 5)), Some(Wrong::Ghost));
    }
}
