//! What is told of a sequence of records.

use super::*;
use berth_core::ClaimUid;
use berth_core::term::{Generation, Timeline};
use berth_core::topology::{
    Access, Cause, Durability, DurabilityMode, EngineKind, Mishap, OnLoss, Proposal, Switchover,
};
use berth_topology::{Revision, Stored};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

fn uid() -> ClusterUid {
    ClusterUid::new("c0ffee").unwrap()
}

fn member(short: &str) -> MemberId {
    MemberId::new(format!("orders-{short}")).unwrap()
}

fn identity(short: &str) -> Identity {
    Identity { member: member(short), claim: ClaimUid::new(short).unwrap() }
}

fn rule(term: u64, phase: Phase, primary: &str) -> Rule {
    Rule {
        term: Term(term),
        phase,
        primary: identity(primary),
        coordinator: None,
        timeline: Timeline(1),
        branched: None,
        voters: BTreeSet::new(),
        acks: 1,
        grants: 1,
        proposal: None,
        cause: None,
        loss: None,
        rebuild: None,
        switched: None,
        system: None,
        grant: Nonce::new("g").unwrap(),
    }
}

fn electing(term: u64, primary: &str, by: &str) -> Rule {
    let what = if by == primary { Mishap::Ended { how: "signal 9".to_owned() } } else { Mishap::Silent };
    let cause = Some(Cause { leader: member(primary), what });
    Rule { coordinator: Some(identity(by)), cause, ..rule(term, Phase::Electing, primary) }
}

fn switched(token: &str, rule: Rule) -> Rule {
    Rule { switched: Some(Nonce::new(token).unwrap()), ..rule }
}

fn asked(token: &str, to: Option<&str>) -> Change {
    let intent = Intent {
        cluster: "shop/orders".parse().unwrap(),
        generation: Generation(1),
        members: BTreeMap::new(),
        durability: Durability { mode: DurabilityMode::Quorum, acks: 1, on_loss: OnLoss::Block },
        engine: EngineKind::Postgres,
        parameters: BTreeMap::new(),
        access: Access { database: "app".to_owned(), owner: "app".to_owned() },
        grant: None,
        paused: false,
        accept_loss: None,
        rebuild: None,
        switchover: Some(Switchover { nonce: Nonce::new(token).unwrap(), to: to.map(member) }),
    };
    Change::Intent(uid(), Some(Stored { value: intent, revision: Revision(1), restored: false }))
}

fn ruled(rule: Rule) -> Change {
    Change::Rule(uid(), Some(Stored { value: rule, revision: Revision(1), restored: false }))
}

/// What is told of these records, which come 700 ms after each other.
fn told(changes: Vec<Change>) -> String {
    let mut chronicle = Chronicle::default();
    let mut now = Instant::now();
    let mut text = String::new();
    for change in changes {
        if let Some(Told { type_, reason, action, note }) = chronicle.take(&change, now) {
            writeln!(text, "{type_:?} {reason} {action}: {note}").unwrap();
        }
        now += Duration::from_millis(700);
    }
    text
}

#[test]
fn an_election_that_takes_two_terms() {
    let chosen = Rule {
        proposal: Some(Proposal {
            candidate: identity("ccccc"),
            voters: BTreeSet::new(),
            acks: 0,
            grants: 0,
            end: None,
        }),
        ..electing(6, "aaaaa", "ccccc")
    };
    insta::assert_snapshot!(told(vec![
        ruled(rule(4, Phase::Serving, "aaaaa")),
        ruled(electing(5, "aaaaa", "bbbbb")),
        ruled(electing(6, "aaaaa", "ccccc")),
        ruled(chosen),
        ruled(rule(6, Phase::Serving, "ccccc")),
    ]));
}

#[test]
fn a_primary_that_restarts() {
    insta::assert_snapshot!(told(vec![
        ruled(rule(4, Phase::Serving, "aaaaa")),
        ruled(electing(5, "aaaaa", "aaaaa")),
        ruled(rule(5, Phase::Serving, "aaaaa")),
    ]));
}

#[test]
fn a_switchover_from_the_request_to_its_end() {
    insta::assert_snapshot!(told(vec![
        ruled(rule(4, Phase::Serving, "aaaaa")),
        asked("noon", Some("bbbbb")),
        asked("noon", Some("bbbbb")),
        ruled(rule(4, Phase::Switching, "aaaaa")),
        ruled(switched("noon", electing(5, "aaaaa", "aaaaa"))),
        ruled(switched("noon", rule(5, Phase::Serving, "bbbbb"))),
        asked("noon", Some("bbbbb")),
        ruled(switched("noon", electing(6, "bbbbb", "aaaaa"))),
    ]));
}

#[test]
fn switchovers_that_move_nothing() {
    insta::assert_snapshot!(told(vec![
        ruled(rule(4, Phase::Serving, "aaaaa")),
        asked("noon", None),
        ruled(rule(4, Phase::Switching, "aaaaa")),
        ruled(rule(4, Phase::Serving, "aaaaa")),
        asked("evening", Some("aaaaa")),
        ruled(switched("evening", rule(4, Phase::Serving, "aaaaa"))),
        asked("night", Some("bbbbb")),
        ruled(switched("evening", rule(4, Phase::Switching, "aaaaa"))),
        ruled(switched("night", electing(5, "aaaaa", "aaaaa"))),
        ruled(switched("night", rule(5, Phase::Serving, "aaaaa"))),
    ]));
}

#[test]
fn changes_of_voters_and_a_new_cluster_are_no_story() {
    let more = Rule { voters: BTreeSet::from([identity("bbbbb")]), ..rule(1, Phase::Serving, "aaaaa") };
    assert_eq!(
        told(vec![
            ruled(rule(1, Phase::Bootstrapping, "aaaaa")),
            ruled(rule(1, Phase::Serving, "aaaaa")),
            ruled(more),
            Change::Rule(uid(), None),
            ruled(rule(9, Phase::Electing, "aaaaa")),
        ]),
        ""
    );
}
