//! Primaries that are lost: what clients are told, what is never done twice, and how soon a silent one is left.

use crate::database::Database;
use crate::leash::{Carries, Leash};
use crate::puppet::Puppet;
use crate::session::{until_running, until_sessions};
use crate::world::{DEADLINE, PATIENT, Running, World};
use berth_core::topology::{Admission, Phase};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;
use tokio_util::task::TaskTracker;

/// Far below what TCP takes to find out that nobody is there.
const SOON: Duration = Duration::from_secs(10);

/// A world whose database is on a leash.
async fn leashed() -> (World, Database, Leash, Running) {
    let world = World::new();
    let database = Database::start(&world.authority, "uid-orders", "orders-aaaaa", 1).await;
    let leash = Leash::before(&database).await;
    world.route("shop/orders", &leash, 1, Phase::Serving, Admission::ReadWrite).await;
    let proxy = world.proxy(&PATIENT).await;
    (world, database, leash, proxy)
}

/// Waits until the database is there and serves no tenant.
async fn until_alone(database: &Database) {
    berth_testkit::eventually(DEADLINE, "the database has started again", || {
        let count =
            database.try_sql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'");
        async move { if count.as_deref() == Ok("0") { Ok(()) } else { Err(format!("{count:?}")) } }
    })
    .await
    .unwrap();
}

fn code(error: &tokio_postgres::Error) -> &SqlState {
    error.code().unwrap_or_else(|| panic!("{error:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_and_not_answered_is_unknown_and_never_done_again() {
    let (world, mut database, leash, proxy) = leashed().await;
    database.sql("app", "CREATE TABLE t (n int); GRANT ALL ON t TO app");
    let (commits, _) = world.driver(&proxy).await;
    let (writes, _) = world.driver(&proxy).await;
    commits.batch_execute("BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
    leash.carry(Carries::Up);
    let commit = commits.batch_execute("COMMIT");
    let write = writes.batch_execute("INSERT INTO t VALUES (2)");
    let lost = async {
        berth_testkit::eventually(DEADLINE, "both are committed", || {
            let rows = database.sql("app", "SELECT count(*) FROM t");
            async move { rows == "2" }
        })
        .await
        .unwrap();
        leash.carry(Carries::Broken);
        let next = database.successor(&world.authority, "orders-bbbbb", 2).await;
        world.serve(&proxy, &next, 2).await;
        next
    };
    let (commit, write, next) = tokio::join!(commit, write, lost);
    assert_eq!(*code(&commit.unwrap_err()), SqlState::TRANSACTION_RESOLUTION_UNKNOWN);
    assert_eq!(*code(&write.unwrap_err()), SqlState::TRANSACTION_RESOLUTION_UNKNOWN);
    until_sessions(&proxy, 0).await;
    assert_eq!(next.sql("app", "SELECT count(*) FROM t"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_primary_is_left_as_soon_as_another_serves() {
    let (world, mut database, leash, proxy) = leashed().await;
    let (busy, _) = world.driver(&proxy).await;
    let (open, _) = world.driver(&proxy).await;
    let (idle, _) = world.driver(&proxy).await;
    open.batch_execute("BEGIN; CREATE TABLE t (n int)").await.unwrap();
    leash.carry(Carries::Nothing);
    let tasks = TaskTracker::new();
    let running = tasks.spawn(async move { busy.batch_execute("SELECT 1").await });
    let in_transaction = tasks.spawn(async move { open.batch_execute("INSERT INTO t VALUES (1)").await });
    let next = database.successor(&world.authority, "orders-bbbbb", 2).await;
    world.serve(&proxy, &next, 2).await;
    for (task, expected) in
        [(running, SqlState::TRANSACTION_RESOLUTION_UNKNOWN), (in_transaction, SqlState::CONNECTION_FAILURE)]
    {
        let told = timeout(SOON, task).await.expect("soon").unwrap();
        assert_eq!(*code(&told.unwrap_err()), expected);
    }
    // Idle until now: its session is at the silent primary, and moves.
    timeout(SOON, idle.batch_execute("SELECT 1")).await.expect("soon").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_at_a_silent_primary_goes_to_the_next_one_as_soon_as_that_serves() {
    let world = World::new();
    let mut database = Database::start(&world.authority, "uid-orders", "orders-aaaaa", 1).await;
    let leash = Leash::before(&database).await;
    world.route("shop/orders", &leash, 1, Phase::Serving, Admission::ReadWrite).await;
    // Without the route's word, the login would hang for longer than this test may.
    let proxy = world.proxy(&["--allow-plaintext", "--connect-seconds=3600", "--hold-seconds=3600"]).await;
    drop(world.driver(&proxy).await);
    leash.carry(Carries::Nothing);
    let login = world.driver(&proxy);
    let switch = async {
        let next = database.successor(&world.authority, "orders-bbbbb", 2).await;
        world.serve(&proxy, &next, 2).await;
        next
    };
    let ((client, _), next) = tokio::join!(login, switch);
    let port: i32 = client.query_one("SELECT inet_server_port()", &[]).await.unwrap().get(0);
    assert!(next.address.ends_with(&format!(":{port}")));
}

/// The same, where the primary takes the connection and then says nothing to the tenant.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_hangs_goes_to_the_next_primary_too() {
    let (world, mut database, _) = World::serving().await;
    let proxy = world.proxy(&["--allow-plaintext", "--connect-seconds=3600", "--hold-seconds=3600"]).await;
    drop(world.driver(&proxy).await);
    let (puppet, mut logins) = Puppet::mute(&world.authority, &database.uid, "orders-ppppp").await;
    world.serve(&proxy, &puppet, 2).await;
    let login = world.driver(&proxy);
    let switch = async {
        timeout(DEADLINE, logins.recv()).await.expect("a login in time").unwrap();
        let next = database.successor(&world.authority, "orders-bbbbb", 3).await;
        world.serve(&proxy, &next, 3).await;
        next
    };
    let both = async { tokio::join!(login, switch) };
    let ((client, _), _next) = timeout(DEADLINE, both).await.expect("the login goes on");
    client.batch_execute("SELECT 1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_outlives_a_crash() {
    let (world, mut database, _) = World::serving().await;
    let proxy = world.proxy(&PATIENT).await;
    let (client, _) = world.driver(&proxy).await;
    let prepared = client.prepare("SELECT 42").await.unwrap();
    // A process that dies takes all others along, and the server starts again by itself: the same primary in the same term.
    let (victim, _) = world.driver(&proxy).await;
    let rows = victim.simple_query("SELECT pg_backend_pid()").await.unwrap();
    let pid = rows.iter().find_map(|message| {
        let SimpleQueryMessage::Row(row) = message else { return None };
        row.get(0)?.parse().ok()
    });
    kill_process(Pid::from_raw(pid.unwrap()).unwrap(), Signal::KILL).unwrap();
    until_alone(&database).await;
    assert_eq!(client.query_one(&prepared, &[]).await.unwrap().get::<_, i32>(0), 42);
    // The whole server dies, and another takes over.
    database.crash();
    let asking = client.query_one(&prepared, &[]);
    let switch = async {
        world.until_held(&proxy, 1).await;
        database.run().await;
        let next = database.successor(&world.authority, "orders-bbbbb", 2).await;
        world.serve(&proxy, &next, 2).await;
        next
    };
    let (row, _next) = tokio::join!(asking, switch);
    assert_eq!(row.unwrap().get::<_, i32>(0), 42);
}

/// A statement that ends its server must not be taken from one primary to the next to end them all.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_was_cut_off_by_a_crash_is_not_begun_again() {
    let (world, mut database, _) = World::serving().await;
    let proxy = world.proxy(&PATIENT).await;
    let (client, _) = world.driver(&proxy).await;
    client.batch_execute("CREATE TABLE t (n int)").await.unwrap();
    client.batch_execute("BEGIN").await.unwrap();
    let running = client.batch_execute("INSERT INTO t SELECT 1 FROM pg_sleep(600)");
    let crash = async {
        until_running(&database, "INSERT INTO t").await;
        database.crash();
    };
    let both = async { tokio::join!(running, crash) };
    let (error, ()) = timeout(DEADLINE, both).await.expect("the client is told at once");
    assert_eq!(*code(&error.unwrap_err()), SqlState::CONNECTION_FAILURE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standbys_refusal_never_reaches_a_client() {
    let (world, mut database, _) = World::serving().await;
    database.sql("app", "CREATE TABLE t (n int); GRANT ALL ON t TO app");
    let proxy = world.proxy(&PATIENT).await;
    drop(world.driver(&proxy).await);
    let puppet =
        Puppet::start(&world.authority, &database.uid, "orders-ppppp", |statement| match statement {
            "BEGIN" => vec![(b'C', b"BEGIN\0"), (b'Z', b"T")],
            "SELECT 1" => vec![(b'C', b"SELECT 1\0"), (b'Z', b"T")],
            _ => vec![
                (b'S', b"in_hot_standby\0on\0"),
                (b'E', b"SERROR\0VERROR\0C25006\0Mcannot execute INSERT in a read-only transaction\0\0"),
                (b'Z', b"I"),
            ],
        })
        .await;
    world.serve(&proxy, &puppet, 2).await;
    let (alone, _) = world.driver(&proxy).await;
    let (begun, _) = world.driver(&proxy).await;
    let (within, _) = world.driver(&proxy).await;
    begun.batch_execute("BEGIN").await.unwrap();
    within.batch_execute("BEGIN").await.unwrap();
    within.batch_execute("SELECT 1").await.unwrap();
    let told = within.batch_execute("INSERT INTO t VALUES (1)").await.unwrap_err();
    assert_eq!(*code(&told), SqlState::CONNECTION_FAILURE);
    let (first, second) =
        (alone.batch_execute("INSERT INTO t VALUES (2)"), begun.batch_execute("INSERT INTO t VALUES (3)"));
    let switch = async {
        let next = database.successor(&world.authority, "orders-bbbbb", 3).await;
        world.serve(&proxy, &next, 3).await;
        next
    };
    let (first, second, next) = tokio::join!(first, second, switch);
    first.unwrap();
    second.unwrap();
    begun.batch_execute("COMMIT").await.unwrap();
    assert_eq!(next.sql("app", "SELECT sum(n) FROM t"), "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_may_only_read_is_refused_as_ever() {
    let (world, database, _) = World::serving().await;
    database.sql("app", "CREATE TABLE t (n int); GRANT ALL ON t TO app");
    let proxy = world.proxy(&PATIENT).await;
    let (client, _) = world.driver(&proxy).await;
    let error = client.batch_execute("BEGIN READ ONLY; INSERT INTO t VALUES (1)").await.unwrap_err();
    assert_eq!(*code(&error), SqlState::READ_ONLY_SQL_TRANSACTION);
}
