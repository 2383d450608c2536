//! That the database keeps and breaks its word exactly where PostgreSQL does.

use super::*;
use crate::simulation::names::{Address, Who};
use berth_core::election::Run;
use berth_core::{Term, Timeline};

const A: Who = Who(0);
const B: Who = Who(1);
const C: Who = Who(2);

fn source(who: Who, term: u64) -> Source {
    Source { address: Address { who, pod: 1 }, term: Term(term) }
}

fn any(acks: u32, of: &[Who], term: u64) -> Wait {
    Wait::Any { acks, members: of.iter().copied().collect(), term: Term(term) }
}

/// `a` leads term 1 on timeline 2 and waits for one of the others, which follow it.
fn cluster() -> Databases {
    let mut all = Databases::default();
    all.initialize(A, 7).unwrap();
    all.start(A, Run(1), None, Term(1), any(1, &[B, C], 1)).unwrap();
    all.promote(A, Timeline(2), Term(1)).unwrap();
    all.servers.get_mut(&A).unwrap().open = true;
    for standby in [B, C] {
        all.clone_from(standby, A).unwrap();
        all.start(standby, Run(1), Some(source(A, 1)), Term(1), Wait::Nobody).unwrap();
        assert_eq!(all.connect(standby), Connection::Streams);
        report(&mut all, A, standby);
    }
    all
}

fn report(all: &mut Databases, to: Who, standby: Who) -> Vec<u32> {
    let flushed = all.data(standby).unwrap().log.flushed();
    all.reported(to, standby, flushed).into_iter().map(|commit| commit.row).collect()
}

fn write(all: &mut Databases, who: Who, row: u32) -> bool {
    let commit = all.write(who, row).unwrap();
    all.flush(who);
    all.commit(who, commit) != Committed::Waits
}

fn stream(all: &mut Databases, from: Who, standby: Who) -> Vec<u32> {
    while let Some(shipment) = all.ship(from, standby, 1) {
        assert!(all.receive(standby, &shipment));
    }
    all.flush(standby);
    report(all, from, standby)
}

#[test]
fn a_commit_is_acknowledged_when_the_named_standby_has_flushed_it_and_not_before() {
    let mut all = cluster();
    assert!(!write(&mut all, A, 1));
    let shipment = all.ship(A, B, 9).unwrap();
    assert!(all.receive(B, &shipment));
    assert_eq!(report(&mut all, A, B), [0; 0], "received is not flushed");
    all.flush(B);
    assert_eq!(report(&mut all, A, B), [1]);
    assert!(!all.data(C).unwrap().log.holds(1));
}

#[test]
fn a_standby_under_the_name_of_another_term_acknowledges_nothing() {
    let mut all = cluster();
    all.servers.get_mut(&A).unwrap().wait = any(1, &[B, C], 2);
    for standby in [B, C] {
        all.reread(A, standby);
    }
    assert!(!write(&mut all, A, 1));
    assert_eq!(stream(&mut all, A, B), [0; 0]);
}

#[test]
fn a_walsender_releases_by_the_setting_that_it_last_read() {
    let mut all = cluster();
    all.servers.get_mut(&A).unwrap().wait = any(2, &[B, C], 1);
    all.reread(A, C);
    assert!(!write(&mut all, A, 1));
    assert_eq!(stream(&mut all, A, B), [1], "b's walsender still waits for one alone");
    assert!(!write(&mut all, A, 2));
    assert_eq!(stream(&mut all, A, C), [0; 0]);
}

#[test]
fn a_killed_primary_keeps_what_it_had_flushed_and_perhaps_more() {
    let mut all = cluster();
    assert!(!write(&mut all, A, 1));
    all.write(A, 2).unwrap();
    let mut other = all.clone();
    assert_eq!(all.kill(A, 0).len(), 1);
    assert_eq!(all.data(A).unwrap().log.rows(), [1].into());
    other.kill(A, 1);
    assert_eq!(other.data(A).unwrap().log.rows(), [1, 2].into());
}

/// `b` leads term 2 on timeline 3, and `a` comes back with a row that nobody else has.
fn diverged() -> Databases {
    let mut all = cluster();
    assert!(!write(&mut all, A, 1));
    all.kill(A, 0);
    all.follow(B, None).unwrap();
    all.servers.get_mut(&B).unwrap().wait = any(1, &[A, C], 2);
    all.promote(B, Timeline(3), Term(2)).unwrap();
    all.servers.get_mut(&B).unwrap().open = true;
    all.start(A, Run(2), Some(source(B, 2)), Term(2), Wait::Nobody).unwrap();
    all
}

#[test]
fn a_standby_that_went_another_way_acknowledges_what_it_does_not_have() {
    let mut all = diverged();
    let mut other = all.clone();
    let ahead = {
        // Two more rows on the lost timeline.
        let log = &mut other.disks.get_mut(&A).unwrap().data.as_mut().unwrap().log;
        log.write(A, Body::Row(8));
        log.write(A, Body::Row(9));
        log.flush();
        log.end()
    };
    assert_eq!(other.connect(A), Connection::Glimpse);
    let commit = other.write(B, 3).unwrap();
    other.flush(B);
    assert_eq!(other.commit(B, commit), Committed::Waits);
    assert!(commit.end <= ahead);
    assert_eq!(report(&mut other, B, A), [3], "positions are compared, contents are not");
    assert!(!other.data(A).unwrap().log.holds(3));
    assert_eq!(all.connect(A), Connection::Glimpse);
    assert!(all.ship(B, A, 9).is_none());
}

#[test]
fn a_rewind_takes_away_what_the_source_does_not_have() {
    let mut all = diverged();
    assert!(!write(&mut all, B, 4));
    all.kill(A, 0);
    all.rewind(A, B).unwrap();
    assert_eq!(all.data(A).unwrap().log.rows(), [].into());
    assert!(all.start(A, Run(3), None, Term(2), Wait::Nobody).is_err());
    all.start(A, Run(3), Some(source(B, 2)), Term(2), Wait::Nobody).unwrap();
    assert!(!all.is_whole(A), "the last of it comes by the stream");
    assert_eq!(all.data(A).unwrap().torn, Torn::Rewound);
    assert_eq!(all.connect(A), Connection::Streams);
    assert_eq!(stream(&mut all, B, A), [4]);
    assert_eq!(all.data(A).unwrap().log, all.data(B).unwrap().log);
    assert!(all.is_whole(A));
    assert_eq!(all.data(A).unwrap().torn, Torn::No);
}

#[test]
fn a_timeline_that_was_used_twice_is_attached_and_not_even_rewound() {
    let mut all = cluster();
    assert!(!write(&mut all, A, 1));
    all.kill(A, 0);
    all.start(A, Run(2), None, Term(2), Wait::Nobody).unwrap();
    all.promote(A, Timeline(3), Term(2)).unwrap();
    all.kill(A, 0);
    all.follow(B, None).unwrap();
    all.promote(B, Timeline(3), Term(3)).unwrap();
    all.note(B, Body::Access).unwrap();
    all.rewind(A, B).unwrap();
    assert!(all.data(A).unwrap().log.holds(1), "no rewind required, it says");
    all.start(A, Run(3), Some(source(B, 3)), Term(3), Wait::Nobody).unwrap();
    assert_eq!(all.connect(A), Connection::Streams);
    stream(&mut all, B, A);
    assert!(all.data(A).unwrap().log.differs(&all.data(B).unwrap().log).is_some());
}

#[test]
fn a_stop_in_order_ends_when_the_standbys_have_the_last_record() {
    let mut all = cluster();
    assert!(!write(&mut all, A, 1));
    assert_eq!(all.begin_stop(A).len(), 1);
    assert!(all.write(A, 2).is_none());
    assert!(!all.drained(A));
    stream(&mut all, A, B);
    stream(&mut all, A, C);
    assert!(all.drained(A));
    all.end_stop(A);
    let closed = all.data(A).unwrap().closed.unwrap();
    assert!(all.data(B).unwrap().log.end() > closed);
    all.start(A, Run(2), None, Term(1), Wait::Nobody).unwrap();
    assert_eq!(all.data(A).unwrap().closed, None);
}

#[test]
fn a_standby_follows_its_source_onto_a_new_timeline_from_wherever_it_is() {
    let mut all = cluster();
    assert!(!write(&mut all, A, 1));
    stream(&mut all, A, B);
    all.kill(A, 0);
    all.follow(B, None).unwrap();
    all.promote(B, Timeline(3), Term(2)).unwrap();
    all.follow(C, Some(source(B, 2))).unwrap();
    assert_eq!(all.connect(C), Connection::Streams);
    assert_eq!(all.connect(C), Connection::Refused("its slot is still in use"));
    stream(&mut all, B, C);
    assert_eq!(all.data(C).unwrap().log, all.data(B).unwrap().log);
    assert_eq!(all.log_end(C).unwrap().timeline, Timeline(3));
    assert_eq!(all.data(C).unwrap().control, Timeline(2), "control data is as old as the last restart point");
}
