//! Cancel requests, through the same proxy and through another.

use crate::balancer::{Cut, balance};
use crate::database::Database;
use crate::raw;
use crate::session::until_running;
use crate::world::{DEADLINE, PATIENT, World, say};
use berth_core::topology::Phase;
use rustix::process::{Pid, Signal, kill_process};
use std::net::SocketAddr;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio_postgres::error::SqlState;

/// psql sends its cancel request over a connection of its own, which the balancer hands to the next proxy.
async fn is_cancelled(world: &World, database: &Database, proxy: SocketAddr) {
    let mut psql = world.psql(proxy, "SELECT pg_sleep(600)");
    let child = psql.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    berth_testkit::eventually(DEADLINE, "the statement runs", || {
        let running = database.sql(
            "postgres",
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()",
        );
        async move { running == "1" }
    })
    .await
    .unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await.unwrap().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(err.contains("57014"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_cancelled_through_any_proxy() {
    let (world, database, first) = World::serving().await;
    let second = world.proxy(&[]).await;
    is_cancelled(&world, &database, first.tenants).await;
    let service = balance(vec![first.tenants, second.tenants], Cut::Whole).await;
    is_cancelled(&world, &database, service).await;
    let metrics = raw::get(second.admin, "/metrics").await;
    assert!(metrics.contains("berth_proxy_cancels_total{outcome=\"Forwarded\"} 1"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_nobody_gave_out_cancels_nothing_and_is_answered_all_the_same() {
    let (world, _database, proxy) = World::serving().await;
    for key in [
        &b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01abcd"[..],
        b"\0\0\0\x20\x04\xd2\x16\x2e\0\0\0\x01abcdefghijklmnopqrst",
    ] {
        let mut tcp = tokio::net::TcpStream::connect(proxy.tenants).await.unwrap();
        tcp.write_all(key).await.unwrap();
        assert_eq!(raw::rest(&mut tcp).await, b"", "a cancel request is never answered with words");
    }
    assert!(say(&mut world.psql(proxy.tenants, "SELECT 1")).await.success);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_not_cancelled() {
    let (world, database, _) = World::serving().await;
    let proxy = world.proxy(&PATIENT).await;
    database.sql("app", "CREATE TABLE t (n int); GRANT ALL ON t TO app");
    let (client, _) = world.driver(&proxy).await;
    client.batch_execute("BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
    database.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    database.sql("postgres", "SELECT pg_reload_conf()");
    database.sql("postgres", "SET synchronous_commit = local; CHECKPOINT");
    let commit = client.batch_execute("COMMIT");
    let cancel = async {
        berth_testkit::eventually(DEADLINE, "the commit waits", || {
            let waits = database
                .sql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
            async move { waits == "1" }
        })
        .await
        .unwrap();
        client.cancel_token().cancel_query(tokio_postgres::NoTls).await.unwrap();
        // The driver does not wait until its request is dealt with.
        berth_testkit::eventually(DEADLINE, "the request is withheld", || async {
            let metrics = raw::get(proxy.admin, "/metrics").await;
            if metrics.contains("berth_proxy_cancels_total{outcome=\"Withheld\"} 1") {
                Ok(())
            } else {
                Err(metrics)
            }
        })
        .await
        .unwrap();
        database.sql("postgres", "ALTER SYSTEM RESET synchronous_standby_names");
        database.sql("postgres", "SELECT pg_reload_conf()");
    };
    let (committed, ()) = tokio::join!(commit, cancel);
    committed.unwrap();
    assert_eq!(database.sql("app", "SELECT count(*) FROM t"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_has_moved_is_cancelled_with_the_key_of_its_login_and_one_that_waits_is_called_off() {
    let (world, mut database, _) = World::serving().await;
    let proxy = world.proxy(&PATIENT).await;
    let (client, _) = world.driver(&proxy).await;
    let next = database.successor(&world.authority, "orders-bbbbb", 2).await;
    world.serve(&proxy, &next, 2).await;
    let running = client.batch_execute("SELECT pg_sleep(600)");
    let cancel = async {
        until_running(&next, "SELECT pg_sleep(600)").await;
        client.cancel_token().cancel_query(tokio_postgres::NoTls).await.unwrap();
    };
    let (error, ()) = tokio::join!(running, cancel);
    assert_eq!(error.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));

    world.hold(&proxy, &next, 2, Phase::Switching).await;
    let waiting = client.batch_execute("SELECT 1");
    let cancel = async {
        world.until_held(&proxy, 1).await;
        client.cancel_token().cancel_query(tokio_postgres::NoTls).await.unwrap();
    };
    let (error, ()) = tokio::join!(waiting, cancel);
    assert_eq!(error.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));
}
