//! Clients that come while there is no primary, and what counts as one.

use crate::database::Database;
use crate::raw;
use crate::world::{DEADLINE, Running, World, say};
use berth_core::topology::{Admission, Phase};

/// Until somebody waits at this proxy.
async fn somebody_waits(proxy: &Running) {
    berth_testkit::eventually(DEADLINE, "a client is held", || async {
        raw::get(proxy.admin, "/sessions").await.contains("\"holding\":1")
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_waits_for_the_gate_and_goes_on_when_it_opens() {
    let (world, database, proxy) = World::serving().await;
    // The second time its verifier is known, so that it waits behind its login; the first time before.
    for (round, term) in [(1, 2), (2, 3)] {
        world.route("shop/orders", &database, term, Phase::Electing, Admission::Closed).await;
        berth_testkit::eventually(DEADLINE, "the proxy knows the new term", || async {
            raw::get(proxy.admin, "/routes").await.contains("Electing")
        })
        .await
        .unwrap();
        let mut psql = world.psql(proxy.tenants, "SELECT 42");
        let waiting = say(&mut psql);
        let release = async {
            somebody_waits(&proxy).await;
            world.route("shop/orders", &database, term, Phase::Serving, Admission::Closed).await;
            database.set_term(term);
            world.route("shop/orders", &database, term, Phase::Serving, Admission::ReadWrite).await;
        };
        let (said, ()) = tokio::join!(waiting, release);
        assert_eq!(said.out, "42", "round {round}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_in_vain_is_told_so_with_a_hint() {
    let (world, database, _) = World::serving().await;
    world.route("shop/orders", &database, 2, Phase::Electing, Admission::Closed).await;
    let proxy = world.proxy(&["--hold-seconds=1"]).await;
    let said = say(&mut world.psql(proxy.tenants, "SELECT 1")).await;
    assert!(said.err.contains("no primary accepted connections within 1s"), "{said:?}");
    assert!(said.err.contains("Connect again"), "{said:?}");
    // An unknown cluster waits for nothing, and looks as it always does.
    let said = say(world.psql(proxy.tenants, "SELECT 1").env("PGUSER", "app@shop/unknown")).await;
    assert!(said.err.contains("password authentication failed"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_role_is_told_of_a_wrong_password_even_while_there_is_no_primary() {
    let (world, database, proxy) = World::serving().await;
    assert!(say(&mut world.psql(proxy.tenants, "SELECT 1")).await.success);
    world.route("shop/orders", &database, 2, Phase::Electing, Admission::Closed).await;
    let wrong = || async {
        let said = say(world.psql(proxy.tenants, "SELECT 1").env("PGPASSWORD", "wrong")).await;
        if said.err.contains("password authentication failed") { Ok(()) } else { Err(said.err) }
    };
    berth_testkit::eventually(DEADLINE, "the wrong password is told", wrong).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_of_an_older_term_and_a_standby_are_no_primaries() {
    let world = World::new();
    let mut database = Database::start(&world.authority, "uid-orders", "orders-aaaaa", 4).await;
    world.route("shop/orders", &database, 5, Phase::Serving, Admission::ReadWrite).await;
    let proxy = world.proxy(&["--hold-seconds=1"]).await;
    let said = say(&mut world.psql(proxy.tenants, "SELECT 1")).await;
    assert!(said.err.contains("Stale"), "an older term: {said:?}");
    database.set_term(5);
    assert!(say(&mut world.psql(proxy.tenants, "SELECT 1")).await.success);
    database.crash();
    database.demote();
    database.run().await;
    let said = say(&mut world.psql(proxy.tenants, "SELECT 1")).await;
    assert!(said.err.contains("Stale"), "a standby: {said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_stops_nobody() {
    let (world, _database, proxy) = World::serving().await;
    world.memory.go_away();
    for _ in 0..3 {
        assert!(say(&mut world.psql(proxy.tenants, "SELECT 1")).await.success);
    }
    assert!(raw::get(proxy.admin, "/readyz").await.starts_with("HTTP/1.1 200"));
}
