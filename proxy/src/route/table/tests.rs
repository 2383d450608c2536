//! The table under changes in every order that a store may tell them in.

use super::*;
use berth_core::disk::Space;
use berth_core::topology::Endpoint;
use proptest::prelude::*;

fn cluster() -> ClusterRef {
    "shop/orders".parse().unwrap()
}

fn uid(text: &str) -> ClusterUid {
    ClusterUid::new(text).unwrap()
}

fn route(term: u64, revision: i64, member: &str) -> Change {
    change("one", term, revision, Phase::Serving, Admission::ReadWrite, Some(member))
}

fn change(
    id: &str,
    term: u64,
    revision: i64,
    phase: Phase,
    admission: Admission,
    member: Option<&str>,
) -> Change {
    let primary = member.map(|m| Endpoint {
        member: MemberId::new(format!("orders-{m}")).unwrap(),
        address: format!("{m}:5432"),
    });
    let value = Route {
        cluster: cluster(),
        term: Term(term),
        phase,
        admission,
        primary,
        replicas: vec![],
        space: Space::Ample,
    };
    Change::Route(cluster(), uid(id), Some(Stored { value, revision: Revision(revision), restored: false }))
}

fn address(table: &Table) -> Option<String> {
    table.find(&cluster()).and_then(|e| e.target()).map(|t| t.address)
}

#[test]
fn the_highest_term_and_then_the_highest_revision_wins() {
    let table = Table::default();
    assert!(table.apply(&route(2, 10, "aaaaa")));
    assert!(!table.apply(&route(1, 11, "bbbbb")), "an older term never wins, whatever its revision");
    assert!(!table.apply(&route(2, 9, "bbbbb")));
    assert_eq!(address(&table).as_deref(), Some("aaaaa:5432"));
    assert!(table.apply(&route(3, 5, "ccccc")), "a store restored from a backup counts lower revisions");
    assert_eq!(address(&table).as_deref(), Some("ccccc:5432"));
}

#[test]
fn only_a_serving_primary_with_an_open_gate_is_a_target() {
    for (phase, admission, member, is_target) in [
        (Phase::Serving, Admission::ReadWrite, Some("aaaaa"), true),
        (Phase::Serving, Admission::Closed, Some("aaaaa"), false),
        (Phase::Serving, Admission::ReadWrite, None, false),
        (Phase::Electing, Admission::ReadWrite, Some("aaaaa"), false),
        (Phase::Switching, Admission::ReadWrite, Some("aaaaa"), false),
        (Phase::Bootstrapping, Admission::Closed, None, false),
    ] {
        let table = Table::default();
        table.apply(&change("one", 1, 1, phase, admission, member));
        assert_eq!(address(&table).is_some(), is_target, "{phase:?} {admission:?} {member:?}");
    }
}

#[test]
fn a_new_incarnation_takes_the_name_and_the_old_one_cannot_take_it_back() {
    let table = Table::default();
    table.apply(&route(9, 10, "aaaaa"));
    table.apply(&change("two", 1, 20, Phase::Serving, Admission::ReadWrite, Some("bbbbb")));
    assert_eq!(address(&table).as_deref(), Some("bbbbb:5432"));
    table.apply(&route(10, 30, "aaaaa"));
    assert_eq!(address(&table).as_deref(), Some("bbbbb:5432"));
    table.apply(&Change::Route(cluster(), uid("two"), None));
    assert_eq!(address(&table).as_deref(), Some("aaaaa:5432"));
}

#[test]
fn a_list_removes_what_it_lacks_and_brings_nothing_back_older() {
    let table = Table::default();
    table.apply(&route(5, 10, "aaaaa"));
    let mut heard = table.find(&cluster()).unwrap().subscribe();
    table.list(&[], Continuity::Unbroken);
    assert_eq!(address(&table), None);
    assert!(heard.borrow_and_update().gone, "sessions hear of it");
    table.list(&[route(4, 12, "bbbbb")], Continuity::Unbroken);
    assert_eq!(address(&table), None, "an older term stays away");
    table.list(&[route(6, 3, "ccccc")], Continuity::Unbroken);
    assert_eq!(address(&table).as_deref(), Some("ccccc:5432"));
}

#[test]
fn a_store_that_was_lost_takes_no_route_away_and_is_followed_again_when_it_speaks() {
    let table = Table::default();
    table.apply(&route(5, 1_000, "aaaaa"));
    let heard = table.find(&cluster()).unwrap().subscribe();
    table.list(&[], Continuity::Broken);
    assert_eq!(address(&table).as_deref(), Some("aaaaa:5432"), "tenants go on");
    table.list(&[], Continuity::Unbroken);
    assert_eq!(address(&table).as_deref(), Some("aaaaa:5432"), "however often it lists nothing");
    assert!(!heard.has_changed().unwrap());
    table.apply(&route(4, 7, "bbbbb"));
    assert_eq!(address(&table).as_deref(), Some("aaaaa:5432"), "an older term never wins");
    table.apply(&route(5, 8, "ccccc"));
    assert_eq!(address(&table).as_deref(), Some("ccccc:5432"), "its revisions begin anew");
    table.apply(&change("two", 1, 9, Phase::Serving, Admission::ReadWrite, Some("ddddd")));
    assert_eq!(address(&table).as_deref(), Some("ddddd:5432"), "and so do incarnations");
}

#[test]
fn those_who_wait_are_bounded() {
    let table = Table::default();
    table.apply(&route(1, 1, "aaaaa"));
    let entry = table.find(&cluster()).unwrap();
    let (first, second) = (entry.hold(2), entry.hold(2));
    assert!(first.is_some() && second.is_some());
    assert!(entry.hold(2).is_none());
    assert_eq!(entry.held(), 2);
    drop(first);
    assert!(entry.hold(2).is_some());
}

proptest! {
    #[test]
    fn it_never_goes_back(changes in proptest::collection::vec((1u64..6, 1i64..6, any::<bool>()), 1..40)) {
        let table = Table::default();
        let mut highest = None;
        for (term, revision, listed) in changes {
            let record = route(term, revision, "aaaaa");
            if listed { table.list(&[record], Continuity::Unbroken) } else { table.apply(&record); }
            highest = highest.max(Some((Term(term), Revision(revision))));
            let current = table.find(&cluster()).unwrap().current();
            prop_assert_eq!(Some((current.route.term, current.revision)), highest);
        }
    }
}
