//! How a client names its cluster, and that no byte of a tenant goes to another's database.

use crate::database::Database;
use crate::world::{World, say};
use berth_core::topology::{Admission, Phase};

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_named_by_suffix_option_or_host() {
    let (world, _database, proxy) = World::serving().await;
    let ask = "SELECT current_user, current_database(), current_setting('work_mem'), current_setting('application_name')";
    let by_suffix = world.psql(proxy.tenants, ask);
    let mut by_option = world.psql(proxy.tenants, ask);
    by_option.envs([("PGUSER", "app"), ("PGOPTIONS", "-c work_mem=5MB -c berth.cluster=shop/orders")]);
    let mut by_host = world.psql(proxy.tenants, ask);
    by_host.envs([("PGUSER", "app"), ("PGHOST", "orders--shop.berth.internal")]);
    for (mut psql, work_mem) in [(by_suffix, "4MB"), (by_option, "5MB"), (by_host, "4MB")] {
        let said = say(psql.env("PGAPPNAME", "till 7")).await;
        assert_eq!(said.out, format!("app|app|{work_mem}|till 7"), "{said:?}");
    }
    let said = say(world.psql(proxy.tenants, "SELECT current_database()").env_remove("PGDATABASE")).await;
    assert_eq!(said.out, "app", "the suffix is no part of the database's name: {said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_two_names_and_reserved_settings_are_refused_with_advice() {
    let (world, _database, proxy) = World::serving().await;
    for (user, options, words) in [
        ("app", "", "names no cluster"),
        ("app@shop/orders", "-c berth.cluster=shop/stock", "names two clusters"),
        ("app@shop/orders", "-c berth.term=9", "belongs to Berth"),
    ] {
        let said =
            say(world.psql(proxy.tenants, "SELECT 1").envs([("PGUSER", user), ("PGOPTIONS", options)])).await;
        assert!(said.err.contains(words), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_refuses_comes_in_its_own_words() {
    let (world, _database, proxy) = World::serving().await;
    let said = say(world.psql(proxy.tenants, "SELECT 1").env("PGDATABASE", "nothing")).await;
    assert!(said.err.contains("database \"nothing\" does not exist"), "{said:?}");
}

/// A recycled address: the route leads to another cluster's database, under the right authority.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_the_member_gets_no_byte_of_the_tenant() {
    let world = World::new();
    let mut victim = Database::start(&world.authority, "uid-orders", "orders-aaaaa", 1).await;
    let other = Database::start(&world.authority, "uid-stock", "stock-bbbbb", 1).await;
    victim.crash();
    victim.address.clone_from(&other.address);
    world.route("shop/orders", &victim, 1, Phase::Serving, Admission::ReadWrite).await;
    let proxy = world.proxy(&["--hold-seconds=1"]).await;
    let said = say(&mut world.psql(proxy.tenants, "SELECT 1")).await;
    assert!(said.err.contains("no primary accepted connections"), "{said:?}");
    assert!(said.err.contains("Tls"), "the hint says what failed: {said:?}");
    let connected = other
        .sql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE usename IN ('app', 'berth_proxy')");
    assert_eq!(connected, "0");
}
