//! The first term of a topology that was lost, or restored from an older backup, with nobody left who could write it back: by a person's word,
//! from what the members hold.
//!
//! *Invariant*: whoever leads it is chosen when everybody has pledged and said what they hold, but for those whom the person gave up. Who voted and
//! how many acknowledged is forgotten; but every acknowledged commit is on the primary of its term, and whoever holds most of the newest timeline
//! holds all. The term is above all that any of them has pledged, and its timeline far above all that any of them has seen.

use super::action::Effect;
use super::message::{Holding, Log};
use super::state::State;
use super::step::Step;
use super::wait::Wait;
use super::{ascend, route};
use crate::term::{Term, Timeline};
use crate::topology::{Cause, DurabilityMode, Identity, Intent, Mishap, Phase, Rebuild, Rule};
use std::collections::BTreeMap;

/// How far above all that is known the timeline begins: a member that was given up may have been promoted in terms that nobody else heard of.
const BEYOND: u32 = 1_000;

/// The next step if a person's word asks this member to begin; none if it does not, or if it is done.
pub(super) fn step(state: &State, intent: &Intent) -> Option<Step> {
    let word = intent.rebuild.as_ref().filter(|word| word.by == state.me.identity)?;
    let known = state.world.view.rule.as_ref();
    let pledged = pledged(state, word);
    let forgot = known.is_none_or(|known| {
        let past = known.rule.rebuild.as_ref().map(|past| &past.nonce);
        // One that is under way and comes to nothing is asked for again, by another name.
        let stuck = known.rule.everybody().is_some() && past != Some(&word.nonce);
        state.world.forgotten.is_some() || stuck || known.rule.term < pledged
    });
    if !forgot {
        return None;
    }
    if let Some(absent) = word.of.iter().find(|member| !told(state, member)) {
        return Some(Step::Wait(Wait::NoAddress(absent.member.clone())));
    }
    if !state.is_announced() {
        return Some(Step::Wait(Wait::Unannounced));
    }
    let Some(grant) = &intent.grant else { return Some(Step::Wait(Wait::NoGrant)) };
    let expected = match state.world.forgotten {
        Some(forgotten) => forgotten.shown,
        None => known.map(|known| known.revision),
    };
    let me = &state.me.identity;
    let rule = Rule {
        term: pledged.next(),
        phase: Phase::Electing,
        primary: me.clone(),
        coordinator: Some(me.clone()),
        timeline: ascend::used(state).next(),
        branched: None,
        voters: word.of.iter().filter(|member| *member != me).cloned().collect(),
        acks: 0,
        grants: 0,
        proposal: None,
        cause: Some(Cause { leader: me.member.clone(), what: Mishap::TopologyLost }),
        loss: None,
        rebuild: Some(word.clone()),
        switched: intent.switchover.as_ref().map(|switchover| switchover.nonce.clone()),
        system: None,
        grant: grant.nonce.clone(),
    };
    Some(Step::act(Effect::SwapRule { route: route::without_primary(intent, &rule), rule, expected }))
}

/// Whether a member has said where it is since the topology was lost.
fn told(state: &State, member: &Identity) -> bool {
    state.world.view.members.get(&member.member).is_some_and(|record| record.identity == *member)
}

/// The highest term that any of those who must answer has taken part in, as far as is known.
fn pledged(state: &State, word: &Rebuild) -> Term {
    let own = state.notes.ledger().map_or(Term(0), |ledger| ledger.promise);
    let records = state.world.view.members.values().filter(|record| word.of.contains(&record.identity));
    records.map(|record| record.term).chain([own, state.seen]).max().unwrap_or(own)
}

/// The timeline of a term that is decided by these: the rule's own, but beyond all that anybody has seen where nobody knows what was used.
pub(super) fn timeline(rule: &Rule, pledged: &BTreeMap<Identity, &Holding>) -> Timeline {
    if rule.everybody().is_none() {
        return rule.timeline;
    }
    let seen = pledged.values().filter_map(|holding| match holding.log {
        Log::Ends { end, .. } | Log::Closed { at: end, .. } => Some(end.timeline),
        Log::Open { .. } | Log::Nothing => None,
    });
    Timeline(seen.fold(rule.timeline, Timeline::max).0.saturating_add(BEYOND))
}

/// How many acknowledge and grant in the term: as many as are asked for now, because what was asked for is forgotten.
pub(super) fn numbers(intent: &Intent, voters: u32) -> (u32, u32) {
    let acks = intent.durability.asked(intent.members.len()).min(voters);
    let grants = match intent.durability.mode {
        DurabilityMode::Async => voters.min(1),
        DurabilityMode::Quorum | DurabilityMode::All => acks,
    };
    (acks, grants)
}
