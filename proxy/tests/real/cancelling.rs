//! Cancel requests, through the same proxy and through another.

use crate::balancer::{Cut, balance};
use crate::database::Database;
use crate::raw;
use crate::world::{DEADLINE, World, say};
use rustix::process::{Pid, Signal, kill_process};
use std::net::SocketAddr;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;

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
