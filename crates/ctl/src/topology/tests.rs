//! What `berth topology` prints, of one cluster at several moments.

use super::*;
use std::collections::BTreeMap;

const MOMENTS: &str = include_str!("../../tests/moments.yaml");

fn moments() -> BTreeMap<String, DatabaseCluster> {
    serde_saphyr::from_str(MOMENTS).unwrap()
}

#[test]
fn a_cluster_that_serves() {
    insta::assert_snapshot!(text(&view(&moments()["serving"])));
}

#[test]
fn a_cluster_in_an_election() {
    insta::assert_snapshot!(text(&view(&moments()["electing"])));
}

#[test]
fn a_cluster_whose_next_primary_was_chosen() {
    insta::assert_snapshot!(text(&view(&moments()["chosen"])));
}

#[test]
fn a_cluster_that_nobody_looked_at() {
    let mut cluster = moments()["serving"].clone();
    cluster.status = None;
    insta::assert_snapshot!(text(&view(&cluster)));
}

#[test]
fn an_election_as_it_is_watched() {
    let moments = moments();
    let mut last = moments["serving"].status.clone().unwrap();
    let mut lines = Vec::new();
    for name in ["serving", "electing", "chosen", "elected", "serving"] {
        let status = moments[name].status.clone().unwrap();
        lines.push(format!("- {name}"));
        lines.extend(
            changes(&last, &status).iter().map(|change| at("2026-03-01T12:00:05Z".parse().unwrap(), change)),
        );
        last = status;
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn members_that_come_and_go_are_told() {
    let old = moments()["serving"].status.clone().unwrap();
    let mut new = old.clone();
    new.members[2].id = "orders-q8r2t".to_owned();
    assert_eq!(changes(&old, &new), ["orders-q8r2t is a new member", "orders-p9x3c has left"]);
}
