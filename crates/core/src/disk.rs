//! When a data volume counts as full, and when its ballast is given up and made again. Pure: sizes come in, words go out.
//!
//! A database whose log finds no room ends itself, and what it needs to recover is room. So writes are refused while there is still some, and a
//! file that holds nothing keeps a little more, which is given up when all else is gone. Neither looks at what fills the volume.

use serde::{Deserialize, Serialize};

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// The least room that writes are refused for: four segments of PostgreSQL's log. Less could be written between two looks.
const LEAST_MARGIN: u64 = 64 * MIB;
/// The most: a twentieth of a large volume would be more than anything needs that goes on behind a refusal.
const MOST_MARGIN: u64 = 5 * GIB;
/// The least ballast: a recovery's own log, which is two segments.
const LEAST_BALLAST: u64 = 32 * MIB;
/// The most: a recovery takes no more on a larger volume.
const MOST_BALLAST: u64 = 256 * MIB;
/// With less room than this left the ballast is given up: the next segment of the log may be the one that finds none.
const LAST: u64 = 32 * MIB;

/// Whether a data volume has room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Space {
    /// It is full: writes are refused unless a session insists.
    Full,
    /// It has room.
    #[default]
    Ample,
}

impl Space {
    /// Whether there is room: what is left out of a record when it is written.
    pub fn is_ample(&self) -> bool {
        match self {
            Self::Ample => true,
            Self::Full => false,
        }
    }
}

/// A volume as it was measured, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Usage {
    /// All that the database's user can ever have: what is used and what is free to it. What the file system keeps for root is not in it.
    pub size: u64,
    /// What is free to the database's user.
    pub free: u64,
    /// What the ballast takes now.
    pub ballast: u64,
}

/// What is to become of the ballast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ballast {
    /// It stays as it is.
    Keep,
    /// It is made this large.
    Make(u64),
    /// It is given up.
    Drop,
}

/// What follows from a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Judgement {
    /// Whether the volume has room.
    pub space: Space,
    /// What is to become of the ballast.
    pub ballast: Ballast,
}

impl Usage {
    /// The room below which writes are refused: a twentieth of the volume, within bounds, and never more than an eighth of a small one.
    fn margin(self) -> u64 {
        (self.size / 20).clamp(LEAST_MARGIN, MOST_MARGIN).min(self.size / 8)
    }

    /// The ballast that it should have: a fiftieth of the volume, within bounds, and never more than a sixteenth of a small one.
    fn wanted(self) -> u64 {
        (self.size / 50).clamp(LEAST_BALLAST, MOST_BALLAST).min(self.size / 16)
    }

    /// What is free beside a whole ballast, so that giving it up and making it again changes nothing that is judged.
    fn spare(self) -> u64 {
        self.free.saturating_sub(self.wanted().saturating_sub(self.ballast))
    }
}

/// Judges a measurement by what was said before: full with less than the margin to spare, and roomy again with twice as much, so that a volume at the
/// edge does not go back and forth.
#[must_use]
pub fn judge(before: Space, usage: Usage) -> Judgement {
    let (left, margin) = (usage.spare(), usage.margin());
    let space = match before {
        Space::Ample if left < margin => Space::Full,
        Space::Full if left >= margin.saturating_mul(2) => Space::Ample,
        Space::Ample | Space::Full => before,
    };
    let last = LAST.min(usage.size / 32);
    let ballast = match space {
        _ if usage.ballast > 0 && usage.free < last => Ballast::Drop,
        // What is missing of it fits: there is the whole margin beside it.
        Space::Ample if usage.ballast < usage.wanted() => Ballast::Make(usage.wanted()),
        Space::Ample | Space::Full => Ballast::Keep,
    };
    Judgement { space, ballast }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    /// In MiB: the size, what is free, what the ballast takes.
    fn usage((size, free, ballast): (u64, u64, u64)) -> Usage {
        Usage { size: size * MIB, free: free * MIB, ballast: ballast * MIB }
    }

    #[rstest]
    #[case::a_new_volume(Space::Ample, (10_000, 9_900, 0), Space::Ample, Ballast::Make(200 * MIB))]
    #[case::at_rest(Space::Ample, (10_000, 5_000, 200), Space::Ample, Ballast::Keep)]
    #[case::just_enough(Space::Ample, (10_000, 500, 200), Space::Ample, Ballast::Keep)]
    #[case::full_at_95_percent(Space::Ample, (10_000, 499, 200), Space::Full, Ballast::Keep)]
    #[case::a_little_came_back(Space::Full, (10_000, 999, 200), Space::Full, Ballast::Keep)]
    #[case::open_again_at_90_percent(Space::Full, (10_000, 1_000, 200), Space::Ample, Ballast::Keep)]
    #[case::the_last(Space::Full, (10_000, 31, 200), Space::Full, Ballast::Drop)]
    #[case::filled_between_two_looks(Space::Ample, (10_000, 0, 200), Space::Full, Ballast::Drop)]
    #[case::without_ballast_it_stays_full(Space::Full, (10_000, 231, 0), Space::Full, Ballast::Keep)]
    #[case::ballast_is_made_again_last(Space::Full, (10_000, 1_200, 0), Space::Ample, Ballast::Make(200 * MIB))]
    #[case::grown(Space::Full, (20_000, 10_499, 200), Space::Ample, Ballast::Make(256 * MIB))]
    #[case::a_large_one_keeps_five_gib(Space::Ample, (1_000_000, 5_120, 256), Space::Ample, Ballast::Keep)]
    #[case::and_is_full_below(Space::Ample, (1_000_000, 5_119, 256), Space::Full, Ballast::Keep)]
    #[case::a_small_one(Space::Ample, (512, 64, 32), Space::Ample, Ballast::Keep)]
    #[case::a_small_full_one(Space::Ample, (512, 63, 32), Space::Full, Ballast::Keep)]
    #[case::the_last_of_a_small_one(Space::Full, (512, 15, 32), Space::Full, Ballast::Drop)]
    #[case::nothing_is_known(Space::Ample, (0, 0, 0), Space::Ample, Ballast::Keep)]
    fn is_judged(
        #[case] before: Space,
        #[case] measured: (u64, u64, u64),
        #[case] space: Space,
        #[case] ballast: Ballast,
    ) {
        assert_eq!(judge(before, usage(measured)), Judgement { space, ballast });
    }

    proptest! {
        /// Whatever is done to the ballast, the volume is judged the same right after it: nothing goes back and forth by our own hand.
        #[test]
        fn what_is_done_to_the_ballast_changes_no_judgement(size in 0u64..4_000_000, share in 0u64..=1000, ballast in 0u64..300, full: bool) {
            let before = if full { Space::Full } else { Space::Ample };
            let mut now = usage((size, size * share / 1000, ballast.min(size)));
            now.free = now.free.min(now.size - now.ballast);
            let first = judge(before, now);
            let after = match first.ballast {
                Ballast::Keep => now,
                Ballast::Make(to) => {
                    prop_assert!(to - now.ballast <= now.free, "there is no room for it");
                    Usage { free: now.free - (to - now.ballast), ballast: to, ..now }
                }
                Ballast::Drop => Usage { free: now.free + now.ballast, ballast: 0, ..now },
            };
            let second = judge(first.space, after);
            prop_assert_eq!(second.space, first.space);
            prop_assert_eq!(second.ballast, Ballast::Keep);
        }
    }
}
