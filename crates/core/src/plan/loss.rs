//! The loss that a person accepts: it becomes part of the intent for the term that it names; the members do the rest.
//!
//! A word that cannot be followed is reported and left out of the intent. It stops nothing else.

use super::desired::{Desired, LossWord};
use super::membership::Membership;
use super::observed::Observed;
use super::report::{LossReport, LossState};
use crate::term::Term;
use crate::topology::{AcceptLoss, Phase, Rule};

/// What the members are told: none if nothing is accepted, an error in words if it cannot be.
pub(super) fn accepted(desired: &Desired, membership: &Membership) -> Result<Option<AcceptLoss>, String> {
    let Some(LossWord { term, member }) = &desired.accept_loss else { return Ok(None) };
    let found = membership.keep.iter().find(|identity| identity.member.as_str() == member);
    let names =
        || membership.keep.iter().map(|identity| identity.member.as_str()).collect::<Vec<_>>().join(", ");
    let identity = found.ok_or_else(|| format!("there is no member {member}; name one of {}", names()))?;
    Ok(Some(AcceptLoss { term: Term(*term), member: identity.clone() }))
}

/// What became of it: of the word in the spec, or of the last one that was used, which is told for as long as the cluster lives.
pub(super) fn report(
    observed: &Observed,
    desired: Option<&Desired>,
    membership: &Membership,
) -> Option<LossReport> {
    let word = desired.and_then(|desired| desired.accept_loss.as_ref());
    let rule = observed.rule();
    let past = rule.and_then(|rule| rule.loss.as_ref());
    let (Some(word), Some(rule)) = (word, rule) else {
        return past.filter(|loss| loss.used).map(|loss| LossReport {
            term: loss.accepted.term,
            member: loss.accepted.member.member.to_string(),
            state: LossState::Used,
            message: used(loss.accepted.term),
        });
    };
    let (state, message) = match past.filter(|loss| loss.accepted.term.0 == word.term) {
        Some(loss) if loss.used => (LossState::Used, used(loss.accepted.term)),
        Some(_) if rule.may_lose() => {
            (LossState::UnderWay, format!("term {} is being elected among those who are left", rule.term))
        }
        Some(_) => (LossState::NotNeeded, "enough members were there after all; nothing was lost".to_owned()),
        None => match accepted(desired?, membership) {
            Err(why) => (LossState::Refused, why),
            Ok(_) => waits(rule, word),
        },
    };
    Some(LossReport { term: Term(word.term), member: word.member.clone(), state, message })
}

fn used(term: Term) -> String {
    format!(
        "the term after {term} was decided by those who were left; commits that only the lost members held are gone"
    )
}

fn waits(rule: &Rule, word: &LossWord) -> (LossState, String) {
    let (now, primary) = (rule.term, &rule.primary.member);
    if now.0 > word.term {
        let message = format!(
            "term {now} has come without it; if it cannot go on either, accept the loss for term {now}"
        );
        return (LossState::NotNeeded, message);
    }
    if now.0 < word.term {
        return (LossState::Refused, format!("the cluster is in term {now}; write that term"));
    }
    match rule.phase {
        Phase::Bootstrapping => {
            (LossState::Refused, "the cluster has not served yet; nothing can be lost".to_owned())
        }
        Phase::Serving | Phase::Switching if primary.as_str() == word.member => {
            (LossState::NotNeeded, format!("{primary} is the primary of term {now}; nothing is lost"))
        }
        Phase::Serving | Phase::Switching => (
            LossState::Asked,
            format!(
                "it is used only if {} does not hear {primary}, and too few others can be reached",
                word.member
            ),
        ),
        Phase::Electing => (
            LossState::Asked,
            format!("{} begins the next term, unless this one ends by itself", word.member),
        ),
    }
}
