//! More volumes are lost than a commit is on: nothing goes on by itself, the cluster says what it lacks, and a person's word brings it back.

use anyhow::{Context, Result, ensure};
use berth_e2e::database::{Database, UNHURRIED, text};
use berth_e2e::{Place, Writer, deployment, eventually, kubectl, kubernetes};

#[test]
fn with_two_of_three_volumes_lost_a_person_decides_and_the_cluster_goes_on() -> Result<()> {
    let place = Place::new("story-loss")?;
    let database = Database::create(&place, "orders", 3)?;
    database.wait_ready()?;
    let writer = Writer::start(database.owner()?)?;
    writer.wait_for_more(50)?;
    writer.finish()?;
    let (primary, term) = (database.primary()?, database.term()?);
    let mut replicas = database.replicas()?;
    let other = replicas.pop_first().context("a replica")?;
    let left = replicas.pop_first().context("another replica")?;
    let namespace = database.namespace();
    // It would see that the claims go, and move the primary in time.
    let operator = deployment::stop("berth-operator")?;
    for member in [&other, &primary] {
        let claim = format!("{member}-data");
        kubectl::kubectl(&["delete", "persistentvolumeclaim", &claim, "-n", namespace, "--wait=false"])?;
    }
    // The replica first, because the other one would be enough for an election together with it; then the primary without a moment to hand over.
    database.delete_pod(&other, true)?;
    eventually(UNHURRIED, "the replica is gone", || {
        Ok(database.in_member(&other, "true").is_err().then_some(()))
    })?;
    let kubernetes = kubernetes::attach()?;
    let node = kubernetes.node_of(&database.pods()?[&primary])?;
    kubernetes.without_power(node, || database.delete_pod(&primary, true))?;
    operator.start()?;

    eventually(UNHURRIED, "it says that a person must decide", || {
        Ok(database.explain()?.contains("berth accept-loss").then_some(()))
    })?;
    let (status, ..) = database.condition("Available")?.context("the condition Available")?;
    assert_eq!(status, "False", "nobody serves without a person's word");
    let stuck = database.term()?;
    ensure!(stuck >= term, "terms never go back");
    let shown = database.berth("accept-loss", &["--member", &left])?;
    ensure!(shown.contains("LOST") && shown.contains("Nothing was changed"), "{shown}");

    database.berth("accept-loss", &["--member", &left, "--term", &stuck.to_string(), "--yes"])?;
    database.wait_ready()?;
    let told = &database.object()?["status"]["acceptedLoss"];
    assert_eq!((text(&told["state"])?, text(&told["member"])?), ("Used", left.as_str()), "{told}");
    ensure!(database.term()? > stuck, "in a new term");
    let all = database.pods()?;
    ensure!(all.len() == 3 && !all.contains_key(&primary) && !all.contains_key(&other), "{:?}", all.keys());
    let events = kubectl::kubectl(&["get", "events", "-n", namespace])?;
    ensure!(events.contains("LossAccepted"), "an event tells it: {events}");
    let writer = Writer::start(database.owner()?)?;
    writer.wait_for_more(50)?;
    writer.finish()?;
    Ok(())
}
