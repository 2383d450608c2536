//! The disruption budget: how many members Kubernetes must leave alone when it empties nodes.
//!
//! All but one, so that a drain takes one member at a time, and the next only when the one before is in its place again. A cluster of a single member
//! may be evicted: its database would be down for the same moment whenever it moved, and a node that cannot be drained is worse.

use super::desired::Desired;
use super::draft::Draft;
use super::step::Step;

/// Makes the budget, or brings it to what the spec asks.
pub(super) fn keep(draft: &mut Draft<'_>, desired: &Desired) {
    let observed = draft.observed;
    let min_available = desired.members.saturating_sub(1);
    match &observed.budget {
        None => draft.step(Step::CreateBudget { min_available }),
        Some(budget) if budget.owner.as_ref() != Some(&observed.cluster.uid) => {}
        Some(budget) if budget.min_available == Some(min_available) => {}
        Some(budget) => draft.step(Step::ChangeBudget { uid: budget.uid.clone(), min_available }),
    }
}
