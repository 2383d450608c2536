//! A tenant connects: every way that must work, every way that must not, and nothing that tells an outsider who exists.

use anyhow::{Result, ensure};
use berth_e2e::{Database, Place};
use std::process::Stdio;
use std::time::Duration;

#[test]
fn every_sslmode_and_channel_binding_reaches_the_primary() -> Result<()> {
    let place = Place::new("story-tenants")?;
    let database = Database::create(&place, "orders", 3)?;
    database.wait_ready()?;
    let owner = database.owner()?;
    for mode in ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] {
        let answer = owner.ask("select pg_is_in_recovery()", &[("PGSSLMODE", mode)])?;
        assert!(answer.ok && answer.output == "f", "sslmode={mode}: {answer:?}");
    }
    let bound = owner.ask("select current_user", &[("PGCHANNELBINDING", "require")])?;
    assert!(bound.ok && bound.output == "app", "{bound:?}");

    // The same cluster by a startup option instead of the user's suffix.
    let option = format!("-c berth.cluster={}", database.tenant_name());
    let named =
        database.owner()?.with_user("app").ask("select current_user", &[("PGOPTIONS", option.as_str())])?;
    assert!(named.ok && named.output == "app", "{named:?}");
    Ok(())
}

#[test]
fn an_unknown_tenant_looks_like_a_wrong_password() -> Result<()> {
    let place = Place::new("story-strangers")?;
    let orders = Database::create(&place, "orders", 1)?;
    let billing = Database::create(&place, "billing", 1)?;
    orders.wait_ready()?;
    billing.wait_ready()?;

    let refused = |tenant: berth_e2e::Tenant| -> Result<String> {
        let user = tenant.user().to_owned();
        let answer = tenant.ask("select 1", &[])?;
        ensure!(!answer.ok, "{user} must be refused: {answer:?}");
        // What is left after the names are taken out must be the same for all.
        Ok(answer.error.replace(&user, "USER").replace(user.split('@').next().unwrap_or(&user), "ROLE"))
    };
    let wrong = refused(orders.owner()?.with_password("not the password"))?;
    let unknown_role = refused(orders.owner()?.with_user(&format!("nobody@{}", orders.tenant_name())))?;
    let unknown_cluster = refused(orders.owner()?.with_user(&format!("app@{}/none", place.name())))?;
    let other = refused(orders.owner()?.with_password(billing.owner()?.password()))?;
    assert!(wrong.contains("password authentication failed"), "{wrong}");
    assert_eq!(wrong, unknown_role);
    assert_eq!(wrong, unknown_cluster);
    assert_eq!(wrong, other);

    // And each reaches its own.
    orders.owner()?.query("create table whose as select 'orders' as name")?;
    billing.owner()?.query("create table whose as select 'billing' as name")?;
    assert_eq!(orders.owner()?.query("select name from whose")?, "orders");
    assert_eq!(billing.owner()?.query("select name from whose")?, "billing");
    Ok(())
}

#[test]
fn pgbench_runs_for_thirty_seconds_without_an_error() -> Result<()> {
    let place = Place::new("story-pgbench")?;
    let database = Database::create(&place, "orders", 3)?;
    database.wait_ready()?;
    let owner = database.owner()?;
    let initialise = owner.client("pgbench")?.args(["-i", "-q", "-s", "5"]).stdin(Stdio::null()).output()?;
    ensure!(initialise.status.success(), "pgbench -i: {}", String::from_utf8_lossy(&initialise.stderr));
    for protocol in ["simple", "extended", "prepared"] {
        let arguments = ["-n", "-c", "8", "-j", "2", "-T", "10", "-M", protocol];
        let run = owner.client("pgbench")?.args(arguments).stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&run.stdout);
        ensure!(run.status.success(), "pgbench -M {protocol}: {}", String::from_utf8_lossy(&run.stderr));
        assert!(said.contains("number of failed transactions: 0 (0.000%)"), "{said}");
    }
    let history: u64 = owner.query("select count(*) from pgbench_history")?.parse()?;
    assert!(history > 0, "pgbench wrote through the proxy");
    Ok(())
}

#[test]
fn a_running_statement_can_be_cancelled_through_the_proxy() -> Result<()> {
    let place = Place::new("story-cancel")?;
    let database = Database::create(&place, "orders", 1)?;
    database.wait_ready()?;
    let owner = database.owner()?;
    let mut command = owner.client("psql")?;
    command.args(["-X", "-v", "VERBOSITY=verbose", "-c", "select pg_sleep(600)"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    berth_e2e::eventually(Duration::from_secs(20), "the statement runs", || {
        let running =
            owner.query("select count(*) from pg_stat_activity where query = 'select pg_sleep(600)'")?;
        Ok((running == "1").then_some(()))
    })?;
    // psql answers an interrupt with a CancelRequest on a connection of its own.
    let interrupted = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status()?;
    ensure!(interrupted.success(), "psql could not be interrupted");
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("57014"), "the statement was cancelled by the user's request: {said}");
    Ok(())
}
