//! Deliberate defects: each takes one rule out of the decisions, so that it can be shown that the rule is needed and that its absence is seen.
//!
//! They exist under the cargo feature `defects` alone. Without it there is no way to have one: [`Defects`] is empty, [`Defects::has`] is false,
//! and the compiler takes the hooks away. With it, production code reads the same, and the defects are a part of the [`State`](super::State):
//! a decision stays a function of its inputs.
//!
//! What an engine, a disk or a proxy may do wrong is not here: that belongs to whoever plays their part.

#[cfg(all(feature = "defects", not(debug_assertions)))]
compile_error!("deliberate defects are for tests: no program is released with the feature `defects`");

/// A rule that is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Defect {
    /// No quorum is in force when a server is promoted: its commits wait for nobody until the voters are next looked at.
    AsynchronousAcknowledgement,
    /// Nobody looks whether a log went another way than the leader's: it is attached as it is.
    NoRewind,
    /// A server that comes back follows whoever leads at once, under the name of its own last term, and is looked at only then.
    UncheckedRejoin,
    /// The word of one voter suffices, to begin an election and to decide it.
    OneRecruitSuffices,
    /// A standby says what it holds before it has stopped receiving.
    CandidateBeforeFencing,
    /// Who holds most is told by the position alone, whatever term it is of.
    PositionOnly,
    /// The term of a log is that of whom its member set out to follow, and not of the last of the log itself.
    TermOfNewestHistory,
    /// Where a killed primary's last timeline began, which is what its control data still tells, counts as the end of its log.
    KilledPositionBelieved,
    /// A promotion takes the timeline after the one that the server itself knows, and not the one that the rule gave to the term.
    TimelineUsedTwice,
    /// A voter is removed, and the acknowledgements are raised, before those who stay have what was acknowledged before.
    NoBarrier,
    /// A term serves when its row is written, and not when its voters have it on disk.
    TermRowNotFlushed,
    /// Tenants are let in before the rule says that the term serves.
    GateBeforeSwap,
}

impl Defect {
    /// Every one.
    pub const ALL: [Self; 12] = [
        Self::AsynchronousAcknowledgement,
        Self::NoRewind,
        Self::UncheckedRejoin,
        Self::OneRecruitSuffices,
        Self::CandidateBeforeFencing,
        Self::PositionOnly,
        Self::TermOfNewestHistory,
        Self::KilledPositionBelieved,
        Self::TimelineUsedTwice,
        Self::NoBarrier,
        Self::TermRowNotFlushed,
        Self::GateBeforeSwap,
    ];
}

/// Which rules are taken out: none, but in a build with the feature `defects` for whoever asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Defects {
    #[cfg(feature = "defects")]
    chosen: u32,
}

impl Defects {
    /// These.
    #[cfg(feature = "defects")]
    #[must_use]
    pub fn of(defects: &[Defect]) -> Self {
        Self { chosen: defects.iter().fold(0, |chosen, defect| chosen | bit(*defect)) }
    }

    /// Whether a rule is taken out.
    #[cfg(feature = "defects")]
    pub(super) fn has(self, defect: Defect) -> bool {
        self.chosen & bit(defect) != 0
    }

    /// Never.
    #[cfg(not(feature = "defects"))]
    #[expect(clippy::unused_self, reason = "the same call with the feature and without it")]
    pub(super) const fn has(self, _defect: Defect) -> bool {
        false
    }
}

#[cfg(feature = "defects")]
fn bit(defect: Defect) -> u32 {
    1 << defect as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rule_is_taken_out_unless_somebody_asks() {
        assert!(Defect::ALL.iter().all(|defect| !Defects::default().has(*defect)));
    }

    #[cfg(not(feature = "defects"))]
    #[test]
    fn without_the_feature_there_is_no_room_for_a_defect() {
        assert_eq!(size_of::<Defects>(), 0);
    }

    #[cfg(feature = "defects")]
    #[test]
    fn what_is_asked_for_is_taken_out_and_nothing_else() {
        for asked in Defect::ALL {
            let taken: Vec<Defect> =
                Defect::ALL.into_iter().filter(|defect| Defects::of(&[asked]).has(*defect)).collect();
            assert_eq!(taken, [asked]);
        }
    }
}
