//! The primary is lost while a tenant writes: another member serves in a new term, nothing acknowledged is lost, and the old one comes back as
//! a replica without a person.

use anyhow::{Result, ensure};
use berth_e2e::database::{Database, UNHURRIED};
use berth_e2e::{Place, Writer, deployment, eventually, kubectl, kubernetes};

/// A cluster of three with a tenant that writes.
fn written_to(place: &Place) -> Result<(Database, Writer)> {
    let database = Database::create(place, "orders", 3)?;
    database.wait_ready()?;
    let writer = Writer::start(database.owner()?)?;
    Ok((database, writer))
}

/// Waits until another member than `old` is primary in a higher term than `term`, and the tenant's writes go on.
fn wait_for_another(database: &Database, writer: &Writer, old: &str, term: u64) -> Result<String> {
    let primary = eventually(UNHURRIED, "another primary in a new term", || {
        Ok((database.term()? > term).then(|| database.primary()).transpose()?.filter(|new| new != old))
    })?;
    writer.wait_for_more(50)?;
    Ok(primary)
}

fn kill_postgres(database: &Database, member: &str) -> Result<()> {
    database.in_member(member, "kill -KILL $(head -1 /berth/data/pgdata/postmaster.pid)").map(drop)
}

#[test]
fn postgres_is_killed_and_a_replica_takes_over() -> Result<()> {
    let place = Place::new("story-takeover")?;
    let (database, writer) = written_to(&place)?;
    let (old, term) = (database.primary()?, database.term()?);
    kill_postgres(&database, &old)?;
    wait_for_another(&database, &writer, &old, term)?;
    database.wait_ready()?;
    ensure!(database.replicas()?.contains(&old), "{old} came back as a replica");
    let record = writer.finish()?;
    ensure!(record.sessions_lost <= 1, "one session at most sees it: {:?}", record.errors);
    Ok(())
}

#[test]
fn members_fail_over_while_operator_and_api_server_are_away() -> Result<()> {
    let place = Place::new("story-headless")?;
    let (database, writer) = written_to(&place)?;
    let (old, term) = (database.primary()?, database.term()?);
    let kubernetes = kubernetes::attach()?;
    let container = kubernetes.container(&database.pods()?[&old], "database")?;
    let operator = deployment::stop("berth-operator")?;
    kubernetes.without_api_server(|| {
        // The whole container, as a kernel that is out of memory kills it: warden and agent too.
        kubernetes.kill(&container)?;
        writer.wait_for_more(50)
    })?;
    operator.start()?;
    wait_for_another(&database, &writer, &old, term)?;
    database.wait_ready()?;
    writer.finish()?;
    Ok(())
}

#[test]
fn a_node_without_power_is_failed_over_and_its_member_comes_back_as_a_replica() -> Result<()> {
    let place = Place::new("story-node-lost")?;
    let (database, writer) = written_to(&place)?;
    let kubernetes = kubernetes::attach()?;
    // The topology's etcd has one member here; a node that takes it along takes elections with it.
    let etcd =
        kubectl::items(&["get", "pods", "-n", "berth-system", "-l", "app.kubernetes.io/name=berth-etcd"])?;
    let etcd = kubernetes.node_of(&etcd[0])?;
    if kubernetes.node_of(&database.pods()?[&database.primary()?])? == etcd {
        let (old, term) = (database.primary()?, database.term()?);
        database.switch_over()?;
        wait_for_another(&database, &writer, &old, term)?;
        database.wait_ready()?;
    }
    let (old, term) = (database.primary()?, database.term()?);
    let node = kubernetes.node_of(&database.pods()?[&old])?;
    kubernetes.without_power(node, || wait_for_another(&database, &writer, &old, term).map(drop))?;
    database.wait_ready()?;
    ensure!(database.replicas()?.contains(&old), "{old} came back as a replica");
    writer.finish()?;
    Ok(())
}

#[test]
fn all_nodes_lose_power_at_once_and_the_cluster_comes_back_with_every_row() -> Result<()> {
    let place = Place::new("story-power-cut")?;
    let (database, writer) = written_to(&place)?;
    kubernetes::attach()?.power_cut()?;
    writer.wait_for_more(50)?;
    database.wait_ready()?;
    writer.finish()?;
    Ok(())
}

#[test]
fn a_primary_whose_disk_hangs_is_failed_over_and_says_so() -> Result<()> {
    let place = Place::new("story-hanging-disk")?;
    let (database, writer) = written_to(&place)?;
    let (old, term) = (database.primary()?, database.term()?);
    let kubernetes = kubernetes::attach()?;
    let claim = &database.claims()?[&format!("{old}-data")];
    let disk = kubernetes.disk(&database.pods()?[&old], claim)?;
    kubernetes.with_hanging(&disk, || {
        wait_for_another(&database, &writer, &old, term)?;
        let said = eventually(UNHURRIED, "the member tells what it waits for", || {
            let said = database.explain()?;
            Ok(said.contains("disk").then_some(said))
        })?;
        ensure!(said.contains(&old), "it names {old}: {said}");
        Ok(())
    })?;
    database.wait_ready()?;
    ensure!(database.replicas()?.contains(&old), "{old} came back as a replica");
    writer.finish()?;
    Ok(())
}

#[test]
fn a_frozen_postmaster_is_a_failure_too() -> Result<()> {
    let place = Place::new("story-frozen")?;
    let (database, writer) = written_to(&place)?;
    let (old, term) = (database.primary()?, database.term()?);
    // The whole server freezes, its sessions with it; the agent does not.
    database.in_member(&old, "pkill -STOP postgres")?;
    wait_for_another(&database, &writer, &old, term)?;
    database.wait_ready()?;
    writer.finish()?;
    Ok(())
}

#[test]
fn a_frozen_agent_cannot_keep_an_old_primary_alive() -> Result<()> {
    let place = Place::new("story-frozen-agent")?;
    let (database, writer) = written_to(&place)?;
    let (old, term) = (database.primary()?, database.term()?);
    database
        .in_member(&old, "kill -STOP $(grep -lsz '^agent$' /proc/[0-9]*/cmdline | cut -d/ -f3 | head -1)")?;
    wait_for_another(&database, &writer, &old, term)?;
    // The agent wakes with the end of its server, and begins anew as a replica's.
    let log = kubectl::kubectl(&["logs", &old, "-n", place.name(), "-c", "database"])?;
    ensure!(
        log.contains("passed: it is killed"),
        "the warden ended the old primary by itself, at the end of its lease"
    );
    database.wait_ready()?;
    writer.finish()?;
    Ok(())
}

#[test]
fn a_planned_switchover_moves_the_primary_without_losing_a_row() -> Result<()> {
    let place = Place::new("story-switchover")?;
    let (database, writer) = written_to(&place)?;
    let (old, term) = (database.primary()?, database.term()?);
    let birth = database.in_member(&old, "stat -c %W:%i /berth/data/pgdata/PG_VERSION")?;
    database.switch_over()?;
    wait_for_another(&database, &writer, &old, term)?;
    database.wait_ready()?;
    let after = database.in_member(&old, "stat -c %W:%i /berth/data/pgdata/PG_VERSION")?;
    ensure!(birth == after, "the old primary follows on its own data");
    let again = (database.primary()?, database.term()?);
    database.delete_pod(&again.0, false)?;
    wait_for_another(&database, &writer, &again.0, again.1)?;
    database.wait_ready()?;
    let record = writer.finish()?;
    ensure!(record.sessions_lost == 0, "tenants do not notice: {:?}", record.errors);
    Ok(())
}
