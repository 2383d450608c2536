//! The data volumes fill: writes are refused with a word of their own, nothing ends, and writes go on when there is room again.

use anyhow::{Context, Result, ensure};
use berth_e2e::database::{Database, UNHURRIED};
use berth_e2e::{Place, Tenant, eventually, kubectl};

/// Eight megabytes that nothing compresses.
const MORE: &str =
    "INSERT INTO heap SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 250000)";
/// More than a volume of 512 MiB holds, were it ever taken.
const TOO_MUCH: u32 = 64;

/// Writes until it is refused for want of room, and says how.
fn fill(tenant: &Tenant) -> Result<String> {
    for _ in 0..TOO_MUCH {
        let answer = tenant.ask(MORE, &[])?;
        if !answer.ok {
            return Ok(answer.error);
        }
    }
    anyhow::bail!("a volume of 512 MiB took everything")
}

/// Waits until a write is taken again, and nothing waits for a person any more.
fn wait_for_writes(database: &Database, tenant: &Tenant) -> Result<()> {
    eventually(UNHURRIED, "writes are taken again", || Ok(tenant.ask(MORE, &[])?.ok.then_some(())))?;
    database.wait_ready()
}

#[test]
fn full_volumes_refuse_writes_until_somebody_makes_room_or_they_grow() -> Result<()> {
    let place = Place::new("story-full-disk")?;
    let database = Database::create(&place, "orders", 3)?;
    database.wait_ready()?;
    let tenant = database.owner()?;
    tenant.query("CREATE TABLE heap (what text)")?;
    tenant.query("ALTER TABLE heap ALTER what SET STORAGE EXTERNAL")?;
    let (primary, term) = (database.primary()?, database.term()?);

    let refused = fill(&tenant)?;
    ensure!(refused.contains("53100") && refused.contains(&primary), "it says what is full: {refused}");
    eventually(UNHURRIED, "the status says that writes are refused", || {
        let available = database.condition("Available")?;
        Ok(available.filter(|(status, reason, _)| status == "False" && reason == "DiskFull"))
    })?;
    let said = database.explain()?;
    ensure!(
        said.contains(&primary) && said.contains("full") && said.contains("spec.storage.data.size"),
        "{said}"
    );
    ensure!(tenant.query("SELECT count(*) > 0 FROM heap")? == "t", "reads go on");

    // A session that insists makes room, and writes go on by themselves.
    tenant.query("BEGIN READ WRITE; TRUNCATE heap; COMMIT")?;
    wait_for_writes(&database, &tenant)?;

    // The same again, and the volumes are made larger.
    let refused = fill(&tenant)?;
    ensure!(refused.contains("53100"), "{refused}");
    let rows = tenant.query("SELECT count(*) FROM heap")?;
    let larger = r#"{"spec":{"storage":{"data":{"size":"1Gi"}}}}"#;
    let (name, namespace) = (database.name(), database.namespace());
    kubectl::kubectl(&["patch", "databasecluster", name, "-n", namespace, "--type=merge", "-p", larger])?;
    wait_for_writes(&database, &tenant)?;
    let kept: u64 = tenant.query("SELECT count(*) FROM heap")?.parse().context("a number of rows")?;
    ensure!(kept > rows.parse::<u64>().context("a number of rows")?, "every row is there, and new ones");
    ensure!(database.term()? == term, "no server ended over it");
    Ok(())
}
