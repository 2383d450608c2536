//! The pod's end: a primary hands its term on; if it cannot, the proxies hold, the server stops in order, and the rule is left as it is.

use super::story::*;
use crate::Term;
use crate::election::*;
use crate::topology::{Activity, Admission, Phase};
use std::time::Duration;

#[test]
fn a_primary_without_a_successor_tells_the_proxies_stops_and_exits() {
    let mut story = serving();
    story.status(primary_status(5, 450, 4, ""));
    story.hear(Event::StopAsked);
    let Effect::PutRoute { route, .. } = story.effect() else { panic!("{:?}", story.effect()) };
    assert_eq!(route.admission, Admission::Closed);
    story.succeeds();
    assert_eq!(story.effect(), &Effect::Stop(Run(1)));
    assert_eq!(story.said.last().unwrap().activity, Activity::Stopping);
    assert!(!story.exited);
    story.succeeds();
    assert!(story.exited);
}

#[test]
fn proxies_that_cannot_be_told_hold_nothing_up() {
    let mut story = serving();
    story.status(primary_status(5, 450, 4, ""));
    story.hear(Event::StopAsked);
    story.answer(Outcome::Failed { reason: "away".to_owned(), retryable: true });
    assert_eq!(story.effect(), &Effect::Stop(Run(1)));

    let mut story = serving();
    story.hear(Event::Topology(News::Away("refused".to_owned())));
    story.hear(Event::StopAsked);
    assert_eq!(story.effect(), &Effect::Stop(Run(1)));
}

#[test]
fn a_primary_whose_pod_ends_hands_its_term_on_and_exits_when_somebody_was_chosen() {
    let mut story = serving();
    story.hear(Event::StopAsked);
    let before = story.succeeds();
    assert_eq!(before.kind(), EffectKind::Checkpoint, "what is dirty is written while tenants work on");
    let rule = story.swapping();
    assert_eq!((rule.phase, rule.term), (Phase::Switching, Term(4)), "proxies hold what has not begun");
    story.succeeds();
    let mut busy = primary_status(5, 460, 4, "bc");
    busy.transactions = 1;
    story.pass(Duration::from_millis(100));
    story.status(busy);
    assert_eq!(story.doing, None, "open transactions are given a moment");
    story.status(primary_status(5, 470, 4, "bc"));
    assert_eq!(story.succeeds(), Effect::Stop(Run(1)));
    assert!(!story.exited, "it still has to choose");
    assert_eq!((story.swapping().phase, story.swapping().term), (Phase::Electing, Term(5)));
    story.succeeds();
    story.answer(Outcome::Inspected(closed(470)));
    assert_eq!(story.succeeds().kind(), EffectKind::WriteLedger, "its own pledge");
    for (name, position) in [('b', 470), ('c', 471)] {
        story.told(name, pledged(5, ends(4, 5, position)));
    }
    story.until(EffectKind::SwapRule);
    let chosen = story.swapping().proposal.clone().unwrap();
    assert_eq!(chosen.candidate, identity('c'), "whoever holds the last record of the primary holds all");
    story.succeeds();
    assert!(story.exited);
}

#[test]
fn a_checkpoint_that_fails_holds_no_hand_over_up() {
    let mut story = serving();
    story.hear(Event::StopAsked);
    assert_eq!(story.effect().kind(), EffectKind::Checkpoint);
    story.answer(Outcome::Failed { reason: "the disk is slow".to_owned(), retryable: true });
    assert_eq!(story.swapping().phase, Phase::Switching);
}

#[test]
fn a_hand_over_that_nobody_can_take_ends_with_the_pod() {
    let mut story = serving();
    story.hear(Event::StopAsked);
    story.until(EffectKind::Stop);
    story.pass(Duration::from_secs(3));
    story.until(EffectKind::Inspect);
    story.answer(Outcome::Inspected(closed(470)));
    for _ in 0..170 {
        story.settles();
        story.pass(Duration::from_millis(100));
    }
    assert!(story.exited);
}

#[test]
fn a_replica_stops_without_a_word_to_the_proxies() {
    let mut story = Story::started('b', Notes::Present(ledger('b')), present(), view(Some(rule())));
    story.until(EffectKind::Start);
    story.succeeds();
    story.status(standby_status(5, 450, true));
    story.settles();
    story.hear(Event::StopAsked);
    assert!(matches!(story.effect(), Effect::Stop(_)));
    story.succeeds();
    assert!(story.exited);
}

#[test]
fn a_stop_waits_for_no_other_effect_and_begins_no_new_term() {
    let mut story = serving();
    story.dies(false);
    assert_eq!(story.effect().kind(), EffectKind::SwapRule);
    story.hear(Event::StopAsked);
    assert!(story.exited);
}
