//! The parts that control are away: clients of a running cluster do not notice.

use anyhow::Result;
use berth_e2e::database::{Database, UNHURRIED};
use berth_e2e::{Place, Writer, deployment, eventually};
use std::time::Duration;

#[test]
fn clients_go_on_while_etcd_and_then_the_operator_are_away() -> Result<()> {
    let place = Place::new("story-away")?;
    let database = Database::create(&place, "orders", 3)?;
    database.wait_ready()?;
    let writer = Writer::start(database.owner()?)?;
    let term = database.term()?;

    let etcd = deployment::stop("berth-etcd")?;
    berth_e2e::wait::outlast(Duration::from_secs(30), || {
        writer.wait_for_more(10)?;
        // New sessions too: the proxy serves from the last route that it knows.
        database.owner()?.query("select 1").map(drop)
    })?;
    etcd.start()?;
    eventually(UNHURRIED, "the cluster is whole after etcd's return", || {
        Ok(database.condition("Ready")?.filter(|(status, ..)| status == "True"))
    })?;

    let operator = deployment::stop("berth-operator")?;
    berth_e2e::wait::outlast(Duration::from_secs(10), || writer.wait_for_more(10))?;
    // The members heal a crashed server without the operator.
    let primary = database.primary()?;
    database.in_member(&primary, "kill -KILL $(head -1 /berth/data/pgdata/postmaster.pid)")?;
    writer.wait_for_more(50)?;
    operator.start()?;
    eventually(UNHURRIED, "the operator tells the new term", || {
        Ok((database.term()? == term + 1).then_some(()))
    })?;
    writer.finish()?;
    Ok(())
}

#[test]
fn a_creation_survives_ten_kills_of_the_operator() -> Result<()> {
    let undisturbed = Place::new("story-undisturbed")?;
    let calm = Database::create(&undisturbed, "orders", 3)?;
    calm.wait_ready()?;
    let expected = calm.normalised()?;

    let disturbed = Place::new("story-killed")?;
    let hurt = Database::create(&disturbed, "orders", 3)?;
    let mut kills = deployment::Kills::seeded(0x0b_e27);
    for _ in 0..10 {
        kills.strike("berth-operator", Duration::from_millis(1500))?;
    }
    hurt.wait_ready()?;
    assert_eq!(hurt.normalised()?, expected, "kills at {:?}", kills.moments());
    assert_eq!(hurt.owner()?.query("select 1")?, "1");
    Ok(())
}
