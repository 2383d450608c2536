//! A topology that was lost, or restored from an older backup: what runs goes on, and the primary alone writes back what it remembers.

use super::story::*;
use crate::election::*;
use crate::topology::{Admission, DurabilityMode, Phase, Rule};
use crate::{Generation, Term, Timeline};
use rstest::rstest;
use std::collections::BTreeMap;
use std::time::Duration;

/// The topology as it is read after it was replaced: this rule, and nothing else.
fn replaced(shown: Option<Rule>) -> Event {
    let rule = shown.map(|rule| KnownRule { restored: true, ..known(rule, 7) });
    Event::Topology(News::Listed(Box::new(View { intent: None, rule, members: BTreeMap::new() })))
}

fn before(change: impl FnOnce(&mut Rule)) -> Rule {
    let mut rule = rule();
    change(&mut rule);
    rule
}

#[rstest]
#[case::it_is_empty(None)]
#[case::an_older_term_of_another_primary(Some(before(|rule| {
    (rule.term, rule.primary, rule.timeline) = (Term(3), identity('b'), Timeline(4));
})))]
#[case::other_voters_in_the_same_term(Some(before(|rule| rule.voters = identities("b"))))]
fn the_primary_writes_its_rule_back(#[case] shown: Option<Rule>) {
    let mut story = serving();
    let expected = shown.as_ref().map(|_| RuleRevision(7));
    story.hear(replaced(shown));
    let Effect::SwapRule { rule: written, route, expected: over } = story.effect() else {
        panic!("{:?}", story.effect())
    };
    assert_eq!((written, *over), (&rule(), expected));
    assert_eq!((route.term, route.admission), (Term(4), Admission::ReadWrite), "clients go on");
    story.settles();
    assert_eq!(story.wait(), None);
    assert_eq!(story.said.last().unwrap().identity, identity('a'), "it says again where it is");
    for _ in 0..60 {
        story.status(primary_status(5, 700, 4, "bc"));
        story.pass(Duration::from_secs(1));
        assert_eq!(story.doing, None);
    }
    assert!(story.state.server.up().unwrap().writes());
}

#[test]
fn a_primary_that_its_voters_do_not_grant_writes_nothing_back_and_ends() {
    let mut story = serving();
    story.grants = false;
    story.pass(Duration::from_secs(2));
    // The topology that it was before has confirmed it a moment ago: that says nothing of what came after.
    story.pass(Duration::from_secs(2));
    assert_eq!(story.doing, None);
    story.hear(replaced(None));
    assert_eq!(story.doing, None);
    assert_eq!(story.wait(), Some(&Wait::Forgotten(Term(4))));
    let lost = |story: &mut Story| {
        story.hear(Event::Topology(News::Away("gone".to_owned())));
        story.pass(Duration::from_secs(4));
    };
    lost(&mut story);
    assert_eq!(story.effect(), &Effect::Fence, "neither its voters nor the topology vouch for it");
    story.succeeds();
    story.pass(Duration::from_mins(1));
    assert_eq!(story.doing, None, "it begins no term from what it remembers alone");
}

#[test]
fn a_standby_grants_on_and_asks_nobody_to_elect() {
    let mut story = standby();
    story.hear(replaced(None));
    for _ in 0..20 {
        let at = story.now;
        story.told('a', Message::Beat { term: Term(4), at });
        assert_eq!(story.last_to('a'), Some(&Message::Grant { term: Term(4), at }));
        story.status(standby_status(5, 480, true));
        story.pass(Duration::from_millis(500));
    }
    story.sent.clear();
    story.pass(Duration::from_mins(1));
    assert_eq!((story.doing.as_ref(), story.sent.len()), (None, 0), "a rule of memory elects nobody");
    story.rule(rule(), 9);
    story.pass(Duration::from_secs(3));
    assert_eq!(story.last_to('c'), Some(&Message::Ask { term: Term(4) }), "one that was written back does");
}

#[test]
fn whoever_remembers_nothing_does_nothing_by_a_backups_rule() {
    for name in ['a', 'b'] {
        let mut restored = view(Some(rule()));
        restored.rule.as_mut().unwrap().restored = true;
        let mut story = Story::started(name, Notes::Present(ledger(name)), present(), restored);
        story.pass(Duration::from_mins(1));
        assert_eq!((story.doing.as_ref(), story.wait()), (None, Some(&Wait::Forgotten(Term(4)))));
    }
}

#[test]
fn a_primary_whose_agent_was_restarted_does_not_write_back_what_a_backup_says() {
    let mut restored = view(before(|rule| rule.voters = identities("b")).into());
    restored.rule.as_mut().unwrap().restored = true;
    let mut story = Story::new('a', Notes::Present(ledger('a')));
    story.hear(Event::Verifier(Some("v1".to_owned())));
    story.hear(Event::Topology(News::Listed(Box::new(restored.clone()))));
    story.hear(Event::Process(ProcessNews::Runs(Run(1))));
    story.succeeds();
    for _ in 0..20 {
        story.pass(Duration::from_millis(500));
        story.status(primary_status(5, 450, 4, "bc"));
        story.hear(Event::Topology(News::Listed(Box::new(restored.clone()))));
        assert_eq!(story.doing, None, "it is granted its lease, and knows nothing newer");
    }
    assert_eq!(story.wait(), Some(&Wait::Forgotten(Term(4))));
}

#[test]
fn a_primary_whose_pod_ends_meanwhile_hands_nothing_over_and_stops_in_order() {
    let mut story = serving();
    story.grants = false;
    story.pass(Duration::from_secs(3));
    story.hear(replaced(None));
    story.status(primary_status(5, 700, 4, "bc"));
    story.hear(Event::StopAsked);
    assert!(matches!(story.effect(), Effect::Stop(_)), "{:?}", story.effect());
}

#[test]
fn a_later_term_is_obeyed_however_the_topology_came_to_it() {
    let mut story = serving();
    story.hear(replaced(Some(before(|rule| {
        (rule.term, rule.phase, rule.coordinator) = (Term(6), Phase::Electing, Some(identity('b')));
    }))));
    assert_eq!(story.effect(), &Effect::Fence);
}

#[test]
fn an_older_intent_of_a_backup_changes_nothing() {
    let mut story = serving();
    let mut newer = intent();
    newer.generation = Generation(5);
    story.hear(Event::Topology(News::Intent(Some(Box::new(newer)))));
    let mut old = view(None);
    if let Some(intent) = &mut old.intent {
        intent.members.remove(&member('c'));
    }
    story.hear(Event::Topology(News::Listed(Box::new(old))));
    assert_eq!(story.swapping(), &rule());
    story.settles();
    story.status(primary_status(5, 700, 4, "bc"));
    assert_eq!(story.doing, None, "nobody is taken out of the voters");
}

#[test]
fn the_late_answer_of_a_lost_topology_hides_nothing_that_the_present_one_tells() {
    let mut story = serving();
    let mut wished = intent();
    wished.generation = Generation(2);
    wished.durability.mode = DurabilityMode::Async;
    story.hear(Event::Topology(News::Intent(Some(Box::new(wished)))));
    story.until(EffectKind::SwapRule);
    let late = story.swapping().clone();
    let Effect::SwapRule { route, .. } = story.effect().clone() else { panic!("{:?}", story.effect()) };
    story.hear(replaced(None));
    story.answer(Outcome::RuleSwapped { known: known(late, 141), route });
    let written = before(|rule| {
        (rule.term, rule.primary, rule.timeline) = (Term(5), identity('b'), Timeline(6));
    });
    story.rule(written, 3);
    assert_eq!((story.state.term(), story.state.primary()), (Term(5), Some(&member('b'))));
}

#[test]
fn a_swap_whose_answer_was_lost_is_not_taken_for_a_restored_topology() {
    let mut story = serving();
    let mut wished = intent();
    wished.generation = Generation(2);
    wished.durability.acks = 2;
    story.hear(Event::Topology(News::Intent(Some(Box::new(wished)))));
    story.until(EffectKind::SwapRule);
    while story.doing.is_none() {
        story.status(primary_status(5, 700, 4, "bc"));
    }
    let swapped = story.swapping().clone();
    story.answer(Outcome::Failed { reason: "no answer".to_owned(), retryable: true });
    story.rule(swapped, 141);
    story.pass(Duration::from_secs(1));
    assert_ne!(story.wait(), Some(&Wait::Forgotten(Term(4))));
}
