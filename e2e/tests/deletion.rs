//! A cluster is deleted: its data is not, and what comes after under the same name never touches it.

use anyhow::Result;
use berth_e2e::database::{Database, UNHURRIED, text};
use berth_e2e::kubectl::{self, kubectl};
use berth_e2e::{Place, eventually};
use std::collections::BTreeSet;

#[test]
fn a_new_cluster_of_the_same_name_starts_from_nothing() -> Result<()> {
    let place = Place::new("story-again")?;
    let first = Database::create(&place, "orders", 2)?;
    first.wait_ready()?;
    first.owner()?.query("create table of_the_first as select 1 as n")?;
    let old_claims: BTreeSet<_> = first.claims()?.into_keys().collect();
    let old_password = first.owner()?.password().to_owned();

    kubectl(&["delete", "databasecluster", "orders", "-n", place.name(), "--timeout=120s"])?;
    let second = Database::create(&place, "orders", 2)?;
    second.wait_ready()?;

    let new_claims: BTreeSet<_> = second.claims()?.into_keys().collect();
    assert!(old_claims.is_disjoint(&new_claims), "{old_claims:?} and {new_claims:?}");
    let owner = second.owner()?;
    assert_eq!(owner.query("select to_regclass('of_the_first') is null")?, "t", "the old data is not served");
    assert_ne!(owner.password(), old_password);
    for claim in &old_claims {
        let kept = kubectl::json(&["get", "pvc", claim, "-n", place.name()])?;
        assert_eq!(kept["status"]["phase"], "Bound", "the old claim is retained with its volume");
    }
    Ok(())
}

#[test]
fn deleting_the_namespace_leaves_the_volumes() -> Result<()> {
    let place = Place::new("story-namespace")?;
    let database = Database::create(&place, "orders", 2)?;
    database.wait_ready()?;
    let volumes: BTreeSet<String> = place
        .volumes()?
        .iter()
        .map(|v| text(&v["metadata"]["name"]).map(str::to_owned))
        .collect::<Result<_>>()?;
    assert_eq!(volumes.len(), 2);

    kubectl(&["delete", "namespace", place.name(), "--wait=true", "--timeout=180s"])?;

    for name in &volumes {
        let volume = eventually(UNHURRIED, "the volume is released", || {
            let volume = kubectl::json(&["get", "pv", name])?;
            Ok((volume["status"]["phase"] == "Released").then_some(volume))
        })?;
        assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    }
    Ok(())
}

#[test]
fn what_others_made_under_a_members_name_is_reported_and_not_touched() -> Result<()> {
    let place = Place::new("story-foreign")?;
    let database = Database::create(&place, "orders", 2)?;
    database.wait_ready()?;
    let replica = database.replicas()?.pop_first().unwrap_or_default();
    // Paused, so that the name stays free between the deletion of the member's pod and the making of the foreign one.
    database.set_state("Paused")?;
    database.delete_pod(&replica, false)?;
    eventually(
        UNHURRIED,
        "the pod is gone",
        || Ok((!database.pods()?.contains_key(&replica)).then_some(())),
    )?;
    kubectl::apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {replica}, namespace: {}}}\nspec:\n  terminationGracePeriodSeconds: 0\n  securityContext:\n    runAsNonRoot: true\n    runAsUser: 999\n    seccompProfile: {{type: RuntimeDefault}}\n  \
         containers:\n  - name: foreign\n    image: docker.io/library/postgres:17\n    command: [sleep, infinity]\n    securityContext:\n      allowPrivilegeEscalation: false\n      capabilities: {{drop: [ALL]}}\n",
        place.name()
    ))?;
    let foreign = kubectl::json(&["get", "pod", &replica, "-n", place.name()])?;
    database.set_state("Running")?;
    eventually(UNHURRIED, "the foreign pod is reported", || {
        let blocked = database.object()?["status"]["blocked"].to_string();
        Ok(blocked.contains(&replica).then_some(()))
    })?;
    let now = kubectl::json(&["get", "pod", &replica, "-n", place.name()])?;
    assert_eq!(now["metadata"]["uid"], foreign["metadata"]["uid"]);
    assert_eq!(now["metadata"]["labels"], foreign["metadata"]["labels"]);

    kubectl(&["delete", "pod", &replica, "-n", place.name()])?;
    database.wait_ready()
}
