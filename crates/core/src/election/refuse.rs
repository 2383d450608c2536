//! What a member refuses to touch: a volume or a topology that is not what it must be.
//!
//! Nothing here is ever repaired by guessing. What runs goes on as it is; nothing is started, made, copied, followed or promoted until
//! the reason is gone.

use super::state::{Notes, State};
use super::wait::Refusal;
use crate::database::Volume;
use crate::term::Term;

/// What is wrong with the ledger by itself.
pub(super) fn ledger(state: &State) -> Option<Refusal> {
    match &state.notes {
        Notes::Unreadable(reason) => Some(Refusal::LedgerUnreadable(reason.clone())),
        Notes::Present(ledger) if ledger.cluster != state.me.uid => {
            Some(Refusal::OtherCluster(ledger.cluster.clone()))
        }
        Notes::Present(ledger) if ledger.identity != state.me.identity => {
            Some(Refusal::OtherIdentity(ledger.identity.clone()))
        }
        Notes::Absent | Notes::Present(_) => None,
    }
}

/// What is wrong between the volume and the topology.
pub(super) fn volume(state: &State, volume: &Volume) -> Option<Refusal> {
    other_claim(state).or_else(|| match volume {
        Volume::Empty => emptied(state),
        Volume::Present { system, .. } => filled(state, system),
    })
}

/// The operator or the rule counts this member on a claim that is not the one mounted here.
fn other_claim(state: &State) -> Option<Refusal> {
    let me = &state.me.identity;
    let view = &state.world.view;
    let intended = view.intent.as_ref().and_then(|intent| intent.members.get(&me.member));
    if let Some(claim) = intended.filter(|claim| **claim != me.claim) {
        return Some(Refusal::OtherClaim(claim.clone()));
    }
    let rule = &view.rule.as_ref()?.rule;
    rule.voters
        .iter()
        .chain([&rule.primary])
        .find(|known| known.member == me.member && known.claim != me.claim)
        .map(|known| Refusal::RuleNamesOtherClaim(known.claim.clone()))
}

fn emptied(state: &State) -> Option<Refusal> {
    match &state.world.view.rule {
        Some(known) => behind(state, known.rule.term),
        None => lost(state).then_some(Refusal::RuleMissing),
    }
}

fn filled(state: &State, system: &str) -> Option<Refusal> {
    let Some(ledger) = state.notes.ledger() else {
        return Some(Refusal::NoLedger);
    };
    if ledger.starts < state.world.told_starts {
        return Some(Refusal::RolledBack { told: state.world.told_starts, found: ledger.starts });
    }
    let Some(known) = &state.world.view.rule else {
        return Some(Refusal::RuleMissing);
    };
    if let Some(expected) = known.rule.system.as_ref().filter(|expected| *expected != system) {
        return Some(Refusal::OtherSystem { rule: expected.clone(), volume: system.to_owned() });
    }
    behind(state, known.rule.term)
}

fn behind(state: &State, rule: Term) -> Option<Refusal> {
    let promised = state.notes.ledger().map_or(Term(0), |ledger| ledger.promise).max(state.seen);
    (promised > rule).then_some(Refusal::TopologyBehind { promised, rule })
}

/// Whether there was a rule once, by the memory of the volume or of this run.
fn lost(state: &State) -> bool {
    state.seen > Term(0)
        || state.notes.ledger().is_some_and(|ledger| ledger.promise > Term(0) || ledger.starts > 0)
}
