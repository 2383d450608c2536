//! How sessions end that their clients did not end, and what they are told.

use crate::session::{Session, until_running, until_sessions};
use crate::world::{DEADLINE, World};
use berth_core::topology::{Admission, Phase};
use rustix::process::{Signal, kill_process};
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_is_told_by_what_was_in_flight() {
    for (before, running, code) in [
        ("CREATE TEMP TABLE t (n int)", None, "57P01"),
        ("SELECT 1", Some("SELECT pg_sleep(600)"), "08007"),
        ("BEGIN", None, "08006"),
        ("BEGIN", Some("SELECT pg_sleep(600)"), "08006"),
    ] {
        let (world, database, proxy) = World::serving().await;
        let mut session = Session::open(&world, proxy.tenants).await;
        session.say(before).await;
        let process = session.process_after(before).await;
        if let Some(statement) = running {
            session.say(statement).await;
            until_running(&database, statement).await;
        }
        kill_process(process, Signal::KILL).unwrap();
        until_sessions(&proxy, 0).await;
        if running.is_none() {
            session.say("SELECT 2").await;
        }
        let err = session.complaints().await;
        assert!(err.contains(code), "{before}, {running:?}: {err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_higher_term_severs_older_sessions() {
    let (world, database, proxy) = World::serving().await;
    let mut idle = Session::open(&world, proxy.tenants).await;
    idle.say("CREATE TEMP TABLE t (n int)").await;
    assert_eq!(idle.ask("SELECT 'made'").await, "made");
    let mut busy = Session::open(&world, proxy.tenants).await;
    busy.say("SELECT pg_sleep(600)").await;
    until_running(&database, "SELECT pg_sleep(600)").await;
    world.route("shop/orders", &database, 2, Phase::Electing, Admission::Closed).await;
    until_sessions(&proxy, 0).await;
    idle.say("SELECT 1").await;
    let err = idle.complaints().await;
    assert!(err.contains("57P01") && err.contains("another primary has taken over"), "{err}");
    assert!(err.contains("because it has temporary tables"), "{err}");
    let err = busy.complaints().await;
    assert!(err.contains("08007"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_wait_for_replicas_was_given_up_is_not_called_a_success() {
    let (world, database, proxy) = World::serving().await;
    let mut session = Session::open(&world, proxy.tenants).await;
    session.say("CREATE TABLE t (n int)").await;
    assert_eq!(session.ask("SELECT 'made'").await, "made");
    database.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    database.sql("postgres", "SELECT pg_reload_conf()");
    database.sql("postgres", "SET synchronous_commit = local; CHECKPOINT");
    session.say("INSERT INTO t VALUES (1)").await;
    berth_testkit::eventually(DEADLINE, "the commit waits", || {
        let waits =
            database.sql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
        async move { waits == "1" }
    })
    .await
    .unwrap();
    database
        .sql("postgres", "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    assert_eq!(session.ask("SELECT 'going on'").await, "going on", "the session lives");
    let err = session.complaints().await;
    assert!(err.contains("08007") && err.contains("SyncRepWaitForLSN"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_stops_ends_idle_sessions_and_lets_transactions_finish() {
    let (world, database, proxy) = World::serving().await;
    let mut idle = Session::open(&world, proxy.tenants).await;
    let mut open = Session::open(&world, proxy.tenants).await;
    open.say("CREATE TABLE t (n int)").await;
    open.say("BEGIN").await;
    assert_eq!(open.ask("INSERT INTO t VALUES (1) RETURNING n").await, "1");
    proxy.stop.cancel();
    until_sessions(&proxy, 1).await;
    assert!(tokio::net::TcpStream::connect(proxy.tenants).await.is_err(), "nobody new comes in");
    idle.say("SELECT 1").await;
    let err = idle.complaints().await;
    assert!(err.contains("57P01") && err.contains("the proxy stops"), "{err}");

    open.say("COMMIT").await;
    let ended =
        timeout(DEADLINE, proxy.ended).await.expect("the proxy ends with its last transaction").unwrap();
    assert!(ended);
    assert_eq!(database.sql("app", "SELECT count(*) FROM t"), "1");
    drop(open);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_outlives_the_deadline_is_ended() {
    let (world, _database, _) = World::serving().await;
    let proxy = world.proxy(&["--drain-seconds=1"]).await;
    let mut open = Session::open(&world, proxy.tenants).await;
    open.say("BEGIN").await;
    assert_eq!(open.ask("SELECT 1").await, "1");
    proxy.stop.cancel();
    assert!(timeout(DEADLINE, proxy.ended).await.unwrap().unwrap());
    open.say("SELECT 2").await;
    let err = open.complaints().await;
    assert!(err.contains("08006") && err.contains("was not committed"), "{err}");
}
