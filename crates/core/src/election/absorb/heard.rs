//! What another member said. Whatever speaks of another term than the one that is known is dropped, but for a recruiter's word, which may
//! come before the topology's own.

use super::topology;
use crate::election::campaign;
use crate::election::contact::{Recruit, Summons};
use crate::election::event::KnownRule;
use crate::election::message::{Log, Message};
use crate::election::moment::Moment;
use crate::election::state::State;
use crate::term::Term;
use crate::topology::{Identity, Phase, Rule};

pub(super) fn absorb(state: &mut State, from: Identity, message: Message, now: Moment) {
    let Some(rule) = state.world.view.rule.as_ref().map(|known| known.rule.clone()) else { return };
    let leads = *rule.leader() == state.me.identity;
    match message {
        Message::Beat { term, at } => {
            if term == rule.term && *rule.leader() == from {
                let silent = state.contact.heard.is_none_or(|heard| now.since(heard) >= campaign::SILENCE);
                if silent {
                    state.contact.unbroken = Some(now);
                }
                state.contact.heard = Some(now);
                if may_grant(state, term) {
                    state.contact.granted = Some(now);
                    state.contact.outbox.push((from.member, Message::Grant { term, at }));
                }
            }
        }
        Message::Grant { term, at } => {
            if term == rule.term && leads && at <= now {
                let newest = state.contact.grants.entry(from).or_insert(at);
                *newest = at.max(*newest);
            }
        }
        Message::Gone { term } => {
            if term == rule.term && *rule.leader() == from {
                state.contact.gone.get_or_insert(now);
            }
        }
        Message::Ask { term } => {
            let yes = term == rule.term && !leads && campaign::lost(state, now);
            state.contact.outbox.push((from.member, Message::Would { term, yes }));
        }
        Message::Would { term, yes } => {
            if term == rule.term {
                state.contact.would.insert(from, yes);
            }
        }
        Message::Recruit { term } => summoned(state, &rule, from, term),
        Message::Pledged { term, holding } => {
            // Only the primary has a log whose end it alone ever wrote. Whoever else says so does not know the rule yet, and is asked again.
            let believable = match holding.log {
                Log::Open { .. } | Log::Closed { .. } => from == rule.primary,
                Log::Nothing | Log::Ends { .. } => true,
            };
            if term == rule.term && believable && rule.coordinator.as_ref() == Some(&state.me.identity) {
                state.contact.recruits.insert(from, Recruit { holding, heard: now });
            }
        }
    }
}

/// A grant is a pledge not to pledge: it is given only where nothing higher was pledged or is about to be.
fn may_grant(state: &State, term: Term) -> bool {
    let promised = state.notes.ledger().map_or(Term(0), |ledger| ledger.promise);
    promised <= term && state.contact.summons.is_none()
}

fn summoned(state: &mut State, rule: &Rule, from: Identity, term: Term) {
    let promised = state.notes.ledger().map_or(Term(0), |ledger| ledger.promise);
    let chosen = rule.phase != Phase::Electing || rule.proposal.is_some();
    let late =
        rule.term > term || (rule.term == term && (chosen || rule.coordinator.as_ref() != Some(&from)));
    let overtaken = state.contact.summons.as_ref().is_some_and(|summons| summons.term > term);
    if promised <= term && !late && !overtaken && from != state.me.identity {
        state.contact.summons = Some(Summons { term, from, answered: false });
    }
}

/// The rule, read in a way that cannot show an old one.
pub(super) fn confirmed(
    state: &mut State,
    number: u64,
    asked: Moment,
    result: Result<Option<Box<KnownRule>>, String>,
) {
    if state.contact.confirming != Some(number) {
        return;
    }
    state.contact.confirming = None;
    let Ok(read) = result else { return };
    if state.contact.unsure {
        topology::newer(state, read.clone().map(|read| *read));
        state.contact.unsure = false;
    }
    let (Some(read), Some(known)) = (read, &state.world.view.rule) else { return };
    let leads = matches!(read.rule.phase, Phase::Serving | Phase::Switching);
    let same = read.rule.term == known.rule.term && leads;
    if same && read.rule.primary == state.me.identity {
        state.contact.confirmed = state.contact.confirmed.max(Some(asked));
    }
}
