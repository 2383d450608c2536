//! How a cluster begins: one grant, one member, and nobody let in before the asked replicas acknowledge.

use super::story::*;
use crate::database::{Quorum, Volume};
use crate::election::*;
use crate::topology::{Admission, DurabilityMode, OnLoss, Phase};
use crate::{LogPosition, Term, Timeline};
use std::collections::BTreeMap;

fn granted() -> Story {
    let view = View { members: BTreeMap::default(), ..view(None) };
    Story::started('a', Notes::Absent, Volume::Empty, view)
}

/// Through initdb, start and promotion, up to what is given.
fn until(kind: EffectKind) -> Story {
    let mut story = granted();
    story.until(EffectKind::Start);
    story.succeeds();
    story.status(standby_status(1, 100, false));
    story.until(EffectKind::Promote);
    story.succeeds();
    story.status(primary_status(2, 500, 1, ""));
    story.until(kind);
    story
}

#[test]
fn the_rule_names_the_first_primary_before_anything_is_made() {
    let mut story = granted();
    assert_eq!(story.until(EffectKind::SwapRule), [EffectKind::WriteLedger]);
    let rule = story.swapping();
    assert_eq!((rule.term, rule.phase, &rule.primary), (Term(1), Phase::Bootstrapping, &identity('a')));
    assert_eq!(story.said[0].address, address('a'), "whoever sees the rule finds the address");
}

#[test]
fn it_is_made_started_as_a_standby_promoted_and_only_then_serves() {
    let mut story = granted();
    story.until(EffectKind::SwapRule);
    story.succeeds();
    assert_eq!(
        story.until(EffectKind::Start),
        [EffectKind::WriteLedger, EffectKind::Initialize, EffectKind::Inspect, EffectKind::WriteLedger]
    );
    assert!(matches!(story.effect(), Effect::Start { quorum: Quorum::Nobody, .. }));
    story.succeeds();
    story.status(standby_status(1, 100, false));
    assert_eq!(story.until(EffectKind::Promote), [EffectKind::WriteLedger]);
    assert_eq!(story.effect(), &Effect::Promote(Timeline(2)));
    story.succeeds();
    story.status(primary_status(2, 500, 1, ""));
    assert_eq!(
        story.until(EffectKind::SwapRule),
        [EffectKind::WriteLedger, EffectKind::EnsureAccess, EffectKind::WriteTerm]
    );
    let rule = story.swapping().clone();
    assert_eq!(
        (rule.phase, rule.timeline, rule.branched),
        (Phase::Serving, Timeline(2), Some(LogPosition(500)))
    );
    assert_eq!((rule.system.as_deref(), rule.acks), (Some(SYSTEM), 0));
}

#[test]
fn nobody_is_let_in_before_the_asked_replica_acknowledges() {
    let mut story = until(EffectKind::SwapRule);
    story.settles();
    assert_eq!(story.wait(), Some(&Wait::Durability { asked: 1, have: 0 }));
    for name in ['b', 'c'] {
        story.hear(Event::Topology(News::Member(member(name), Some(Box::new(record(name))))));
    }
    story.status(primary_status(2, 700, 1, "bc"));
    let mut gate = None;
    let mut swaps = Vec::new();
    while story.doing.is_some() {
        if let Effect::SwapRule { rule, .. } = story.effect() {
            swaps.push((rule.voters.len(), rule.acks));
        }
        if story.succeeds() == Effect::OpenGate {
            gate = Some(swaps.len());
        }
        story.status(primary_status(2, 700, 1, "bc"));
    }
    assert_eq!(swaps, [(1, 0), (1, 1), (2, 1)]);
    assert_eq!(gate, Some(2), "the gate opens when the rule says one acknowledgement, and not before");
    assert_eq!(story.state.world.route.as_ref().unwrap().admission, Admission::ReadWrite);
}

#[test]
fn a_cluster_of_one_asks_for_nobody() {
    let mut intent = intent();
    intent.members.retain(|name, _| *name == member('a'));
    let view = View { intent: Some(intent), ..View::default() };
    let mut story = Story::started('a', Notes::Absent, Volume::Empty, view);
    story.until(EffectKind::Start);
    assert!(matches!(story.effect(), Effect::Start { quorum: Quorum::None, .. }));
    story.succeeds();
    story.status(standby_status(1, 100, false));
    story.until(EffectKind::Promote);
    story.succeeds();
    story.status(primary_status(2, 500, 1, ""));
    story.settles();
    assert_eq!(story.wait(), None);
    assert_eq!(story.state.world.route.as_ref().unwrap().admission, Admission::ReadWrite);
}

#[test]
fn modes_that_wait_for_nobody_let_clients_in_at_once() {
    for (mode, on_loss) in [(DurabilityMode::Async, OnLoss::Block), (DurabilityMode::Quorum, OnLoss::Degrade)]
    {
        let mut story = until(EffectKind::SwapRule);
        let mut intent = intent();
        (intent.durability.mode, intent.durability.on_loss) = (mode, on_loss);
        story.hear(Event::Topology(News::Intent(Some(Box::new(intent)))));
        story.settles();
        assert_eq!(story.state.world.route.as_ref().unwrap().admission, Admission::ReadWrite, "{mode:?}");
    }
}

#[test]
fn without_the_grant_a_member_waits_for_the_one_that_has_it() {
    let fresh = View { members: BTreeMap::default(), ..view(None) };
    let mut story = Story::started('b', Notes::Absent, Volume::Empty, fresh);
    story.settles();
    assert_eq!(story.wait(), Some(&Wait::Creating(member('a'))));
}

#[test]
fn without_any_grant_nothing_is_made() {
    let mut nobody = View { members: BTreeMap::default(), ..view(None) };
    nobody.intent.as_mut().unwrap().grant = None;
    let mut story = Story::started('a', Notes::Absent, Volume::Empty, nobody);
    assert_eq!(story.settles(), [EffectKind::WriteLedger]);
    assert_eq!(story.wait(), Some(&Wait::NoGrant));
}

#[test]
fn an_agent_that_died_while_making_it_starts_the_server_anew_on_a_fresh_timeline() {
    let mut bootstrapping = rule();
    (bootstrapping.term, bootstrapping.phase) = (Term(1), Phase::Bootstrapping);
    (bootstrapping.timeline, bootstrapping.branched) = (Timeline(1), None);
    (bootstrapping.voters, bootstrapping.acks, bootstrapping.system) = (identities(""), 0, None);
    let era = Era { term: Term(1), timeline: Timeline(2), start: None };
    let mut notes = Ledger::new(me('a').uid, identity('a')).entering(era, Timeline(1));
    notes.starts = 1;
    let mut story = Story::new('a', Notes::Present(notes));
    story.hear(Event::Verifier(Some("v1".to_owned())));
    story.hear(Event::Topology(News::Listed(Box::new(view(Some(bootstrapping))))));
    story.hear(Event::Process(ProcessNews::Runs(Run(1))));
    story.settles();
    story.status(primary_status(2, 300, 1, ""));
    assert_eq!(
        story.until(EffectKind::Start),
        [EffectKind::Stop, EffectKind::Inspect, EffectKind::WriteLedger]
    );
    story.succeeds();
    story.status(standby_status(2, 300, false));
    story.until(EffectKind::Promote);
    assert_eq!(story.effect(), &Effect::Promote(Timeline(3)));
}
