//! What `berth explain` prints, from objects as the API gives them.

use super::*;

const CLUSTERS: &str = include_str!("../../tests/clusters.yaml");
const PODS: &str = include_str!("../../tests/pods.yaml");
const EVENTS_OF_ONE: &str = include_str!("../../tests/events.yaml");

fn explained(at: usize, pods: &[Pod], events: Vec<Event>) -> String {
    let clusters: Vec<DatabaseCluster> = serde_saphyr::from_str(CLUSTERS).unwrap();
    text::render(&explain(&clusters[at], pods, events), "2026-03-01T12:00:00Z".parse().unwrap())
}

#[test]
fn a_cluster_that_serves() {
    insta::assert_snapshot!(explained(0, &[], Vec::new()));
}

#[test]
fn a_cluster_that_waits_for_an_image() {
    let pods: Vec<Pod> = serde_saphyr::from_str(PODS).unwrap();
    let events: Vec<Event> = serde_saphyr::from_str(EVENTS_OF_ONE).unwrap();
    insta::assert_snapshot!(explained(1, &pods, events));
}

#[test]
fn a_cluster_that_nobody_looked_at() {
    insta::assert_snapshot!(explained(2, &[], Vec::new()));
}

#[test]
fn a_cluster_in_an_election() {
    let moments: std::collections::BTreeMap<String, DatabaseCluster> =
        serde_saphyr::from_str(include_str!("../../tests/moments.yaml")).unwrap();
    let explanation = explain(&moments["electing"], &[], Vec::new());
    insta::assert_snapshot!(text::render(&explanation, "2026-03-01T12:00:00Z".parse().unwrap()));
}
