//! What is shown before a loss is accepted, and what is refused.

use super::*;
use rstest::rstest;
use serde_json::Value;
use std::collections::BTreeMap;

const MOMENTS: &str = include_str!("../../tests/moments.yaml");

fn moment(name: &str) -> DatabaseCluster {
    let moments: BTreeMap<String, Value> = serde_saphyr::from_str(MOMENTS).unwrap();
    serde_json::from_value(moments[name].clone()).unwrap()
}

fn target() -> ClusterRef {
    "shop/orders".parse().unwrap()
}

/// Two of three are gone.
fn stuck() -> DatabaseCluster {
    let mut cluster = moment("electing");
    let status = cluster.status.as_mut().unwrap();
    status.members[2].state = MemberState::Absent;
    status.members[2].node = None;
    status.members[1].trouble = Some("term 5 needs 2 of the voters; 1 has pledged".to_owned());
    cluster
}

#[test]
fn what_may_be_lost_is_shown_with_who_is_left() {
    let word = word(&target(), &stuck(), None, None).unwrap();
    assert_eq!((word.member.as_str(), word.term), ("orders-m4w8z", 5), "there is no choice");
    insta::assert_snapshot!(word.text);
}

#[rstest]
#[case::it_serves(moment("serving"), Some("orders-m4w8z"), Some(4), "it serves; there is no loss to accept")]
#[case::another_term(stuck(), Some("orders-m4w8z"), Some(4), "it is in term 5, not 4; look again")]
#[case::nobody_of_that_name(stuck(), Some("orders-zzzzz"), Some(5), "there is no member orders-zzzzz")]
#[case::a_choice(moment("electing"), None, None, "name who is to begin")]
fn what_cannot_be_meant_is_refused(
    #[case] cluster: DatabaseCluster,
    #[case] member: Option<&str>,
    #[case] term: Option<u64>,
    #[case] says: &str,
) {
    let error = word(&target(), &cluster, member, term).unwrap_err();
    assert!(error.to_string().contains(says), "{error}");
}

#[test]
fn a_named_member_is_taken_as_it_is_named() {
    let word = word(&target(), &moment("electing"), Some("orders-p9x3c"), Some(5)).unwrap();
    assert_eq!((word.member.as_str(), word.term), ("orders-p9x3c", 5));
}
