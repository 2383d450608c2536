//! Volumes and topologies that are not what they must be: nothing is started, made, copied or promoted.

use super::story::*;
use crate::database::Volume;
use crate::election::*;
use crate::topology::{Identity, Rule};
use crate::{ClaimUid, ClusterUid, Term};
use rstest::rstest;

fn claim(text: &str) -> ClaimUid {
    ClaimUid::new(text).unwrap()
}

fn refused(notes: Notes, volume: Volume, view: View) -> Refusal {
    let mut story = Story::started('b', notes, volume, view);
    assert_eq!(story.doing, None, "it must do nothing");
    story.hear(Event::Tick);
    match story.wait() {
        Some(Wait::Refused(refusal)) => refusal.clone(),
        other => panic!("it must refuse, and waits for {other:?}"),
    }
}

fn with(change: impl FnOnce(&mut Ledger)) -> Notes {
    let mut ledger = ledger('b');
    change(&mut ledger);
    Notes::Present(ledger)
}

fn ruled(change: impl FnOnce(&mut Rule)) -> View {
    let mut rule = rule();
    change(&mut rule);
    view(Some(rule))
}

#[rstest]
#[case::another_cluster(
    with(|ledger| ledger.cluster = ClusterUid::new("u0").unwrap()), present(), view(Some(rule())),
    Refusal::OtherCluster(ClusterUid::new("u0").unwrap())
)]
#[case::another_members_volume(
    with(|ledger| ledger.identity = identity('c')), present(), view(Some(rule())),
    Refusal::OtherIdentity(identity('c'))
)]
#[case::a_copy_of_this_members_volume(
    with(|ledger| ledger.identity.claim = claim("old")), present(), view(Some(rule())),
    Refusal::OtherIdentity(Identity { claim: claim("old"), ..identity('b') })
)]
#[case::a_damaged_ledger(
    Notes::Unreadable("not JSON".to_owned()), present(), view(Some(rule())),
    Refusal::LedgerUnreadable("not JSON".to_owned())
)]
#[case::a_database_of_nobody(Notes::Absent, present(), view(Some(rule())), Refusal::NoLedger)]
#[case::another_system(
    with(|_| ()), Volume::Present { system: "9".to_owned(), timeline: crate::Timeline(5), closed: None, torn: false }, view(Some(rule())),
    Refusal::OtherSystem { rule: SYSTEM.to_owned(), volume: "9".to_owned() }
)]
#[case::rolled_back(
    with(|ledger| ledger.starts = 0), present(), view(Some(rule())),
    Refusal::RolledBack { told: 1, found: 0 }
)]
#[case::a_lost_topology(with(|_| ()), present(), view(None), Refusal::RuleMissing)]
#[case::a_lost_topology_and_an_emptied_volume(with(|_| ()), Volume::Empty, view(None), Refusal::RuleMissing)]
#[case::a_restored_topology(
    with(|_| ()), present(), ruled(|rule| rule.term = Term(3)),
    Refusal::TopologyBehind { promised: Term(4), rule: Term(3) }
)]
#[case::the_operator_knows_another_claim(
    with(|_| ()), present(),
    { let mut view = view(Some(rule())); view.intent.as_mut().unwrap().members.insert(member('b'), claim("new")); view },
    Refusal::OtherClaim(claim("new"))
)]
#[case::the_rule_counts_another_claim(
    with(|_| ()), present(),
    ruled(|rule| { rule.voters.insert(Identity { claim: claim("old"), ..identity('b') }); }),
    Refusal::RuleNamesOtherClaim(claim("old"))
)]
#[case::the_rule_is_led_by_another_claim(
    with(|_| ()), present(),
    ruled(|rule| rule.primary = Identity { claim: claim("old"), ..identity('b') }),
    Refusal::RuleNamesOtherClaim(claim("old"))
)]
fn it_refuses(#[case] notes: Notes, #[case] volume: Volume, #[case] view: View, #[case] expected: Refusal) {
    assert_eq!(refused(notes, volume, view), expected);
}

#[test]
fn a_refusal_says_what_to_do_in_the_members_record() {
    let notes = with(|ledger| ledger.starts = 0);
    let mut story = Story::started('b', notes, present(), view(Some(rule())));
    story.pass(std::time::Duration::from_secs(5));
    let said = story.said.last().unwrap();
    assert!(said.trouble.as_ref().unwrap().contains("rolled back"), "{said:?}");
    assert_eq!(said.starts, 1, "the proof against the volume is not written over");
}

#[test]
fn a_ledger_that_names_another_cluster_starts_nothing_even_before_the_topology_is_read() {
    let mut story = Story::new('b', with(|ledger| ledger.cluster = ClusterUid::new("u0").unwrap()));
    story.hear(Event::Process(ProcessNews::Absent { latest: Run(0) }));
    assert_eq!(story.doing, None);
}

#[test]
fn a_topology_that_was_never_read_is_waited_for() {
    let mut story = Story::new('b', Notes::Present(ledger('b')));
    story.hear(Event::Process(ProcessNews::Absent { latest: Run(0) }));
    story.answer(Outcome::Inspected(present()));
    assert_eq!(story.wait(), Some(&Wait::Unread));
    story.hear(Event::Topology(News::Away("refused".to_owned())));
    assert_eq!(story.wait(), Some(&Wait::TopologyAway("refused".to_owned())));
}
