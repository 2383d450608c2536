//! How sessions end that their clients did not end, and what they are told.

use crate::database::Database;
use crate::world::{DEADLINE, World};
use berth_core::topology::{Admission, Phase};
use rustix::process::{Pid, Signal, kill_process};
use std::net::SocketAddr;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

/// psql that is told one statement after the other.
struct Session {
    child: Child,
    stdin: ChildStdin,
    out: Lines<BufReader<ChildStdout>>,
}

impl Session {
    async fn open(world: &World, proxy: SocketAddr) -> Self {
        let mut psql = world.client("psql", proxy);
        psql.args(["-XAtq", "-v", "VERBOSITY=verbose"]);
        let mut child =
            psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut session = Self { child, stdin, out };
        assert_eq!(session.ask("SELECT 'here'").await, "here");
        session
    }

    /// Says something whose answer is not waited for.
    async fn say(&mut self, statement: &str) {
        self.stdin.write_all(format!("{statement};\n").as_bytes()).await.unwrap();
    }

    /// Says something; gives the first line of the answer.
    async fn ask(&mut self, statement: &str) -> String {
        self.say(statement).await;
        timeout(DEADLINE, self.out.next_line()).await.expect("an answer in time").unwrap().unwrap_or_default()
    }

    /// The process of the database that serves this session.
    async fn process(&mut self) -> Pid {
        let pid = self.ask("SELECT pg_backend_pid()").await;
        Pid::from_raw(pid.parse().unwrap()).unwrap()
    }

    /// What was complained of, up to the end.
    async fn complaints(mut self) -> String {
        drop(self.stdin);
        let mut err = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        timeout(DEADLINE, stderr.read_to_string(&mut err)).await.expect("psql ends in time").unwrap();
        err
    }
}

async fn until_sessions(proxy: &crate::world::Running, count: usize) {
    let wanted = format!("\"sessions\":{count},");
    berth_testkit::eventually(DEADLINE, "the number of sessions", || async {
        let page = crate::raw::get(proxy.admin, "/sessions").await;
        if page.contains(&wanted) { Ok(()) } else { Err(page) }
    })
    .await
    .unwrap();
}

async fn until_running(database: &Database, what: &str) {
    let query = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '{what}%' AND usename = 'app'"
    );
    berth_testkit::eventually(DEADLINE, "the statement runs", || {
        let running = database.sql("postgres", &query);
        async move { running == "1" }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_is_told_by_what_was_in_flight() {
    for (before, running, code) in [
        ("SELECT 1", None, "57P01"),
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

impl Session {
    /// As [`Self::process`], behind a statement whose output is not of interest.
    async fn process_after(&mut self, before: &str) -> Pid {
        if before.starts_with("SELECT") {
            timeout(DEADLINE, self.out.next_line()).await.unwrap().unwrap();
        }
        self.process().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_higher_term_severs_older_sessions() {
    let (world, database, proxy) = World::serving().await;
    let idle = Session::open(&world, proxy.tenants).await;
    let mut busy = Session::open(&world, proxy.tenants).await;
    busy.say("SELECT pg_sleep(600)").await;
    until_running(&database, "SELECT pg_sleep(600)").await;
    world.route("shop/orders", &database, 2, Phase::Electing, Admission::Closed).await;
    until_sessions(&proxy, 0).await;
    let mut idle = idle;
    idle.say("SELECT 1").await;
    let err = idle.complaints().await;
    assert!(err.contains("57P01") && err.contains("another primary has taken over"), "{err}");
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
