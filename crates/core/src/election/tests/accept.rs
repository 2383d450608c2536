//! A person accepts what may be lost: the word counts for one term, only if nobody leads it, and an election that has enough members needs none.

use super::story::*;
use crate::election::*;
use crate::topology::{AcceptLoss, AcceptedLoss, Cause, Intent, Mishap, Phase, Rule};
use crate::{Term, Timeline};
use rstest::rstest;
use std::time::Duration;

fn word(term: u64, name: char) -> AcceptLoss {
    AcceptLoss { term: Term(term), member: identity(name) }
}

fn accept(story: &mut Story, word: AcceptLoss) {
    let intent = Intent { accept_loss: Some(word), ..intent() };
    story.hear(Event::Topology(News::Intent(Some(Box::new(intent)))));
}

/// `b` streamed from `a` in term 4, and has heard of nobody for ten seconds.
fn left_alone() -> Story {
    let mut story = standby();
    story.pass(Duration::from_secs(10));
    assert_eq!(story.doing, None, "its own word alone is not enough");
    story
}

/// `b` runs the election of term 5 by a person's word, and has pledged it.
fn electing() -> Story {
    let mut story = left_alone();
    accept(&mut story, word(4, 'b'));
    let rule = story.swapping();
    assert_eq!((rule.term, rule.phase, rule.timeline), (Term(5), Phase::Electing, Timeline(6)));
    assert_eq!(rule.cause, Some(Cause { leader: member('a'), what: Mishap::LossAccepted }));
    assert_eq!(rule.loss, Some(AcceptedLoss { accepted: word(4, 'b'), used: false }));
    story.until(EffectKind::WriteLedger);
    story.succeeds();
    story
}

#[test]
fn those_who_are_left_go_on_and_wait_for_none_of_the_lost() {
    let mut story = electing();
    assert_eq!(story.wait(), Some(&Wait::Recruiting(Term(5))), "somebody may still come");
    story.pass(Duration::from_secs(6));
    let rule = story.swapping();
    assert_eq!(rule.loss, Some(AcceptedLoss { accepted: word(4, 'b'), used: true }));
    let chosen = rule.proposal.clone().unwrap();
    assert_eq!((chosen.candidate, chosen.voters), (identity('b'), identities("")));
    assert_eq!((chosen.acks, chosen.grants), (0, 0));
}

#[test]
fn who_holds_most_of_those_who_are_there_leads_and_not_who_was_named() {
    let mut story = electing();
    // Without data it is nobody that an election could count on, so that two of the old voters are not there.
    story.told('c', pledged(5, Log::Nothing));
    story.pass(Duration::from_secs(6));
    let chosen = story.swapping().proposal.clone().unwrap();
    assert_eq!((chosen.candidate, chosen.voters), (identity('b'), identities("")));
}

#[test]
fn if_enough_come_after_all_nothing_is_lost() {
    let mut story = electing();
    story.told('c', pledged(5, ends(4, 5, 481)));
    story.until(EffectKind::SwapRule);
    let rule = story.swapping();
    assert_eq!(rule.loss, Some(AcceptedLoss { accepted: word(4, 'b'), used: false }));
    assert_eq!(rule.proposal.clone().unwrap().candidate, identity('c'));
}

#[test]
fn the_next_election_needs_a_word_of_its_own() {
    let mut story = electing();
    let stuck = Rule {
        term: Term(6),
        coordinator: Some(identity('c')),
        ..story.state.world.view.rule.clone().unwrap().rule
    };
    story.doing = None;
    story.rule(stuck, 900);
    story.until(EffectKind::SwapRule);
    story.pass(Duration::from_secs(30));
    story.settles();
    assert_eq!(story.state.term(), Term(6), "{:?}", story.state.waiting());
}

#[rstest]
#[case::for_an_older_term(word(3, 'b'))]
#[case::for_a_term_to_come(word(5, 'b'))]
#[case::for_another_member(word(4, 'c'))]
#[case::for_another_claim(AcceptLoss { member: crate::topology::Identity { claim: crate::ClaimUid::new("else").unwrap(), ..identity('b') }, ..word(4, 'b') })]
fn a_word_that_is_not_meant_does_nothing(#[case] word: AcceptLoss) {
    let mut story = left_alone();
    accept(&mut story, word);
    story.pass(Duration::from_secs(30));
    assert_eq!(story.doing, None);
}

#[test]
fn a_leader_that_is_heard_is_not_deposed_by_a_word() {
    let mut story = standby();
    accept(&mut story, word(4, 'b'));
    for _ in 0..60 {
        story.pass(Duration::from_millis(500));
        story.told('a', Message::Beat { term: Term(4), at: story.now });
        story.status(standby_status(5, 480, true));
    }
    assert_eq!(story.doing, None);
}

#[test]
fn nor_one_that_somebody_else_hears() {
    let mut story = standby();
    accept(&mut story, word(4, 'b'));
    for _ in 0..60 {
        story.pass(Duration::from_millis(500));
        story.told('c', Message::Would { term: Term(4), yes: false });
    }
    assert_eq!(story.doing, None);
}
