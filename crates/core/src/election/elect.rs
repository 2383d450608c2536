//! What the coordinator of a term does: it pledges like the others, recruits them, chooses, and waits out what was granted to the old primary.
//!
//! It may die at any point: whoever is lost for its beats takes the next term, in which what this one chose is found by the same rules.

use super::action::Effect;
use super::event::KnownRule;
use super::lease::{CONFIRMED, lengthened};
use super::moment::Moment;
use super::poll::{Poll, Verdict};
use super::state::State;
use super::step::Step;
use super::wait::Wait;
use super::{pledge, rebuild, route};
use crate::topology::{AcceptedLoss, Identity, Intent, Proposal, Rule};
use std::collections::BTreeMap;

pub(super) fn step(state: &State, intent: &Intent, known: &KnownRule, now: Moment) -> Step {
    let rule = &known.rule;
    if let Some(step) = pledge::step(state, intent, known, rule.term) {
        return step;
    }
    let Some(own) = pledge::holding(state, known, now) else {
        return Step::Wait(Wait::NotAnswering(None));
    };
    let mut pledged: BTreeMap<Identity, &super::Holding> =
        state.contact.recruits.iter().map(|(id, recruit)| (id.clone(), &recruit.holding)).collect();
    pledged.insert(state.me.identity.clone(), &own);
    let since = state.contact.reign.as_ref().map_or(now, |reign| reign.since);
    let waited = now.since(since);
    match (Poll { rule, intent, pledged: &pledged, waited, defects: state.defects }).verdict() {
        Verdict::More { have, needed } => Step::Wait(Wait::Recruits { term: rule.term, have, needed }),
        Verdict::Lacks(absent) => Step::Wait(Wait::Everybody { term: rule.term, absent }),
        Verdict::Soon => Step::Wait(Wait::Recruiting(rule.term)),
        Verdict::Chosen(_) | Verdict::ChosenAtLoss(_) if granted_until(state, rule, now) > now => {
            Step::Wait(Wait::Granted(rule.primary.member.clone()))
        }
        Verdict::Chosen(proposal) => {
            let timeline = rebuild::timeline(rule, &pledged);
            choose(intent, known, proposal, Rule { timeline, ..rule.clone() })
        }
        Verdict::ChosenAtLoss(proposal) => {
            let loss = rule.loss.clone().map(|loss| AcceptedLoss { used: true, ..loss });
            choose(intent, known, proposal, Rule { loss, ..rule.clone() })
        }
    }
}

fn choose(intent: &Intent, known: &KnownRule, proposal: Proposal, rule: Rule) -> Step {
    let rule = Rule { proposal: Some(proposal), ..rule };
    Step::act(Effect::SwapRule {
        route: route::without_primary(intent, &rule),
        rule,
        expected: Some(known.revision),
    })
}

/// Until when the old primary may still serve reads, by grants of the recruits or by the topology's word before the swap to this term.
/// Nothing, if it is here itself: it has ended its server before it pledged.
fn granted_until(state: &State, rule: &Rule, now: Moment) -> Moment {
    let here = rule.primary == state.me.identity || state.contact.recruits.contains_key(&rule.primary);
    if here || rule.holders() == 0 {
        return now;
    }
    let own = state.contact.granted.map(|at| at.after(lengthened(super::LEASE)));
    let by_grants = state
        .contact
        .recruits
        .values()
        .map(|recruit| recruit.heard.after(lengthened(recruit.holding.granted)));
    let by_topology = state.contact.reign.as_ref().map(|reign| reign.since.after(lengthened(CONFIRMED)));
    by_grants.chain(own).chain(by_topology).max().unwrap_or(now)
}

/// The next moment at which the choice may change by time alone.
pub(super) fn wakes(state: &State, rule: &Rule, now: Moment) -> Option<Moment> {
    let since = state.contact.reign.as_ref()?.since;
    super::poll::GRACES
        .iter()
        .map(|grace| since.after(*grace))
        .chain([granted_until(state, rule, now)])
        .filter(|at| *at > now)
        .min()
}
