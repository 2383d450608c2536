//! Elections: a leader that is lost, voters that ask first, a coordinator that chooses by what its recruits hold, a candidate that ascends.

use super::story::*;
use crate::database::LogEnd;
use crate::disk::Space;
use crate::election::*;
use crate::topology::{Cause, Mishap, Phase};
use crate::{LogPosition, Term, Timeline};
use rstest::rstest;
use std::time::Duration;

/// What the member says of the leader in whose place another term is wanted.
fn what(story: &Story) -> Mishap {
    story.swapping().cause.clone().unwrap().what
}

fn silence(story: &mut Story) {
    story.pass(Duration::from_millis(2_100));
}

#[test]
fn a_leader_that_is_heard_is_granted_its_lease_and_loses_no_term() {
    let mut story = standby();
    for _ in 0..100 {
        let at = story.now;
        story.told('a', Message::Beat { term: Term(4), at });
        assert_eq!(story.last_to('a'), Some(&Message::Grant { term: Term(4), at }));
        story.status(standby_status(5, 450, true));
        story.pass(Duration::from_millis(500));
    }
    assert_eq!(story.doing, None);
}

#[test]
fn one_bad_link_costs_a_healthy_primary_nothing() {
    let mut story = standby();
    for _ in 0..100 {
        story.pass(Duration::from_millis(500));
        story.told('c', Message::Would { term: Term(4), yes: false });
    }
    assert_eq!(story.last_to('c'), Some(&Message::Ask { term: Term(4) }), "it asks");
    assert_eq!(story.doing, None, "and takes nothing");
}

#[test]
fn a_voter_that_hears_the_leader_says_no_and_one_that_lost_it_yes() {
    let mut story = standby();
    story.told('c', Message::Ask { term: Term(4) });
    assert_eq!(story.last_to('c'), Some(&Message::Would { term: Term(4), yes: false }));
    silence(&mut story);
    story.told('c', Message::Ask { term: Term(4) });
    assert_eq!(story.last_to('c'), Some(&Message::Would { term: Term(4), yes: true }));
    story.told('c', Message::Ask { term: Term(3) });
    assert_eq!(story.last_to('c'), Some(&Message::Would { term: Term(3), yes: false }), "an old question");
}

#[test]
fn with_enough_that_lost_the_leader_the_term_is_taken() {
    let mut story = standby();
    silence(&mut story);
    assert_eq!(story.doing, None, "its own word alone is not enough");
    story.told('c', Message::Would { term: Term(4), yes: true });
    let rule = story.swapping();
    assert_eq!((rule.term, rule.phase, rule.timeline), (Term(5), Phase::Electing, Timeline(6)));
    assert_eq!((rule.coordinator.clone(), rule.proposal.clone()), (Some(identity('b')), None));
    assert_eq!((rule.voters.clone(), rule.acks, &rule.primary), (identities("bc"), 1, &identity('a')));
    assert_eq!(rule.cause, Some(Cause { leader: member('a'), what: Mishap::Silent }));
}

/// `b` has taken term 5 and pledged it; its own log ends at 480 of term 4.
fn coordinator() -> Story {
    let mut story = standby();
    silence(&mut story);
    story.told('c', Message::Would { term: Term(4), yes: true });
    assert_eq!(story.until(EffectKind::Detach), [EffectKind::SwapRule]);
    assert_eq!(story.succeeds(), Effect::Detach, "the stream ends before the pledge");
    assert_eq!(story.effect().kind(), EffectKind::WriteLedger);
    story.succeeds();
    story
}

#[test]
fn a_coordinator_whose_disk_does_not_take_its_promise_falls_silent() {
    let mut story = standby();
    silence(&mut story);
    story.told('c', Message::Would { term: Term(4), yes: true });
    story.until(EffectKind::WriteLedger);
    let beats = |story: &mut Story| {
        story.sent.clear();
        story.pass(Duration::from_secs(2));
        story
            .sent
            .iter()
            .filter(|(_, message)| matches!(message, Message::Beat { term: Term(5), .. }))
            .count()
    };
    assert!(beats(&mut story) > 0, "a disk may be slow");
    assert_eq!(beats(&mut story), 0, "and the others take the next term");
    story.succeeds();
    assert!(beats(&mut story) > 0, "unless nobody did");
}

#[test]
fn one_recruit_is_not_enough_and_the_best_log_of_enough_leads() {
    let mut story = coordinator();
    story.pass(Duration::from_mins(1));
    assert_eq!(story.doing, None);
    assert_eq!(story.wait(), Some(&Wait::Recruits { term: Term(5), have: 1, needed: 2 }));
    assert_eq!(story.last_to('c'), Some(&Message::Recruit { term: Term(5) }));
    story.told('c', pledged(5, ends(4, 5, 481)));
    let chosen = story.swapping().proposal.clone().unwrap();
    assert_eq!((chosen.candidate, chosen.voters, chosen.acks), (identity('c'), identities("b"), 1));
    assert_eq!(chosen.end, Some(LogPosition(481)));
    assert_eq!(story.swapping().voters, identities("bc"), "until the term serves, the old voters count");
}

#[test]
fn the_term_of_the_last_of_a_log_counts_before_its_length() {
    let mut story = coordinator();
    story.pass(Duration::from_secs(5));
    story.told('c', pledged(5, ends(3, 4, 900)));
    assert_eq!(story.swapping().proposal.clone().unwrap().candidate, identity('b'));
}

#[test]
fn a_log_of_a_term_that_its_member_does_not_know_counts_by_its_timeline() {
    let mut story = coordinator();
    story.pass(Duration::from_secs(5));
    story.told('c', pledged(5, ends(0, 5, 481)));
    let chosen = story.swapping().proposal.clone().unwrap();
    assert_eq!(chosen.candidate, identity('c'), "its server went on while its agent stood still");
}

#[test]
fn what_was_granted_to_a_silent_primary_is_waited_out() {
    let mut story = coordinator();
    let holding = Holding {
        log: ends(4, 5, 470),
        granted: Duration::from_millis(2_500),
        system: Some(SYSTEM.to_owned()),
        space: Space::Ample,
    };
    story.told('c', Message::Pledged { term: Term(5), holding });
    story.pass(Duration::from_millis(2_400));
    assert_eq!(story.doing, None);
    assert_eq!(story.wait(), Some(&Wait::Granted(member('a'))));
    story.pass(Duration::from_millis(200));
    assert_eq!(story.swapping().proposal.clone().unwrap().candidate, identity('b'));
}

#[test]
fn an_old_primary_that_answers_itself_is_not_waited_for() {
    let mut story = coordinator();
    let granted = Duration::from_secs(3);
    let holding =
        Holding { log: ends(4, 5, 470), granted, system: Some(SYSTEM.to_owned()), space: Space::Ample };
    story.told('c', Message::Pledged { term: Term(5), holding });
    story.told('a', pledged(5, Log::Open { term: Term(4) }));
    let chosen = story.swapping().proposal.clone().unwrap();
    assert_eq!(chosen.candidate, identity('b'), "a standby is ready sooner than a recovery");
    assert_eq!(chosen.voters, identities("c"), "the killed primary is cut back before it counts");
}

#[test]
fn a_killed_primary_without_enough_voters_must_lead_itself() {
    let mut story = coordinator();
    story.told('a', pledged(5, Log::Open { term: Term(4) }));
    story.pass(Duration::from_secs(2));
    let chosen = story.swapping().proposal.clone().unwrap();
    assert_eq!((chosen.candidate, chosen.voters), (identity('a'), identities("bc")));
}

#[test]
fn an_old_primary_that_leads_again_says_where_its_log_ends() {
    let mut story = coordinator();
    story.told('a', pledged(5, ends(4, 5, 490)));
    story.pass(Duration::from_secs(2));
    let chosen = story.swapping().proposal.clone().unwrap();
    assert_eq!((chosen.candidate, chosen.end), (identity('a'), Some(LogPosition(490))));
}

#[test]
fn an_empty_volume_counts_for_nothing() {
    let mut story = coordinator();
    story.told('c', pledged(5, Log::Nothing));
    story.pass(Duration::from_mins(1));
    assert_eq!(story.doing, None);
}

/// `b` was chosen for term 5 by `c`, which recruited it.
fn candidate() -> Story {
    let mut story = standby();
    story.told('c', Message::Recruit { term: Term(5) });
    story.until(EffectKind::WriteLedger);
    story.succeeds();
    let mut electing = rule();
    (electing.term, electing.phase, electing.timeline) = (Term(5), Phase::Electing, Timeline(6));
    (electing.coordinator, electing.branched) = (Some(identity('c')), None);
    electing.proposal = Some(proposal('b', "c"));
    story.rule(electing, 41);
    story
}

#[test]
fn a_recruit_ends_its_stream_pledges_and_then_answers() {
    let mut story = standby();
    story.told('c', Message::Recruit { term: Term(5) });
    assert_eq!(story.succeeds(), Effect::Detach);
    assert!(!matches!(story.last_to('c'), Some(Message::Pledged { .. })), "not before the pledge is durable");
    let Effect::WriteLedger(ledger) = story.succeeds() else { panic!("no pledge") };
    assert_eq!(ledger.promise, Term(5));
    let Some(Message::Pledged { term: Term(5), holding }) = story.last_to('c') else {
        panic!("{:?}", story.last_to('c'))
    };
    let end = LogEnd { timeline: Timeline(5), position: LogPosition(480) };
    assert_eq!(holding.log, Log::Ends { term: Term(4), end });
    assert!(
        holding.granted > Duration::from_secs(2),
        "what it granted to the old primary is told: {holding:?}"
    );
    story.told('a', Message::Beat { term: Term(4), at: story.now });
    assert!(!matches!(story.last_to('a'), Some(Message::Grant { .. })), "and nothing more is granted");
}

#[test]
fn a_pledge_whose_writing_nobody_heard_the_end_of_is_not_taken_back() {
    let mut story = standby();
    story.told('c', Message::Recruit { term: Term(5) });
    story.until(EffectKind::WriteLedger);
    story.answer(Outcome::Failed { reason: "the disk took too long".to_owned(), retryable: true });
    story.dies(false);
    story.pass(Duration::from_secs(5));
    let Effect::WriteLedger(ledger) = story.effect() else { panic!("{:?}", story.effect()) };
    assert_eq!((ledger.starts, ledger.promise), (3, Term(5)), "a start is counted, under the rule of term 4");
}

#[test]
fn a_recruit_that_cannot_end_its_stream_is_killed_and_looked_at() {
    let mut story = standby();
    story.told('c', Message::Recruit { term: Term(5) });
    story.answer(Outcome::Failed { reason: "it hangs".to_owned(), retryable: true });
    assert_eq!(story.succeeds(), Effect::Fence);
    story.until(EffectKind::Start);
    assert!(matches!(story.effect(), Effect::Start { boot: crate::database::Boot::Alone, .. }));
}

#[test]
fn a_candidate_sets_its_quorum_before_it_is_promoted_and_serves_when_a_voter_has_the_terms_row() {
    let mut story = candidate();
    let done = story.until(EffectKind::Promote);
    assert_eq!(done, [EffectKind::SetQuorum, EffectKind::WriteLedger]);
    assert_eq!(story.effect(), &Effect::Promote(Timeline(6)));
    story.succeeds();
    story.status(primary_status(6, 500, 5, ""));
    story.settles();
    assert_eq!(story.wait(), Some(&Wait::TermOnVoters { needed: 1, have: 0 }));
    story.status(primary_status(6, 560, 5, "c"));
    let rule = story.swapping();
    assert_eq!(
        (rule.phase, &rule.primary, rule.voters.clone()),
        (Phase::Serving, &identity('b'), identities("c"))
    );
    assert_eq!((rule.acks, rule.grants, rule.proposal.clone()), (1, 1, None));
}

#[test]
fn a_candidate_lets_those_follow_whom_nobody_chose_and_serves_by_them() {
    let mut story = candidate();
    story.until(EffectKind::SetQuorum);
    let Effect::SetQuorum { followers, .. } = story.effect() else { unreachable!() };
    assert_eq!(*followers, "abc".chars().map(member).collect(), "without a slot a stream is refused");
    story.until(EffectKind::Promote);
    story.succeeds();
    story.status(primary_status(6, 500, 5, ""));
    story.settles();
    assert_eq!(story.wait(), Some(&Wait::TermOnVoters { needed: 1, have: 0 }), "c does not come");
    story.status(primary_status(6, 560, 5, "a"));
    assert_eq!(story.swapping().proposal.clone().unwrap().voters, identities("ac"));
}

#[test]
fn a_new_primary_that_hears_of_its_own_swap_before_the_answer_serves_on() {
    let mut story = candidate();
    // What an agent that starts anew is allowed without a lease is long over, and no voter's grant of this term has arrived yet.
    story.grants = false;
    story.pass(Duration::from_mins(1));
    story.until(EffectKind::Promote);
    story.succeeds();
    story.until(EffectKind::SwapRule);
    assert!(story.doing.is_none(), "the term waits for its voter");
    story.status(primary_status(6, 560, 5, "c"));
    let (swap, serving) = (story.doing.clone(), story.swapping().clone());
    assert_eq!(serving.phase, Phase::Serving);
    story.rule(serving, 42);
    assert_eq!(story.doing, swap, "nobody follows this member, as the swap itself shows");
    story.until(EffectKind::OpenGate);
    assert!(matches!(story.effect(), Effect::OpenGate));
}

#[test]
fn an_old_primary_is_cut_back_and_follows() {
    let mut story = serving();
    let mut next = rule();
    (next.term, next.primary, next.timeline) = (Term(5), identity('b'), Timeline(6));
    (next.branched, next.voters) = (Some(LogPosition(440)), identities("c"));
    story.rule(next, 41);
    assert_eq!(story.succeeds(), Effect::Fence);
    story.until(EffectKind::Start);
    story.succeeds();
    story.status(standby_status(5, 450, false));
    story.until(EffectKind::Rewind);
    assert!(matches!(story.effect(), Effect::Rewind(peer) if peer.member == member('b')));
}

#[test]
fn a_primary_that_nobody_hears_and_that_cannot_read_the_topology_ends_itself_within_its_lease() {
    let mut story = serving();
    let told = story.lease.expect("the warden is told");
    assert!(told > story.now && told.since(story.now) <= LEASE);
    story.grants = false;
    story.hear(Event::Topology(News::Away("cut off".to_owned())));
    let before = story.now;
    while story.doing.is_none() {
        story.pass(Duration::from_millis(100));
        assert!(story.now.since(before) < Duration::from_secs(4));
    }
    assert_eq!(story.effect(), &Effect::Fence);
}

#[test]
fn a_primary_cut_from_its_voters_alone_reads_on_by_the_topologys_word() {
    let mut story = serving();
    story.grants = false;
    for _ in 0..300 {
        story.pass(Duration::from_millis(100));
        story.status(primary_status(5, 450, 4, ""));
        if story.doing.is_some() {
            assert!(matches!(story.succeeds(), Effect::PutRoute { .. }));
        }
    }
}

#[test]
fn without_the_topology_a_primary_serves_on_by_grants() {
    let mut story = serving();
    story.hear(Event::Topology(News::Away("refused".to_owned())));
    for _ in 0..300 {
        story.pass(Duration::from_millis(100));
        story.status(primary_status(5, 450, 4, "bc"));
        assert_eq!(story.doing, None);
    }
}

#[rstest]
#[case::frozen(Silence::NoAnswer("no answer within 3s".to_owned()), Mishap::Frozen)]
#[case::its_disk_hangs(Silence::DiskHangs, Mishap::DiskHangs)]
fn a_server_that_says_nothing_that_counts_is_killed_and_its_term_followed_by_another(
    #[case] silence: Silence,
    #[case] told: Mishap,
) {
    let mut story = serving();
    for _ in 0..80 {
        story.pass(Duration::from_millis(100));
        let run = story.state.run().unwrap();
        story.hear(Event::Status { run, asked: story.now, answer: Err(silence.clone()) });
        story.until(EffectKind::Fence);
    }
    assert_eq!(story.succeeds(), Effect::Fence);
    assert_eq!((story.swapping().term, what(&story)), (Term(5), told));
}

#[test]
fn a_switchover_that_was_asked_for_is_done_once() {
    let mut story = serving();
    let mut wanted = intent();
    wanted.generation = crate::Generation(2);
    let nonce = crate::Nonce::new("s1").unwrap();
    wanted.switchover = Some(crate::topology::Switchover { nonce: nonce.clone(), to: Some(member('c')) });
    story.hear(Event::Topology(News::Intent(Some(Box::new(wanted)))));
    assert_eq!(story.succeeds().kind(), EffectKind::Checkpoint);
    assert_eq!((story.swapping().phase, story.swapping().switched.clone()), (Phase::Switching, Some(nonce)));
    story.succeeds();
    story.pass(Duration::from_millis(100));
    story.status(primary_status(5, 470, 4, "bc"));
    story.until(EffectKind::Inspect);
    story.answer(Outcome::Inspected(closed(470)));
    assert_eq!(what(&story), Mishap::HandedOver);
    story.until(EffectKind::WriteLedger);
    story.succeeds();
    for name in ['b', 'c'] {
        story.told(name, pledged(5, ends(4, 5, 480)));
    }
    story.until(EffectKind::SwapRule);
    assert_eq!(
        story.swapping().proposal.clone().unwrap().candidate,
        identity('c'),
        "the one that was asked for"
    );
}
