//! A primary at work: what changes is done in its order, and at rest nothing is.

use super::story::*;
use crate::database::Quorum;
use crate::election::*;
use crate::topology::{Admission, DurabilityMode, Intent, OnLoss};
use crate::{Generation, LogPosition};
use std::time::Duration;

fn changed(story: &mut Story, change: impl FnOnce(&mut Intent)) {
    let mut intent = intent();
    intent.generation = Generation(2);
    change(&mut intent);
    story.hear(Event::Topology(News::Intent(Some(Box::new(intent)))));
}

#[test]
fn at_rest_it_does_nothing_and_says_nothing() {
    let mut story = serving();
    let said = story.said.len();
    for n in 0..100 {
        story.pass(Duration::from_secs(1));
        story.status(primary_status(5, 1000 + n, 4, "bc"));
        assert_eq!(story.doing, None);
    }
    assert_eq!(story.said.len(), said);
}

#[test]
fn a_member_that_left_goes_out_of_the_setting_and_then_out_of_the_rule() {
    let mut story = serving();
    changed(&mut story, |intent| {
        intent.members.remove(&member('c'));
    });
    let mut seen = Vec::new();
    while story.doing.is_some() {
        if let Effect::SetQuorum { quorum, .. } = story.effect() {
            seen.push(format!("set {}", *quorum == any(1, "b", 4)));
        }
        if let Effect::SwapRule { rule, .. } = story.effect() {
            seen.push(format!("rule {}", rule.voters == identities("b")));
        }
        story.succeeds();
        story.status(primary_status(5, 700, 4, "bc"));
    }
    assert_eq!(seen, ["set true", "rule true"]);
}

#[test]
fn a_standby_that_says_to_hold_more_than_the_primary_is_no_voter() {
    let mut story = serving();
    changed(&mut story, |intent| {
        intent.members.insert(member('d'), identity('d').claim);
    });
    story.settles();
    story.hear(Event::Topology(News::Member(member('d'), Some(Box::new(record('d'))))));
    let mut status = primary_status(5, 700, 4, "bcd");
    status.standbys[2].flushed = LogPosition(701);
    story.status(status);
    assert!(!story.doing.iter().any(|(_, effect)| matches!(effect, Effect::SwapRule { .. })));
    story.settles();
    story.status(primary_status(5, 800, 4, "bcd"));
    story.until(EffectKind::SwapRule);
    assert_eq!(story.swapping().voters, identities("bcd"));
}

#[test]
fn acks_rise_in_the_rule_only_when_both_replicas_have_flushed() {
    let mut story = serving();
    changed(&mut story, |intent| intent.durability.acks = 2);
    story.settles();
    assert_eq!(story.state.waiting().map(|(wait, _)| wait.clone()), Some(Wait::VotersCatchUp));
    let mut behind = primary_status(5, 700, 4, "bc");
    behind.standbys[0].flushed = LogPosition(599);
    story.status(behind);
    assert_eq!(story.doing, None);
    story.status(primary_status(5, 700, 4, "bc"));
    assert_eq!(story.swapping().acks, 2);
}

#[test]
fn a_cluster_that_goes_async_lowers_the_rule_and_then_waits_for_nobody() {
    let mut story = serving();
    changed(&mut story, |intent| intent.durability.mode = DurabilityMode::Async);
    assert_eq!(story.swapping().acks, 0);
    story.succeeds();
    assert_eq!(story.effect(), &set(Quorum::None), "the gate is open: commits must not hang");
}

#[test]
fn a_voter_that_is_absent_stays_a_voter() {
    let mut story = serving();
    for _ in 0..100 {
        story.pass(Duration::from_secs(1));
        story.status(primary_status(5, 700, 4, ""));
        if story.doing.is_some() {
            assert!(matches!(story.succeeds(), Effect::PutRoute { .. }), "only the route changes");
        }
    }
    let known = story.state.world.view.rule.as_ref().unwrap();
    assert_eq!((known.rule.voters.clone(), known.rule.acks), (identities("bc"), 1));
}

#[test]
fn with_degrade_a_primary_that_lost_its_voters_goes_on_alone_and_back() {
    let mut story = serving();
    changed(&mut story, |intent| intent.durability.on_loss = OnLoss::Degrade);
    story.settles();
    story.status(primary_status(5, 700, 4, ""));
    story.pass(Duration::from_secs(9));
    story.status(primary_status(5, 700, 4, ""));
    story.settles();
    assert_eq!(story.state.world.view.rule.as_ref().unwrap().rule.acks, 1, "a restart is over sooner");
    story.pass(Duration::from_secs(2));
    story.until(EffectKind::SwapRule);
    assert_eq!(story.swapping().acks, 0);
    story.settles();
    for _ in 0..4 {
        story.status(primary_status(5, 800, 4, "bc"));
        story.settles();
    }
    let known = story.state.world.view.rule.as_ref().unwrap();
    assert_eq!(known.rule.acks, 1, "it waits again when they are back");
}

#[test]
fn settings_of_a_new_intent_are_applied_and_refusals_are_told() {
    let mut story = serving();
    changed(&mut story, |intent| {
        intent.parameters.insert("work_mem".to_owned(), "much".to_owned());
    });
    let Effect::Apply(settings) = story.effect().clone() else { panic!("{:?}", story.effect()) };
    let mut outcome = crate::database::SettingsOutcome::default();
    outcome.refused.insert("work_mem".to_owned(), "invalid value".to_owned());
    outcome.pending_restart.push("max_connections".to_owned());
    story.answer(Outcome::Applied { settings, outcome });
    story.settles();
    story.pass(Duration::from_secs(3));
    let said = story.said.last().unwrap();
    assert!(said.trouble.as_ref().unwrap().contains("work_mem: invalid value"), "{said:?}");
    assert_eq!(said.pending_restart, ["max_connections"]);
}

#[test]
fn settings_that_cannot_be_applied_hold_no_voter_up() {
    let mut story = serving();
    changed(&mut story, |intent| {
        intent.parameters.insert("work_mem".to_owned(), "8MB".to_owned());
        intent.members.remove(&member('c'));
    });
    story.until(EffectKind::Apply);
    story.answer(Outcome::Failed { reason: "no".to_owned(), retryable: true });
    assert_eq!(story.effect().kind(), EffectKind::SetQuorum);
}

#[test]
fn a_changed_verifier_reaches_the_database() {
    let mut story = serving();
    story.hear(Event::Verifier(Some("v2".to_owned())));
    assert!(matches!(story.effect(), Effect::EnsureAccess(wanted) if wanted.verifier == "v2"));
}

#[test]
fn a_replica_that_stops_streaming_leaves_the_route_after_a_while() {
    let mut story = serving();
    let replicas = |story: &Story| story.state.world.route.as_ref().unwrap().replicas.len();
    assert_eq!(replicas(&story), 2);
    story.pass(Duration::from_secs(1));
    story.status(primary_status(5, 700, 4, "b"));
    assert_eq!(story.doing, None, "one that reconnects costs no write");
    for _ in 0..6 {
        story.pass(Duration::from_secs(1));
        story.status(primary_status(5, 700, 4, "b"));
        story.settles();
    }
    assert_eq!(replicas(&story), 1);
}

#[test]
fn an_outcome_that_answers_nothing_changes_nothing() {
    let mut story = serving();
    let before = story.state.clone();
    let issued = Issued { number: 1, term: crate::Term(4), rule: None };
    story.hear(Event::Done { issued, outcome: Outcome::GateOpened });
    story.hear(Event::Process(ProcessNews::Exited { run: Run(0), how: "late".to_owned(), asked: false }));
    assert_eq!(story.state, before);
}

#[test]
fn an_answer_from_before_a_change_says_nothing_of_what_came_after() {
    let mut story = serving();
    let asked = story.now;
    story.pass(Duration::from_secs(1));
    story.hear(Event::Verifier(Some("v2".to_owned())));
    story.settles();
    let run = story.state.run().unwrap();
    let stale = standby_status(5, 1, false);
    story.hear(Event::Status { run, asked, answer: Ok(stale) });
    assert_eq!(story.doing, None, "a primary is not stopped for an old word that it is a standby");
}

#[test]
fn a_paused_cluster_begins_nothing_new_and_serves_on() {
    let mut story = serving();
    changed(&mut story, |intent| {
        intent.paused = true;
        intent.members.remove(&member('c'));
        intent.parameters.insert("work_mem".to_owned(), "8MB".to_owned());
    });
    let done = story.settles();
    assert!(!done.contains(&EffectKind::SetQuorum) && !done.contains(&EffectKind::Apply), "{done:?}");
    assert_eq!(story.state.world.route.as_ref().unwrap().admission, Admission::ReadWrite);
}
