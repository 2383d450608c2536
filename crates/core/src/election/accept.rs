//! The term that follows by a person's word, where too many members are lost for an election to end by itself.
//!
//! *Invariant*: without a person's word for exactly the term that is known, nothing here happens; and the word is used up by the term that it
//! brings about. That term is an election like any other: everybody who can be reached is fenced and says what they hold, and if they are
//! enough after all, nothing is lost. Only if they are not, whoever holds most of them leads.

use super::event::KnownRule;
use super::moment::Moment;
use super::state::State;
use super::step::Step;
use super::{ascend, campaign};
use crate::topology::{AcceptLoss, AcceptedLoss, Intent, Mishap, Phase};
use std::time::Duration;

/// For how long an election by the ordinary rules must have come to nothing before a person's word is used: twice the time in which a leader's
/// silence is noticed, so that whoever is only slow has had its say.
const PATIENCE: Duration = Duration::from_secs(4);

/// The word that is meant for this member and for the term that is known.
fn word<'a>(state: &State, intent: &'a Intent, known: &KnownRule) -> Option<&'a AcceptLoss> {
    let word = intent.accept_loss.as_ref()?;
    (word.term == known.rule.term && word.member == state.me.identity).then_some(word)
}

/// When the word is used; none if there is none, or if a leader is there, or somebody hears one.
pub(super) fn turn(state: &State, intent: &Intent, known: &KnownRule) -> Option<Moment> {
    word(state, intent, known)?;
    let rule = &known.rule;
    let choosing = rule.phase == Phase::Electing && rule.proposal.is_none();
    let since = match rule.phase {
        // Nothing was acknowledged yet, and there is nobody to choose from.
        Phase::Bootstrapping => return None,
        // Its coordinator may be alive and well, and wait for those who are lost.
        Phase::Electing if choosing => state.contact.reign.as_ref()?.since,
        Phase::Electing | Phase::Serving | Phase::Switching => {
            let heard_elsewhere = state.contact.would.values().any(|yes| !yes);
            if *rule.leader() == state.me.identity || heard_elsewhere {
                return None;
            }
            campaign::lost_at(state)?
        }
    };
    campaign::able(state, rule).then(|| since.after(PATIENCE))
}

/// The swap to the next term, with this member as its coordinator.
pub(super) fn step(state: &State, intent: &Intent, known: &KnownRule, now: Moment) -> Option<Step> {
    let accepted = word(state, intent, known)?;
    let turn = turn(state, intent, known)?;
    let loss = AcceptedLoss { accepted: accepted.clone(), used: false };
    (turn <= now).then(|| ascend::new_term(state, intent, known, Mishap::LossAccepted, Some(loss)))
}
