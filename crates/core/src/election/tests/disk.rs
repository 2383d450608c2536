//! A data volume that fills: whoever leads says so, refuses writes and takes them again; and nobody is promoted without room where there is a choice.

use super::story::*;
use crate::database::Settings;
use crate::disk::Space;
use crate::election::*;
use crate::topology::{Intent, MemberRecord, Phase, Switchover};
use crate::{Generation, Nonce};
use rstest::rstest;
use std::time::Duration;

/// The settings that the next effect applies.
fn applying(story: &Story) -> &Settings {
    let Effect::Apply(settings) = story.effect() else { panic!("{:?}", story.effect()) };
    settings
}

/// The room that the route tells of which is written next.
fn routing(story: &Story) -> Space {
    let Effect::PutRoute { route, .. } = story.effect() else { panic!("{:?}", story.effect()) };
    route.space
}

fn intend(story: &mut Story, change: impl FnOnce(&mut Intent)) {
    let mut intent = intent();
    intent.generation = Generation(2);
    change(&mut intent);
    story.hear(Event::Topology(News::Intent(Some(Box::new(intent)))));
}

#[test]
fn a_primary_says_that_it_is_full_before_it_refuses_and_until_it_does_no_more() {
    let mut story = serving();
    story.hear(Event::Space(Space::Full));
    assert_eq!(routing(&story), Space::Full);
    story.succeeds();
    assert_eq!(*applying(&story), Settings { space: Space::Full, ..settings(4) });
    story.succeeds();
    assert_eq!(story.doing, None);
    assert_eq!(story.said.last().unwrap().space, Space::Full);

    story.hear(Event::Space(Space::Ample));
    assert_eq!(*applying(&story), settings(4));
    story.succeeds();
    assert_eq!(routing(&story), Space::Ample);
    story.succeeds();
    assert_eq!(story.doing, None);
    assert_eq!(story.said.last().unwrap().space, Space::Ample);
}

#[test]
fn a_full_disk_does_not_wait_for_the_topology() {
    let mut story = serving();
    story.hear(Event::Topology(News::Away("no route to host".to_owned())));
    story.hear(Event::Space(Space::Full));
    assert_eq!(applying(&story).space, Space::Full);
}

#[test]
fn a_full_disk_does_not_wait_for_a_paused_cluster_and_changes_nothing_else_in_it() {
    let mut story = serving();
    intend(&mut story, |intent| {
        intent.paused = true;
        intent.parameters.insert("work_mem".to_owned(), "8MB".to_owned());
    });
    story.settles();
    story.hear(Event::Space(Space::Full));
    story.until(EffectKind::Apply);
    assert_eq!(*applying(&story), Settings { space: Space::Full, ..settings(4) });
}

#[test]
fn a_standby_is_ready_to_refuse_before_it_leads_and_says_that_it_is_full() {
    let mut story = standby();
    story.hear(Event::Space(Space::Full));
    assert_eq!(applying(&story).space, Space::Full);
    story.succeeds();
    assert_eq!((story.doing.clone(), story.said.last().unwrap().space), (None, Space::Full));
}

/// `b` has taken term 5; its own log ends at 480 of term 4.
fn coordinator(space: Space) -> Story {
    let mut story = standby();
    story.hear(Event::Space(space));
    story.settles();
    story.pass(Duration::from_millis(2_100));
    story.told('c', Message::Would { term: crate::Term(4), yes: true });
    story.until(EffectKind::WriteLedger);
    story.succeeds();
    story
}

#[rstest]
#[case::equals_with_room(Space::Ample, Space::Ample, 480, 'b')]
#[case::the_other_has_room(Space::Full, Space::Ample, 480, 'c')]
#[case::it_has_room_itself(Space::Ample, Space::Full, 480, 'b')]
#[case::nobody_has(Space::Full, Space::Full, 480, 'b')]
#[case::only_the_full_one_holds_all(Space::Ample, Space::Full, 481, 'c')]
#[case::room_is_nothing_without_the_log(Space::Full, Space::Ample, 479, 'b')]
fn room_counts_among_equals_only(
    #[case] own: Space,
    #[case] other: Space,
    #[case] end: u64,
    #[case] leads: char,
) {
    let mut story = coordinator(own);
    story.pass(Duration::from_secs(5));
    story.told('c', pledged_with(other, 5, ends(4, 5, end)));
    assert_eq!(story.swapping().proposal.clone().unwrap().candidate, identity(leads));
}

/// Another member says whether its volume has room.
fn says(story: &mut Story, name: char, space: Space) {
    let record = MemberRecord { space, ..record(name) };
    story.hear(Event::Topology(News::Member(member(name), Some(Box::new(record)))));
}

fn ask_switchover(story: &mut Story, to: Option<char>) {
    let nonce = Nonce::new("s1").unwrap();
    intend(story, |intent| intent.switchover = Some(Switchover { nonce, to: to.map(member) }));
}

#[test]
fn a_switchover_to_a_full_volume_waits_until_it_has_room() {
    let mut story = serving();
    says(&mut story, 'c', Space::Full);
    ask_switchover(&mut story, Some('c'));
    story.settles();
    assert_eq!(story.wait(), Some(&Wait::SuccessorFull(Some(member('c')))));
    says(&mut story, 'c', Space::Ample);
    assert_eq!(story.effect().kind(), EffectKind::Checkpoint);
}

#[rstest]
#[case::one_of_the_others_has(Space::Ample, Space::Ample, true)]
#[case::none_of_the_others_has(Space::Ample, Space::Full, false)]
#[case::nobody_has(Space::Full, Space::Full, true)]
fn a_switchover_to_anybody_needs_one_with_room_while_the_primary_has(
    #[case] own: Space,
    #[case] of_c: Space,
    #[case] begins: bool,
) {
    let mut story = serving();
    story.hear(Event::Space(own));
    story.settles();
    says(&mut story, 'b', Space::Full);
    says(&mut story, 'c', of_c);
    ask_switchover(&mut story, None);
    assert_eq!(story.doing.is_some(), begins);
    assert_eq!(story.wait() == Some(&Wait::SuccessorFull(None)), !begins);
}

#[test]
fn whoever_was_asked_for_and_has_filled_since_does_not_lead_while_another_can() {
    let mut story = serving();
    ask_switchover(&mut story, Some('c'));
    assert_eq!(story.succeeds().kind(), EffectKind::Checkpoint);
    assert_eq!(story.swapping().phase, Phase::Switching);
    story.succeeds();
    story.pass(Duration::from_millis(100));
    story.status(primary_status(5, 470, 4, "bc"));
    story.until(EffectKind::Inspect);
    story.answer(Outcome::Inspected(closed(470)));
    story.until(EffectKind::WriteLedger);
    story.succeeds();
    story.told('b', pledged(5, ends(4, 5, 480)));
    story.told('c', pledged_with(Space::Full, 5, ends(4, 5, 480)));
    story.until(EffectKind::SwapRule);
    assert_eq!(story.swapping().proposal.clone().unwrap().candidate, identity('b'));
}
