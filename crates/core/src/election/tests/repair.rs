//! The last rung of a member's repair: what is beyond it is said, and only that.

use super::story::*;
use crate::database::Volume;
use crate::election::*;
use crate::topology::{Phase, Rule};
use rstest::rstest;
use std::time::Duration;

fn said(story: &Story) -> Option<&str> {
    story.said.last().and_then(|record| record.beyond_repair.as_deref())
}

fn damaged() -> Notes {
    Notes::Unreadable("not JSON".to_owned())
}

fn ruled(change: impl FnOnce(&mut Rule)) -> View {
    let mut rule = rule();
    change(&mut rule);
    view(Some(rule))
}

#[rstest]
#[case::a_damaged_ledger(damaged(), view(Some(rule())), true)]
#[case::of_a_member_while_another_hands_over(damaged(), ruled(|rule| rule.phase = Phase::Switching), false)]
#[case::of_the_primary_itself(damaged(), ruled(|rule| rule.primary = identity('b')), false)]
#[case::a_database_of_nobody(Notes::Absent, view(Some(rule())), false)]
#[case::a_healthy_one(Notes::Present(ledger('b')), view(Some(rule())), false)]
fn a_volume_of_no_use_is_told(#[case] notes: Notes, #[case] view: View, #[case] expected: bool) {
    let mut story = Story::started('b', notes, present(), view);
    story.pass(Duration::from_secs(5));
    assert!(!story.said.is_empty());
    assert_eq!(said(&story).is_some(), expected, "{:?}", said(&story));
}

#[test]
fn a_rewind_that_cannot_succeed_is_told_and_one_that_may_is_not() {
    for (retryable, expected) in [(true, false), (false, true)] {
        let mut story = Story::started('b', Notes::Present(ledger('b')), torn(), view(Some(rule())));
        story.until(EffectKind::Rewind);
        story.answer(Outcome::Failed { reason: "half of another history".to_owned(), retryable });
        assert_eq!(said(&story).is_some(), expected);
    }
}

#[test]
fn a_log_that_is_gone_at_the_source_is_told_after_a_few_attempts() {
    let mut story = Story::started('b', Notes::Present(ledger('b')), present(), view(Some(rule())));
    for _ in 0..3 {
        assert_eq!(said(&story), None);
        story.until(EffectKind::Start);
        story.succeeds();
        for _ in 0..20 {
            story.told('a', Message::Beat { term: crate::Term(4), at: story.now });
            story.status(standby_status(5, 450, false));
            if story.doing.as_ref().is_some_and(|(_, effect)| effect.kind() == EffectKind::Stop) {
                break;
            }
            story.pass(Duration::from_secs(1));
        }
        story.until(EffectKind::Stop);
        story.succeeds();
        story.until(EffectKind::Rewind);
        story.succeeds();
    }
    assert!(said(&story).is_some(), "{:?}", story.wait());
    assert!(matches!(present(), Volume::Present { .. }));
}
