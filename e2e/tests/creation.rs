//! A cluster comes up: primary first, then the replicas together, each on a claim of its own.

use anyhow::{Context, Result};
use berth_e2e::database::{Database, is_ready, text};
use berth_e2e::{Place, audit, kubectl};
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn the_primary_comes_first_and_then_all_replicas_at_once() -> Result<()> {
    let place = Place::new("story-creation")?;
    let database = Database::create(&place, "orders", 3)?;
    database.wait_ready()?;

    let pods = database.pods()?;
    let primary = database.primary()?;
    assert_eq!(pods.len(), 3, "one pod a member: {:?}", pods.keys());
    assert!(pods.values().all(is_ready), "a ready cluster has ready pods");

    // The API server's own audit log tells when each pod was created, to the microsecond.
    let mut created = audit::creations(place.name(), "pods")?;
    created.retain(|creation| pods.contains_key(&creation.name));
    assert_eq!(created.len(), 3, "each pod is created once, not {created:?}");
    let first = created.iter().find(|c| c.name == primary).context("the primary's pod was created")?;
    let replicas: Vec<_> = created.iter().filter(|c| c.name != primary).collect();

    // The primary's agent tells in its log when it began to serve.
    let serving = database.logged(&primary, &[("message", "the rule changed"), ("phase", "Serving")])?;
    for replica in &replicas {
        assert!(
            first.at < serving && serving < replica.at,
            "{replica:?} is not after {serving} of the primary"
        );
    }
    let apart = replicas[0].at.abs_diff(replicas[1].at);
    assert!(
        apart < Duration::from_secs(1),
        "the replicas' pods are made in one reconcile, not {apart:?} apart"
    );
    Ok(())
}

#[test]
fn each_member_has_a_claim_of_its_own_and_nothing_else_is_made() -> Result<()> {
    let place = Place::new("story-claims")?;
    let database = Database::create(&place, "orders", 3)?;
    database.wait_ready()?;

    let mut volumes = BTreeSet::new();
    for (name, pod) in database.pods()? {
        let claim = format!("{name}-data");
        let found =
            database.claims()?.remove(&claim).with_context(|| format!("{name} has the claim {claim}"))?;
        volumes.insert(text(&found["spec"]["volumeName"])?.to_owned());
        assert!(found["metadata"]["ownerReferences"].is_null(), "a claim must outlive its cluster: {found}");
        let owner = &pod["metadata"]["ownerReferences"][0];
        assert_eq!(
            owner["uid"],
            database.uid()?.as_str(),
            "a pod belongs to this incarnation of the cluster"
        );
        assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
    }
    assert_eq!(volumes.len(), 3, "no two members share a volume");
    for volume in place.volumes()? {
        assert_eq!(
            volume["spec"]["persistentVolumeReclaimPolicy"], "Retain",
            "{}",
            volume["metadata"]["name"]
        );
    }
    for kind in ["statefulsets", "services", "endpoints", "replicasets", "deployments"] {
        let made = kubectl::items(&["get", kind, "-n", place.name()])?;
        assert!(made.is_empty(), "Berth makes no {kind} in a tenant's namespace: {made:?}");
    }
    Ok(())
}

#[test]
fn a_cluster_of_one_serves_without_a_quorum() -> Result<()> {
    let place = Place::new("story-one")?;
    let database = Database::create(&place, "single", 1)?;
    database.wait_ready()?;
    assert_eq!(database.owner()?.query("select 1")?, "1");
    Ok(())
}

#[test]
fn scaling_keeps_the_primary_and_every_claim() -> Result<()> {
    let place = Place::new("story-scale")?;
    let database = Database::create(&place, "orders", 3)?;
    database.wait_ready()?;
    let owner = database.owner()?;
    owner.query("create table kept as select generate_series(1, 100) as n")?;
    let primary = database.primary()?;
    let before: BTreeSet<_> = database.pods()?.into_keys().collect();

    database.scale(2)?;
    database.wait_ready()?;
    let fewer: BTreeSet<_> = database.pods()?.into_keys().collect();
    assert_eq!(fewer.len(), 2, "{fewer:?}");
    assert_eq!(database.primary()?, primary, "the primary never leaves by scaling down");
    assert_eq!(database.claims()?.len(), 3, "the claim of the member that left is retained");

    database.scale(4)?;
    database.wait_ready()?;
    let more: BTreeSet<_> = database.pods()?.into_keys().collect();
    assert_eq!(more.len(), 4);
    assert!(fewer.is_subset(&more), "members that were there stay: {fewer:?}, {more:?}");
    let reused: Vec<_> = more.difference(&fewer).filter(|m| before.contains(*m)).collect();
    assert!(reused.is_empty(), "a member's id is never used again: {reused:?}");
    assert_eq!(owner.query("select count(*) from kept")?, "100");
    assert_eq!(database.primary()?, primary);
    Ok(())
}
