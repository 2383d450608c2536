//! The pod's end: the proxies hold, the server stops in order, and the rule is left as it is.

use super::story::*;
use crate::election::*;
use crate::topology::{Activity, Admission};

#[test]
fn a_primary_tells_the_proxies_stops_and_exits() {
    let mut story = serving();
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
    story.hear(Event::StopAsked);
    story.answer(Outcome::Failed { reason: "away".to_owned(), retryable: true });
    assert_eq!(story.effect(), &Effect::Stop(Run(1)));

    let mut story = serving();
    story.hear(Event::Topology(News::Away("refused".to_owned())));
    story.hear(Event::StopAsked);
    assert_eq!(story.effect(), &Effect::Stop(Run(1)));
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
