//! What `berth status` prints, from clusters as the API gives them.

use super::*;

const CLUSTERS: &str = include_str!("../../tests/clusters.yaml");

fn clusters() -> Vec<DatabaseCluster> {
    serde_saphyr::from_str(CLUSTERS).unwrap()
}

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

#[test]
fn a_line_a_cluster() {
    insta::assert_snapshot!(list(&clusters(), now()));
}

#[test]
fn a_cluster_that_serves() {
    insta::assert_snapshot!(one(&clusters()[0], now()));
}

#[test]
fn a_cluster_that_waits() {
    insta::assert_snapshot!(one(&clusters()[1], now()));
}

#[test]
fn a_cluster_that_nobody_looked_at() {
    insta::assert_snapshot!(one(&clusters()[2], now()));
}

#[test]
fn a_cluster_in_an_election() {
    let moments: std::collections::BTreeMap<String, DatabaseCluster> =
        serde_saphyr::from_str(include_str!("../../tests/moments.yaml")).unwrap();
    insta::assert_snapshot!(one(&moments["electing"], now()));
}
