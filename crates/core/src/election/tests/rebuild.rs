//! A lost topology is rebuilt by a person's word: everybody must say what they hold, and whoever holds most leads.

use super::story::*;
use crate::election::*;
use crate::topology::{Mishap, Phase, Rebuild, Rule};
use crate::{Nonce, Term, Timeline};
use std::time::Duration;

/// The topology after it was lost: the wish with the word that `by` is to begin among `of`, and what members have said since.
fn asked(by: char, of: &str, rule: Option<Rule>) -> View {
    let mut view = view(rule);
    let rebuild = Rebuild { nonce: Nonce::new("r1").unwrap(), by: identity(by), of: identities(of) };
    view.intent.as_mut().unwrap().rebuild = Some(rebuild);
    view
}

fn started(name: char, view: View) -> Story {
    Story::started(name, Notes::Present(ledger(name)), present(), view)
}

/// `a`, which has pledged term 7 and looked at its own log, which ends at 480 on timeline 5.
fn counting() -> Story {
    let mut view = asked('a', "abc", None);
    view.members.get_mut(&member('c')).unwrap().term = Term(6);
    let mut story = started('a', view);
    assert_eq!(story.swapping().term, Term(7), "above all that anybody has pledged");
    story.until(EffectKind::Start);
    story.succeeds();
    story.status(standby_status(5, 480, false));
    story.settles();
    story
}

#[test]
fn whoever_is_asked_begins_a_term_that_needs_everybody() {
    let story = started('a', asked('a', "abc", None));
    let rule = story.swapping();
    assert_eq!((rule.term, rule.phase), (Term(5), Phase::Electing));
    assert_eq!(rule.everybody(), Some(&identities("abc")));
    assert_eq!(rule.cause.clone().unwrap().what, Mishap::TopologyLost);
    let Effect::SwapRule { expected, .. } = story.effect() else { panic!("{:?}", story.effect()) };
    assert_eq!(*expected, None);
}

#[test]
fn nobody_else_begins_and_nobody_where_the_topology_knows_the_cluster() {
    let mut other = started('b', asked('a', "abc", None));
    other.pass(Duration::from_mins(1));
    assert_eq!(other.doing, None);
    let mut serving = started('b', asked('b', "abc", Some(rule())));
    serving.until(EffectKind::Start);
    assert!(matches!(serving.effect(), Effect::Start { .. }), "it follows as ever");
}

#[test]
fn nobody_is_chosen_before_everybody_has_said_what_they_hold() {
    let mut story = counting();
    story.told('b', pledged(7, ends(4, 5, 470)));
    story.pass(Duration::from_mins(1));
    assert_eq!(story.doing, None, "a majority is not enough where nobody knows who voted");
    assert_eq!(story.wait(), Some(&Wait::Everybody { term: Term(7), absent: member('c') }));
    story.told('c', pledged(7, ends(6, 8, 300)));
    let rule = story.swapping();
    let proposal = rule.proposal.clone().unwrap();
    assert_eq!(proposal.candidate, identity('c'), "the newest timeline holds all, however short");
    assert_eq!((proposal.voters, proposal.acks, proposal.grants), (identities("ab"), 1, 1));
    assert!(rule.timeline > Timeline(1_000), "far beyond what anybody has seen: {}", rule.timeline);
}

#[test]
fn one_that_comes_to_nothing_is_begun_again_by_another_word() {
    let mut stuck = rule();
    (stuck.phase, stuck.voters, stuck.acks, stuck.grants) = (Phase::Electing, identities("bc"), 0, 0);
    stuck.coordinator = Some(identity('a'));
    let before = Rebuild { nonce: Nonce::new("r0").unwrap(), by: identity('a'), of: identities("abc") };
    stuck.rebuild = Some(before);
    let story = started('b', asked('b', "bc", Some(stuck)));
    let rule = story.swapping();
    assert_eq!((rule.term, rule.everybody()), (Term(5), Some(&identities("bc"))));
}
