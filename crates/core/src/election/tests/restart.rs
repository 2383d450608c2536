//! A primary that lost its server, its agent or its pod: it serves on in a new term, and in no other way.

use super::story::*;
use crate::database::{Boot, Volume};
use crate::election::*;
use crate::topology::{Admission, Phase};
use crate::{LogPosition, Term, Timeline};
use std::time::Duration;

fn pod_restarted() -> Story {
    Story::started('a', Notes::Present(ledger('a')), present(), view(Some(rule())))
}

/// Up to the swap that lets the new term serve.
fn promoted() -> Story {
    let mut story = pod_restarted();
    story.until(EffectKind::Start);
    story.succeeds();
    story.status(standby_status(5, 480, false));
    story.until(EffectKind::Promote);
    story.succeeds();
    story
}

#[test]
fn a_new_term_is_won_before_the_server_starts() {
    let mut story = pod_restarted();
    let rule = story.swapping().clone();
    assert_eq!((rule.term, rule.phase, rule.timeline), (Term(5), Phase::Electing, Timeline(6)));
    assert_eq!((rule.coordinator, rule.branched), (Some(identity('a')), None));
    assert_eq!((rule.voters, rule.acks), (identities("bc"), 1), "an election changes nobody's vote");
    assert_eq!(
        story.until(EffectKind::Start),
        [EffectKind::SwapRule, EffectKind::WriteLedger, EffectKind::SwapRule, EffectKind::WriteLedger],
        "the pledge, the choice of itself when nobody else answers, the count of the start"
    );
    assert_eq!(
        story.effect(),
        &Effect::Start { boot: Boot::Alone, settings: settings(5), quorum: any(1, "bc", 5) },
        "the quorum of the new term's names is there before the promotion"
    );
}

#[test]
fn the_pledge_is_durable_before_the_promotion_onto_exactly_the_allocated_timeline() {
    let mut story = pod_restarted();
    story.until(EffectKind::Start);
    story.succeeds();
    story.status(standby_status(5, 480, false));
    let Effect::WriteLedger(ledger) = story.effect() else { panic!("{:?}", story.effect()) };
    assert_eq!((ledger.promise, ledger.starts), (Term(5), 2));
    assert_eq!(ledger.newest(), Some(&Era { term: Term(5), timeline: Timeline(6), start: None }));
    story.until(EffectKind::Promote);
    assert_eq!(story.effect(), &Effect::Promote(Timeline(6)));
}

#[test]
fn the_term_counts_only_when_a_voter_under_its_new_name_has_it_on_disk() {
    let mut story = promoted();
    story.status(primary_status(6, 560, 5, ""));
    story.settles();
    assert_eq!(story.wait(), Some(&Wait::TermOnVoters { needed: 1, have: 0 }));
    story.status(primary_status(6, 560, 4, "bc"));
    assert_eq!(story.doing, None, "names of the old term do not count");
    let mut behind = primary_status(6, 560, 5, "b");
    behind.standbys[0].flushed = LogPosition(549);
    story.status(behind);
    assert_eq!(story.doing, None, "a voter that has not flushed the row does not count");
    story.status(primary_status(6, 560, 5, "b"));
    let rule = story.swapping();
    assert_eq!((rule.phase, rule.branched), (Phase::Serving, Some(LogPosition(500))));
    assert_eq!((rule.coordinator.clone(), rule.proposal.clone()), (None, None));
}

#[test]
fn the_gate_opens_after_the_swap_and_the_route_after_the_gate() {
    let mut story = promoted();
    story.status(primary_status(6, 560, 5, "bc"));
    story.until(EffectKind::SwapRule);
    let Effect::SwapRule { route, .. } = story.effect() else { panic!("not a swap") };
    assert_eq!(route.admission, Admission::Closed);
    story.succeeds();
    let done = story.settles();
    let gate = done.iter().position(|kind| *kind == EffectKind::OpenGate).unwrap();
    let route = done.iter().position(|kind| *kind == EffectKind::PutRoute).unwrap();
    assert!(gate < route, "{done:?}");
    assert_eq!(story.state.world.route.as_ref().unwrap().admission, Admission::ReadWrite);
}

#[test]
fn a_server_that_dies_while_serving_is_replaced_in_a_new_term_at_once() {
    let mut story = serving();
    story.dies(false);
    assert_eq!(story.swapping().term, Term(5));
    story.until(EffectKind::Start);
    assert!(matches!(story.effect(), Effect::Start { .. }), "the first crash costs no pause");
}

#[test]
fn a_server_that_keeps_dying_is_started_more_and_more_rarely_and_says_why() {
    let mut story = serving();
    for _ in 0..6 {
        story.dies(false);
        story.until(EffectKind::Start);
        while story.doing.is_none() {
            story.pass(Duration::from_millis(100));
        }
        story.until(EffectKind::Start);
        story.succeeds();
    }
    let before = story.now;
    story.dies(false);
    story.until(EffectKind::Start);
    while story.doing.is_none() {
        story.pass(Duration::from_millis(100));
    }
    assert!(story.now.since(before) > Duration::from_secs(3));
    assert!(story.said.last().unwrap().trouble.as_ref().unwrap().contains("signal 9"));
}

#[test]
fn an_agent_that_was_restarted_goes_on_in_the_same_term_while_the_server_runs() {
    let mut story = Story::new('a', Notes::Present(ledger('a')));
    story.hear(Event::Verifier(Some("v1".to_owned())));
    story.hear(Event::Process(ProcessNews::Runs(Run(3))));
    story.hear(Event::Topology(News::Listed(Box::new(view(Some(rule()))))));
    assert_eq!(story.succeeds(), Effect::Inspect);
    assert_eq!(story.doing, None, "nothing is done to a server that has not answered yet");
    story.status(primary_status(5, 450, 4, "bc"));
    assert_eq!(story.effect(), &set(any(1, "bc", 4)), "first of all, whom commits wait for");
    let done = story.settles();
    assert!(!done.contains(&EffectKind::SwapRule), "{done:?}");
    assert_eq!(story.state.world.view.rule, Some(known(rule(), 40)));
}

#[test]
fn a_term_in_which_a_promotion_may_have_happened_is_followed_by_the_next() {
    let mut electing = rule();
    (electing.term, electing.phase, electing.timeline) = (Term(5), Phase::Electing, Timeline(6));
    (electing.coordinator, electing.branched) = (Some(identity('a')), None);
    electing.proposal = Some(proposal('a', "bc"));
    let era = Era { term: Term(5), timeline: Timeline(6), start: None };
    let set_out = ledger('a').entering(era, Timeline(5));
    let story = Story::started('a', Notes::Present(set_out), present(), view(Some(electing.clone())));
    assert_eq!((story.swapping().term, story.swapping().timeline), (Term(6), Timeline(7)));

    let mut story = Story::started('a', Notes::Present(ledger('a')), present(), view(Some(electing)));
    story.until(EffectKind::Start);
    assert!(matches!(story.effect(), Effect::Start { settings, .. } if settings.term == Term(5)));
}

#[test]
fn a_promotion_that_failed_is_killed_and_the_next_term_begins() {
    let mut story = pod_restarted();
    story.until(EffectKind::Start);
    story.succeeds();
    story.status(standby_status(5, 480, false));
    story.until(EffectKind::Promote);
    story.answer(Outcome::Failed { reason: "it came to timeline 7".to_owned(), retryable: true });
    assert_eq!(story.succeeds(), Effect::Fence);
    assert_eq!(story.swapping().term, Term(6));
}

#[test]
fn while_the_topology_is_away_no_term_begins_and_the_member_says_so() {
    let mut story = serving();
    story.hear(Event::Topology(News::Away("connection refused".to_owned())));
    assert_eq!(story.doing, None, "what serves goes on");
    story.dies(false);
    assert_eq!(story.doing, None);
    assert!(matches!(story.wait(), Some(Wait::TopologyAway(_))));
    story.hear(Event::Topology(News::Back));
    assert_eq!(story.swapping().term, Term(5));
}

#[test]
fn somebody_elses_higher_term_kills_a_server_that_writes_even_in_the_middle_of_an_effect() {
    let mut story = serving();
    let mut intent = intent();
    intent.parameters.insert("work_mem".to_owned(), "8MB".to_owned());
    story.hear(Event::Topology(News::Intent(Some(Box::new(intent)))));
    assert_eq!(story.effect().kind(), EffectKind::Apply);
    let mut other = rule();
    (other.term, other.primary, other.timeline) = (Term(5), identity('b'), Timeline(6));
    story.rule(other, 41);
    assert_eq!(story.effect(), &Effect::Fence);
}

#[test]
fn the_late_outcome_of_an_effect_that_a_fence_overtook_is_not_taken_for_the_fences() {
    let mut story = serving();
    story.hear(Event::Verifier(Some("v2".to_owned())));
    let (overtaken, _) = story.doing.clone().unwrap();
    let mut other = rule();
    (other.term, other.primary, other.timeline) = (Term(5), identity('b'), Timeline(6));
    story.rule(other, 41);
    let (fence, _) = story.doing.clone().unwrap();
    story.hear(Event::Done { issued: overtaken, outcome: Outcome::GateOpened });
    assert_eq!(story.state.doing(), Some(EffectKind::Fence));
    assert_eq!(story.doing, Some((fence, Effect::Fence)), "and it is not asked for twice");
}

#[test]
fn a_server_on_another_timeline_than_the_rules_is_killed() {
    let mut story = serving();
    story.status(primary_status(9, 450, 4, "bc"));
    assert_eq!(story.effect(), &Effect::Fence);
}

#[test]
fn a_primary_whose_volume_is_empty_waits_for_a_person() {
    let mut story = Story::started('a', Notes::Absent, Volume::Empty, view(Some(rule())));
    story.settles();
    assert_eq!(story.wait(), Some(&Wait::Refused(Refusal::PrimaryEmpty)));
}

#[test]
fn the_late_word_of_a_swap_hides_nothing_newer_that_the_watch_told() {
    let mut story = pod_restarted();
    let swapped = story.swapping().clone();
    let Effect::SwapRule { route, .. } = story.effect().clone() else { panic!("{:?}", story.effect()) };
    let mut other = rule();
    (other.term, other.primary, other.timeline) = (Term(6), identity('b'), Timeline(7));
    story.rule(other, 42);
    story.answer(Outcome::RuleSwapped {
        known: KnownRule { rule: swapped, revision: RuleRevision(41), restored: false },
        route,
    });
    assert_eq!((story.state.term(), story.state.primary()), (Term(6), Some(&member('b'))));
}

#[test]
fn a_swap_that_somebody_else_overtook_is_decided_anew_from_what_the_topology_holds() {
    let mut story = pod_restarted();
    let mut other = rule();
    (other.term, other.primary, other.timeline) = (Term(5), identity('b'), Timeline(6));
    let mut now = view(Some(other));
    now.rule.as_mut().unwrap().revision = RuleRevision(41);
    story.answer(Outcome::Conflict(Box::new(now)));
    story.until(EffectKind::Start);
    assert!(
        matches!(story.effect(), Effect::Start { boot: Boot::Alone, .. }),
        "it follows, after a look at its log"
    );
}
