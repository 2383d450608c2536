//! etcd loses all that it held. A primary that serves writes its own rule back, and no client notices; where none is left, one command rebuilds it.

use anyhow::{Context, Result, ensure};
use berth_e2e::database::{Database, UNHURRIED};
use berth_e2e::{Place, Writer, deployment, eventually, kubectl};

const CLAIM: &str = "berth-etcd-data";

/// While it is stopped, etcd's volume is replaced by an empty one.
fn loses_its_volume() -> Result<()> {
    let namespace = deployment::NAMESPACE;
    kubectl::kubectl(&["delete", "persistentvolumeclaim", CLAIM, "-n", namespace])?;
    kubectl::apply(&format!(
        "apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{ name: {CLAIM}, namespace: {namespace} }}
spec:
  accessModes: [ReadWriteOnce]
  resources: {{ requests: {{ storage: 1Gi }} }}
"
    ))
}

#[test]
fn the_primary_writes_back_what_a_lost_etcd_has_forgotten_and_no_client_notices() -> Result<()> {
    let place = Place::new("story-etcd-lost")?;
    let database = Database::create(&place, "orders", 3)?;
    database.wait_ready()?;
    let (primary, term) = (database.primary()?, database.term()?);
    let writer = Writer::start(database.owner()?)?;
    writer.wait_for_more(50)?;

    let etcd = deployment::stop("berth-etcd")?;
    loses_its_volume()?;
    writer.wait_for_more(50)?;
    etcd.start()?;
    eventually(UNHURRIED, "the cluster is whole again", || {
        let ready = database.condition("Ready")?.is_some_and(|(status, ..)| status == "True");
        let told = database.object()?["status"]["blocked"].as_array().is_none_or(Vec::is_empty);
        Ok((ready && told).then_some(()))
    })?;
    writer.wait_for_more(50)?;
    // New sessions too, whose proxy has heard nothing of a route from the new etcd at first.
    assert_eq!(database.owner()?.query("select 1")?, "1");
    assert_eq!((database.primary()?, database.term()?), (primary.clone(), term), "nobody was elected");
    // Its members know each other again, and can be asked for something new.
    database.switch_over()?;
    ensure!(database.primary()? != primary && database.term()? > term);
    writer.wait_for_more(50)?;
    writer.finish()?;
    Ok(())
}

#[test]
fn with_etcd_and_every_server_lost_one_command_rebuilds_the_topology_from_the_members() -> Result<()> {
    let place = Place::new("story-rebuild")?;
    let database = Database::create(&place, "orders", 3)?;
    database.wait_ready()?;
    let term = database.term()?;
    let rows = "create table kept as select n from generate_series(1, 1000) n; select count(*) from kept";
    assert_eq!(database.owner()?.query(rows)?.lines().last(), Some("1000"));

    let etcd = deployment::stop("berth-etcd")?;
    loses_its_volume()?;
    let before = database.pods()?;
    for pod in before.keys() {
        database.delete_pod(pod, true)?;
    }
    eventually(UNHURRIED, "every server is gone", || {
        let left = database.pods()?;
        let same = |(name, pod): (&String, &serde_json::Value)| {
            left.get(name).is_some_and(|now| now["metadata"]["uid"] == pod["metadata"]["uid"])
        };
        Ok((!before.iter().any(same)).then_some(()))
    })?;
    etcd.start()?;
    eventually(UNHURRIED, "it says what can be done", || {
        Ok(database.explain()?.contains("berth rebuild-topology").then_some(()))
    })?;
    let (status, ..) = database.condition("Available")?.context("the condition Available")?;
    assert_eq!(status, "False", "nothing serves from what is on its disk alone");

    let asked = database.berth("rebuild-topology", &[])?;
    ensure!(asked.contains("no acknowledged commit is lost"), "{asked}");
    eventually(UNHURRIED, "a new term serves", || Ok((database.term()? > term).then_some(())))?;
    database.wait_ready()?;
    assert_eq!(database.owner()?.query("select count(*) from kept")?, "1000");
    ensure!(database.berth("rebuild-topology", &[]).is_err(), "there is nothing to rebuild any more");
    let writer = Writer::start(database.owner()?)?;
    writer.wait_for_more(50)?;
    writer.finish()?;
    Ok(())
}
