//! Replicas: a copy when there is nothing, a look at the log before a new leader, and never another way's log.

use super::story::*;
use crate::database::{Boot, Peer, Quorum, Volume};
use crate::disk::Space;
use crate::election::*;
use crate::topology::{Activity, Phase, Replication, Rule};
use crate::{LogPosition, Term, Timeline};
use rstest::rstest;
use std::time::Duration;

fn peer(term: u64) -> Peer {
    Peer { member: member('a'), address: address('a'), term: Term(term) }
}

fn next_term() -> Rule {
    let mut rule = rule();
    (rule.term, rule.timeline, rule.branched) = (Term(5), Timeline(6), Some(LogPosition(500)));
    rule
}

/// A replica that streams in term 4.
fn streaming() -> Story {
    let mut story = Story::started('b', Notes::Present(ledger('b')), present(), view(Some(rule())));
    story.until(EffectKind::Start);
    story.succeeds();
    story.status(standby_status(5, 450, true));
    story.settles();
    story
}

#[test]
fn an_empty_volume_is_filled_from_the_serving_primary() {
    let mut fresh = view(Some(rule()));
    fresh.members.remove(&member('b'));
    let mut story = Story::started('b', Notes::Absent, Volume::Empty, fresh);
    assert_eq!(story.until(EffectKind::Clone), [EffectKind::WriteLedger, EffectKind::WriteLedger]);
    assert_eq!(story.effect(), &Effect::Clone(peer(4)));
    assert_eq!(story.said.last().unwrap().activity, Activity::Cloning);
    story.succeeds();
    assert_eq!(story.until(EffectKind::Start), [EffectKind::Inspect, EffectKind::WriteLedger]);
    assert_eq!(
        story.effect(),
        &Effect::Start { boot: Boot::Following(peer(4)), settings: settings(4), quorum: Quorum::Nobody }
    );
}

#[rstest]
#[case::bootstrapping(Phase::Bootstrapping)]
#[case::electing(Phase::Electing)]
#[case::switching(Phase::Switching)]
fn nothing_is_copied_from_a_primary_that_does_not_serve(#[case] phase: Phase) {
    let mut rule = rule();
    (rule.phase, rule.coordinator) = (phase, Some(identity('a')));
    let mut story = Story::started('b', Notes::Absent, Volume::Empty, view(Some(rule)));
    assert_eq!(story.settles(), [EffectKind::WriteLedger]);
    assert!(story.wait().is_some());
}

#[test]
fn a_replica_that_returns_in_its_own_term_streams_without_a_new_copy() {
    let mut story = Story::started('b', Notes::Present(ledger('b')), present(), view(Some(rule())));
    assert_eq!(story.until(EffectKind::Start), [EffectKind::WriteLedger]);
    assert!(matches!(story.effect(), Effect::Start { boot: Boot::Following(_), .. }));
}

#[test]
fn a_replica_that_missed_a_term_looks_at_its_log_first() {
    let mut story = Story::started('b', Notes::Present(ledger('b')), present(), view(Some(next_term())));
    story.until(EffectKind::Start);
    assert!(matches!(story.effect(), Effect::Start { boot: Boot::Alone, .. }));
    story.succeeds();
    assert_eq!(story.doing, None);
    story.status(standby_status(5, 500, false));
    assert_eq!(story.succeeds(), Effect::Detach, "it is asked for its very end");
    let Effect::WriteLedger(entered) = story.effect() else { panic!("{:?}", story.effect()) };
    assert_eq!(
        entered.newest(),
        Some(&Era { term: Term(5), timeline: Timeline(6), start: Some(LogPosition(500)) })
    );
    story.until(EffectKind::Follow);
    assert_eq!(story.effect(), &Effect::Follow(Some(peer(5))));
}

#[rstest]
#[case::one_byte_too_far(5, 501)]
#[case::a_timeline_that_nobody_allocated(7, 450)]
fn a_log_that_went_another_way_is_never_attached(#[case] timeline: u32, #[case] position: u64) {
    let mut story = Story::started('b', Notes::Present(ledger('b')), present(), view(Some(next_term())));
    story.until(EffectKind::Start);
    story.succeeds();
    story.status(standby_status(timeline, position, false));
    assert_eq!(story.succeeds(), Effect::Detach);
    assert_eq!(story.effect(), &Effect::Stop(Run(1)), "never attached");
    let done = story.until(EffectKind::Rewind);
    assert_eq!(done, [EffectKind::Stop, EffectKind::Inspect]);
    assert_eq!(story.effect(), &Effect::Rewind(peer(5)));
    story.until(EffectKind::Start);
    assert!(matches!(story.effect(), Effect::Start { boot: Boot::Following(_), .. }));
}

#[test]
fn data_that_was_being_cut_back_when_the_agent_died_is_cut_back_again_and_never_started() {
    let notes = Notes::Present(ledger('b'));
    let mut story = Story::started('b', notes, torn(), view(Some(next_term())));
    assert_eq!(story.effect(), &Effect::Rewind(peer(5)));
    story.answer(Outcome::Failed { reason: "the source went away".to_owned(), retryable: true });
    story.settles();
    story.pass(Duration::from_mins(1));
    assert_eq!(story.effect(), &Effect::Rewind(peer(5)));
    story.told('c', Message::Recruit { term: Term(6) });
    story.answer(Outcome::Failed { reason: "the source went away".to_owned(), retryable: true });
    story.settles();
    let holding = Holding { log: Log::Nothing, granted: Duration::ZERO, system: None, space: Space::Ample };
    assert_eq!(story.last_to('c'), Some(&Message::Pledged { term: Term(6), holding }));
}

#[test]
fn data_whose_rewind_never_began_to_write_still_counts_when_its_source_is_lost() {
    let mut story = Story::started('b', Notes::Present(ledger('b')), present(), view(Some(next_term())));
    story.until(EffectKind::Start);
    story.succeeds();
    story.status(standby_status(5, 501, false));
    story.until(EffectKind::Rewind);
    story.answer(Outcome::Failed { reason: "the source went away".to_owned(), retryable: true });
    story.told('c', Message::Recruit { term: Term(6) });
    story.until(EffectKind::Start);
    assert!(
        matches!(story.effect(), Effect::Start { boot: Boot::Alone, .. }),
        "its log is asked for its end"
    );
}

/// A server that has said nothing since it was started in term 5, when `a` led, and the term after, which `c` leads.
fn unanswering_in_the_next_term(volume: Volume) -> Story {
    let mut story = Story::started('b', Notes::Present(ledger('b')), volume, view(Some(next_term())));
    story.until(EffectKind::Start);
    story.succeeds();
    let mut rule = next_term();
    (rule.term, rule.timeline, rule.branched) = (Term(6), Timeline(7), Some(LogPosition(600)));
    (rule.primary, rule.voters) = (identity('c'), identities("a"));
    story.rule(rule, 42);
    story
}

#[test]
fn a_rewound_server_whose_leader_is_lost_before_it_answers_is_cut_back_to_the_next_leader() {
    let mut story = unanswering_in_the_next_term(torn());
    story.pass(Duration::from_secs(3));
    assert!(story.doing.is_none(), "it may still be starting: {:?}", story.doing);
    story.pass(Duration::from_secs(3));
    assert_eq!(story.effect(), &Effect::Stop(Run(1)));
    story.until(EffectKind::Rewind);
    let Effect::Rewind(source) = story.effect() else { unreachable!() };
    assert_eq!((&source.member, source.term), (&member('c'), Term(6)));
}

#[test]
fn a_server_that_recovers_by_its_own_log_is_given_its_time_in_any_term() {
    let mut story = unanswering_in_the_next_term(present());
    story.pass(Duration::from_mins(9));
    assert!(story.doing.is_none(), "{:?}", story.doing);
    story.pass(Duration::from_mins(2));
    assert_eq!(story.effect(), &Effect::Stop(Run(1)));
}

#[test]
fn a_stream_that_never_comes_from_a_primary_that_is_heard_is_taken_for_another_history() {
    let mut story = streaming();
    for _ in 0..40 {
        story.told('a', Message::Beat { term: Term(4), at: story.now });
        story.status(standby_status(5, 450, false));
        if story.doing.is_some() {
            break;
        }
        story.pass(Duration::from_millis(500));
    }
    assert_eq!(story.effect(), &Effect::Stop(Run(1)));
    story.until(EffectKind::Rewind);
}

#[test]
fn a_primary_that_starts_anew_is_followed_before_it_serves() {
    let mut story = streaming();
    let mut electing = next_term();
    (electing.phase, electing.coordinator, electing.branched) = (Phase::Electing, Some(identity('a')), None);
    electing.proposal = Some(proposal('a', "bc"));
    story.rule(electing, 41);
    assert_eq!(story.until(EffectKind::Follow), [EffectKind::Detach, EffectKind::WriteLedger]);
    assert_eq!(story.effect(), &Effect::Follow(Some(peer(5))));
    assert_eq!(story.state.notes.ledger().unwrap().promise, Term(5), "the pledge comes first");
    story.succeeds();
    story.rule(next_term(), 42);
    story.status(standby_status(6, 510, true));
    assert_eq!(story.settles(), [EffectKind::Apply, EffectKind::WriteLedger]);
    let era = *story.state.notes.ledger().unwrap().newest().unwrap();
    assert_eq!(era.start, Some(LogPosition(500)), "where the timeline begins is entered when it is known");
}

#[test]
fn an_election_by_a_third_member_is_waited_for() {
    let mut story = streaming();
    let mut electing = next_term();
    (electing.phase, electing.coordinator, electing.branched) = (Phase::Electing, Some(identity('c')), None);
    story.rule(electing, 41);
    assert_eq!(story.doing, None);
    let expected = Wait::Election { term: Term(5), coordinator: Some(member('c')) };
    assert_eq!(story.wait(), Some(&expected));
}

#[test]
fn a_new_address_of_the_primary_is_followed() {
    let mut story = streaming();
    let mut moved = record('a');
    moved.address = "elsewhere:5432".to_owned();
    story.hear(Event::Topology(News::Member(member('a'), Some(Box::new(moved)))));
    assert_eq!(story.succeeds(), Effect::Detach);
    let elsewhere = Peer { address: "elsewhere:5432".to_owned(), ..peer(4) };
    assert_eq!(story.effect(), &Effect::Follow(Some(elsewhere)));
}

#[test]
fn a_log_that_stops_arriving_is_told_after_a_moment_and_its_return_at_once() {
    let mut story = streaming();
    assert_eq!(story.said.last().unwrap().replication, Replication::InBound);
    let told = story.said.len();
    story.status(standby_status(5, 450, false));
    story.pass(Duration::from_secs(1));
    assert_eq!(story.said.len(), told, "a receiver that reconnects costs no write");
    story.pass(Duration::from_secs(3));
    assert_eq!(story.said.last().unwrap().replication, Replication::Detached);
    story.status(standby_status(5, 460, true));
    assert_eq!(story.said.last().unwrap().replication, Replication::InBound);
}

#[test]
fn at_rest_a_replica_does_nothing_and_says_nothing() {
    let mut story = streaming();
    let said = story.said.len();
    for n in 0..100 {
        story.pass(Duration::from_secs(1));
        story.status(standby_status(5, 450 + n, true));
        assert_eq!(story.doing, None);
    }
    assert_eq!(story.said.len(), said);
}

#[test]
fn a_copy_that_fails_is_tried_again_after_a_pause_and_says_why() {
    let mut story = Story::started('b', Notes::Absent, Volume::Empty, view(Some(rule())));
    for _ in 0..3 {
        story.until(EffectKind::Clone);
        story.answer(Outcome::Failed { reason: "no slot".to_owned(), retryable: true });
        story.answer(Outcome::Inspected(Volume::Empty));
        assert_eq!(story.doing, None, "a pause");
        while story.doing.is_none() {
            story.pass(Duration::from_millis(100));
        }
        assert_eq!(story.effect().kind(), EffectKind::Clone);
    }
    assert!(story.said.last().unwrap().trouble.as_ref().unwrap().contains("no slot"));
}

#[test]
fn an_emptied_volume_forgets_whose_log_it_held_and_keeps_its_pledge() {
    let mut story = Story::started('b', Notes::Present(ledger('b')), Volume::Empty, view(Some(next_term())));
    story.until(EffectKind::Clone);
    let after = story.state.notes.ledger().unwrap();
    let era = Era { term: Term(5), timeline: Timeline(6), start: Some(LogPosition(500)) };
    assert_eq!((after.lineage.clone(), after.promise, after.starts), (vec![era], Term(5), 1));
}

#[test]
fn a_member_that_left_copies_nothing() {
    let mut left = view(Some(rule()));
    left.intent.as_mut().unwrap().members.remove(&member('b'));
    let story = Story::started('b', Notes::Present(ledger('b')), Volume::Empty, left);
    assert_eq!(story.wait(), Some(&Wait::Leaving));
}
