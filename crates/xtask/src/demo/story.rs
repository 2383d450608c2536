//! What a newcomer would do with Berth on the first day, each step shown as the command that does it.

use crate::run::{self, say};
use anyhow::{Context, Result};
use berth_e2e::database::{Database, UNHURRIED};
use berth_e2e::{Place, Writer, eventually};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What was measured, in the order of the story.
#[derive(Default)]
struct Measured(Vec<(&'static str, String)>);

impl Measured {
    fn seconds(&mut self, what: &'static str, time: Duration) {
        self.0.push((what, format!("{:.1} s", time.as_secs_f64())));
    }
}

pub(super) fn tell() -> Result<()> {
    let mut measured = Measured::default();
    let place = Place::new("shop")?;
    let database = Database::named(&place, "orders");

    title("A cluster of three, by one object");
    let began = Instant::now();
    typed("kubectl", &["apply", "-f", "manifests/samples/orders.yaml"])?;
    let first = eventually(UNHURRIED, "the first SELECT through the proxy", || {
        Ok(database.owner()?.ask("select 1", &[])?.ok.then(|| began.elapsed()))
    })?;
    database.wait_ready()?;
    measured.seconds("apply → first SELECT through the proxy", first);
    measured.seconds("apply → all three members in place", began.elapsed());
    typed("kubectl", &["get", "databaseclusters,pods,persistentvolumeclaims", "-n", "shop"])?;
    typed("berth", &["status", "shop/orders"])?;

    title("A tenant, who knows one endpoint and no pod");
    typed("berth", &["psql", "shop/orders", "--", "-c", "select current_user, version()"])?;
    let owner = database.owner()?;
    shown(owner.client("pgbench")?, &["-i", "-q", "-s", "5"])?;
    let run =
        owner.client("pgbench")?.args(["-n", "-c", "8", "-j", "2", "-T", "15", "-M", "prepared"]).output()?;
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    say(&format!("\n$ pgbench -n -c 8 -j 2 -T 15 -M prepared\n{said}"));
    let tps = said.lines().find_map(|l| l.strip_prefix("tps = ")).and_then(|l| l.split(' ').next());
    let tps: f64 = tps.context("pgbench told no rate")?.parse().context("pgbench's rate is no number")?;
    measured.0.push(("pgbench (TPC-B, 8 clients) through the proxy", format!("{tps:.0} transactions/s")));

    title("Pods are deleted while a tenant writes");
    let writer = Writer::start(database.owner()?)?;
    let replica = database.replicas()?.pop_first().context("there is a replica")?;
    let healed = delete_and_heal(&database, &replica, &writer)?;
    measured.seconds("a replica's pod deleted → whole again", healed);
    writer.finish()?;

    let writer = Writer::start(database.owner()?)?;
    let term = database.term()?;
    let primary = database.primary()?;
    let healed = delete_and_heal(&database, &primary, &writer)?;
    measured.seconds("the primary's pod deleted → whole again", healed);
    say(&format!("The term went from {term} to {}.", database.term()?));
    let record = writer.finish()?;
    measured.seconds("  longest pause that a writer saw", record.longest_pause);
    measured.0.push(("  rows acknowledged / lost", format!("{} / 0", record.acknowledged.len())));

    title("PostgreSQL is killed while a tenant writes, and a replica takes over");
    let writer = Writer::start(database.owner()?)?;
    let term = database.term()?;
    let primary = database.primary()?;
    typed(
        "kubectl",
        &[
            "exec",
            &primary,
            "-n",
            "shop",
            "-c",
            "database",
            "--",
            "bash",
            "-c",
            "kill -KILL $(head -1 /berth/data/pgdata/postmaster.pid)",
        ],
    )?;
    eventually(UNHURRIED, "a new term", || Ok((database.term()? > term).then_some(())))?;
    writer.wait_for_more(20)?;
    typed("berth", &["status", "shop/orders"])?;
    database.wait_ready()?;
    let record = writer.finish()?;
    measured.seconds("PostgreSQL killed: longest pause that a writer saw", record.longest_pause);
    measured.0.push(("  rows acknowledged / lost", format!("{} / 0", record.acknowledged.len())));

    title("The primary is moved by request, and nobody notices");
    let writer = Writer::start(database.owner()?)?;
    typed("berth", &["switchover", "shop/orders"])?;
    writer.wait_for_more(20)?;
    database.wait_ready()?;
    let record = writer.finish()?;
    measured.seconds("planned switchover: longest pause that a writer saw", record.longest_pause);
    measured.0.push(("  sessions lost", record.sessions_lost.to_string()));

    title("The cluster is deleted; its volumes are not");
    typed("kubectl", &["delete", "databasecluster", "orders", "-n", "shop"])?;
    typed("kubectl", &["get", "pods,persistentvolumeclaims", "-n", "shop"])?;

    title("Measured in this run");
    let widest = measured.0.iter().map(|(what, _)| what.chars().count()).max().unwrap_or_default();
    for (what, value) in &measured.0 {
        say(&format!("  {what:widest$}  {value}"));
    }
    Ok(())
}

/// Deletes a member's pod and waits until the writer goes on and every member is in its place.
fn delete_and_heal(database: &Database, member: &str, writer: &Writer) -> Result<Duration> {
    let uid = database.pods()?[member]["metadata"]["uid"].as_str().context("a pod has a uid")?.to_owned();
    let began = Instant::now();
    typed("kubectl", &["delete", "pod", member, "-n", "shop", "--wait=false"])?;
    database.wait_for_pods_successor(member, &uid)?;
    database.wait_ready()?;
    let healed = began.elapsed();
    writer.wait_for_more(20)?;
    typed("berth", &["status", "shop/orders"])?;
    Ok(healed)
}

fn title(text: &str) {
    say(&format!("\n━━ {text} ━━"));
}

/// Runs a command as a person would type it, its output shown.
fn typed(program: &str, arguments: &[&str]) -> Result<()> {
    run::shown(run::command(program, arguments))
}

/// The same for a client that already has its connection in its environment.
fn shown(mut client: Command, arguments: &[&str]) -> Result<()> {
    client.args(arguments).stdin(Stdio::null());
    run::shown(client)
}
