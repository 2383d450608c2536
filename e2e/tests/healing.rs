//! Things are hurt while a tenant writes: each heals by itself, and nothing that was acknowledged is lost.

use anyhow::{Context, Result, ensure};
use berth_e2e::database::{Database, UNHURRIED, text};
use berth_e2e::{Place, Writer, eventually, kubernetes};

/// A cluster of three with a tenant that writes.
fn written_to(place: &Place) -> Result<(Database, Writer)> {
    let database = Database::create(place, "orders", 3)?;
    database.wait_ready()?;
    let writer = Writer::start(database.owner()?)?;
    Ok((database, writer))
}

/// Waits for a term above `term` in which writes go on.
fn wait_for_new_term(database: &Database, writer: &Writer, term: u64) -> Result<()> {
    eventually(UNHURRIED, "a new term", || Ok((database.term()? > term).then_some(())))?;
    writer.wait_for_more(50)
}

#[test]
fn a_replicas_pod_comes_back_on_its_claim_without_a_new_copy() -> Result<()> {
    let place = Place::new("story-replica")?;
    let (database, writer) = written_to(&place)?;
    let term = database.term()?;
    let replica = database.replicas()?.pop_first().unwrap_or_default();
    let pod = database.pods()?.remove(&replica).unwrap_or_default();
    let volume = database.claims()?[&format!("{replica}-data")]["spec"]["volumeName"].clone();
    let birth = database.in_member(&replica, "stat -c %W:%i /berth/data/pgdata/PG_VERSION")?;

    database.delete_pod(&replica, false)?;
    let successor = database.wait_for_pods_successor(&replica, text(&pod["metadata"]["uid"])?)?;

    assert_eq!(successor["metadata"]["name"], replica.as_str());
    assert_eq!(database.claims()?[&format!("{replica}-data")]["spec"]["volumeName"], volume);
    assert_eq!(
        database.in_member(&replica, "stat -c %W:%i /berth/data/pgdata/PG_VERSION")?,
        birth,
        "no new copy was made"
    );
    assert_eq!(database.term()?, term, "a replica's restart is no election");
    writer.wait_for_more(20)?;
    let record = writer.finish()?;
    assert_eq!(record.sessions_lost, 0, "tenants do not notice: {:?}", record.errors);
    Ok(())
}

#[test]
fn the_primarys_pod_is_deleted_and_writes_go_on_in_a_new_term() -> Result<()> {
    let place = Place::new("story-primary")?;
    let (database, writer) = written_to(&place)?;
    for at_once in [false, true] {
        let term = database.term()?;
        let primary = database.primary()?;
        database.delete_pod(&primary, at_once)?;
        wait_for_new_term(&database, &writer, term)?;
    }
    database.wait_ready()?;
    let record = writer.finish()?;
    ensure!(record.acknowledged.len() > 100, "the writer wrote: {}", record.acknowledged.len());
    Ok(())
}

#[test]
fn the_agent_is_killed_and_the_database_does_not_notice() -> Result<()> {
    let place = Place::new("story-agent")?;
    let (database, writer) = written_to(&place)?;
    let term = database.term()?;
    let primary = database.primary()?;
    // The agent is the child of PID 1 that has the agent's name and mode.
    let pid =
        database.in_member(&primary, "grep -lsz '^agent$' /proc/[0-9]*/cmdline | cut -d/ -f3 | head -1")?;
    database.in_member(&primary, &format!("kill -KILL {}", pid.trim()))?;
    eventually(UNHURRIED, "the warden starts the agent again", || {
        let now = database
            .in_member(&primary, "grep -lsz '^agent$' /proc/[0-9]*/cmdline | cut -d/ -f3 | head -1")?;
        Ok((!now.trim().is_empty() && now != pid).then_some(()))
    })?;
    writer.wait_for_more(50)?;
    database.wait_ready()?;
    assert_eq!(database.term()?, term, "the server went on in its term");
    let record = writer.finish()?;
    assert_eq!(record.sessions_lost, 0, "tenants do not notice: {:?}", record.errors);
    Ok(())
}

#[test]
fn a_replicas_node_loses_power_and_its_member_comes_back_with_it() -> Result<()> {
    let place = Place::new("story-power")?;
    let (database, writer) = written_to(&place)?;
    let kubernetes = kubernetes::attach()?;
    let replica = database.replicas()?.pop_first().unwrap_or_default();
    let node = kubernetes.node_of(&database.pods()?[&replica])?;
    kubernetes.without_power(node, || {
        // False where the topology is known; Unknown where etcd was on that node too.
        eventually(UNHURRIED, "the cluster's status tells that it is not whole", || {
            Ok(database.condition("Ready")?.filter(|(status, ..)| status != "True"))
        })
    })?;
    database.wait_ready()?;
    writer.wait_for_more(20)?;
    writer.finish()?;
    Ok(())
}

#[test]
fn a_member_whose_volume_is_spoilt_is_made_anew_on_another_claim_and_the_old_one_is_kept() -> Result<()> {
    let place = Place::new("story-spoilt")?;
    let (database, writer) = written_to(&place)?;
    let term = database.term()?;
    let spoilt = database.replicas()?.pop_first().unwrap_or_default();
    database.in_member(&spoilt, "echo nonsense > /berth/data/berth/ledger.json")?;
    database.delete_pod(&spoilt, false)?;
    eventually(UNHURRIED, "another member takes its place", || {
        let all = database.pods()?;
        Ok((all.len() == 3 && !all.contains_key(&spoilt)).then_some(()))
    })?;
    database.wait_ready()?;
    let claims = database.claims()?;
    let kept = claims.get(&format!("{spoilt}-data")).context("the old claim is kept")?;
    ensure!(kept["metadata"]["deletionTimestamp"].is_null(), "nobody deletes it");
    assert_eq!(claims.len(), 4, "one claim more, and not one after the other");
    assert_eq!(database.term()?, term, "the ladder of a replica is no election");
    writer.wait_for_more(20)?;
    let record = writer.finish()?;
    assert_eq!(record.sessions_lost, 0, "tenants do not notice: {:?}", record.errors);
    Ok(())
}
