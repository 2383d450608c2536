//! The last rung of a member's repair: what a restart and a rewind cannot mend is said, so that a new member with a new copy takes its place.
//!
//! It is said of data that was this member's own and is of no use any more, never of data that somebody must look at first: of another cluster,
//! of nobody, or newer than the topology. What is said is acted on only while a primary serves, and the volume is kept.

use super::action::EffectKind;
use super::refuse;
use super::state::State;
use super::wait::Refusal;
use crate::topology::Phase;

/// So many rewinds must have failed: the source may have been away for a few of them.
const REWINDS: u32 = 5;
/// So often must the stream have stayed away although the data was cut back each time: the log that it needs next is gone.
const PARTINGS: u32 = 3;

/// Why the data can never follow the primary again; none while it can, and none of the primary itself.
pub(super) fn beyond(state: &State) -> Option<String> {
    let rule = &state.world.view.rule.as_ref()?.rule;
    if rule.phase != Phase::Serving || rule.primary == state.me.identity {
        return None;
    }
    let refused = refuse::ledger(state).or_else(|| refuse::volume(state, state.volume.as_ref()?));
    match refused {
        Some(
            refusal @ (Refusal::LedgerUnreadable(_)
            | Refusal::OtherIdentity(_)
            | Refusal::OtherSystem { .. }
            | Refusal::RolledBack { .. }),
        ) => return Some(refusal.to_string()),
        Some(
            Refusal::OtherCluster(_)
            | Refusal::NoLedger
            | Refusal::OtherClaim(_)
            | Refusal::RuleNamesOtherClaim(_)
            | Refusal::RuleMissing
            | Refusal::TopologyBehind { .. }
            | Refusal::PrimaryEmpty
            | Refusal::OtherLineage,
        )
        | None => {}
    }
    if let Some(reason) = state.failures.hopeless(EffectKind::Rewind, REWINDS) {
        return Some(format!("its data cannot be rewound: {reason}"));
    }
    (state.partings >= PARTINGS).then(|| {
        format!("{} does not have the log any more that this member needs next", rule.primary.member)
    })
}
