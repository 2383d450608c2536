//! Who must answer, and what is refused.

use super::*;
use rstest::rstest;
use serde_json::Value;
use std::collections::BTreeMap;

const MOMENTS: &str = include_str!("../../tests/moments.yaml");

fn moment(name: &str) -> DatabaseCluster {
    let moments: BTreeMap<String, Value> = serde_saphyr::from_str(MOMENTS).unwrap();
    serde_json::from_value(moments[name].clone()).unwrap()
}

fn said(cluster: &DatabaseCluster, without: &[&str]) -> Result<String> {
    let without: Vec<String> = without.iter().map(|&name| name.to_owned()).collect();
    asks(&"shop/orders".parse().unwrap(), cluster, &without)
}

#[test]
fn everybody_must_answer_and_then_nothing_is_lost() {
    insta::assert_snapshot!(said(&moment("electing"), &[]).unwrap());
}

#[test]
fn what_is_given_up_is_said_to_be_lost() {
    let text = said(&moment("electing"), &["orders-p9x3c"]).unwrap();
    assert!(text.contains("Given up: orders-p9x3c.") && text.contains("LOST"), "{text}");
    assert!(!text.contains("orders-p9x3c is"), "{text}");
}

#[rstest]
#[case::it_serves(moment("serving"), &[], "it serves; there is no topology to rebuild")]
#[case::nobody_of_that_name(moment("electing"), &["orders-zzzzz"], "there is no member orders-zzzzz")]
fn what_cannot_be_meant_is_refused(
    #[case] cluster: DatabaseCluster,
    #[case] without: &[&str],
    #[case] says: &str,
) {
    let error = said(&cluster, without).unwrap_err();
    assert!(error.to_string().contains(says), "{error}");
}

#[test]
fn somebody_must_be_left() {
    let cluster = moment("electing");
    let all: Vec<&str> = cluster.status.as_ref().unwrap().members.iter().map(|m| m.id.as_str()).collect();
    assert!(said(&cluster, &all).unwrap_err().to_string().contains("somebody must be left"));
}
