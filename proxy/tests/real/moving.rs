//! Sessions over a planned switchover: what waits, what goes on at the next primary unseen, and what is told that it cannot.

use crate::database::Database;
use crate::session::{Session, until_running, until_sessions};
use crate::world::{DEADLINE, Messages, PATIENT, Running, World, say};
use berth_core::topology::Phase;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::time::timeout;
use tokio_postgres::AsyncMessage;
use tokio_postgres::error::SqlState;

/// A world in which drivers may come without TLS.
async fn world() -> (World, Database, Running) {
    let (world, database, _) = World::serving().await;
    let proxy = world.proxy(&PATIENT).await;
    (world, database, proxy)
}

/// Waits until open transactions have ended, as the agent of a primary does before it stops it.
async fn until_nothing_runs(database: &Database) {
    let running = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state <> 'idle'";
    berth_testkit::eventually(DEADLINE, "transactions end", || {
        let open = database.sql("postgres", running);
        async move { open == "0" }
    })
    .await
    .unwrap();
}

async fn notified(messages: &mut Messages) -> String {
    loop {
        let message = timeout(DEADLINE, messages.recv()).await.expect("a notification in time").unwrap();
        if let AsyncMessage::Notification(notification) = message {
            return notification.payload().to_owned();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_at_the_next_primary_with_all_that_it_has() {
    let (world, mut database, proxy) = world().await;
    let (client, mut messages) = world.driver(&proxy).await;
    client
        .batch_execute("SET statement_timeout = '77s'; SET TIME ZONE 'Asia/Tokyo'; LISTEN news")
        .await
        .unwrap();
    client.batch_execute("BEGIN; SET work_mem = '5MB'; COMMIT").await.unwrap();
    client.batch_execute("SELECT set_config('app.till', '7', false)").await.unwrap();
    client.batch_execute("PREPARE by_sql AS SELECT 3").await.unwrap();
    let prepared = client.prepare("SELECT $1::int + 1").await.unwrap();

    world.hold(&proxy, &database, 1, Phase::Switching).await;
    let held = client.query_one(
        "SELECT current_setting('statement_timeout'), current_setting('TimeZone'), current_setting('work_mem'), current_setting('app.till')",
        &[],
    );
    let switch = async {
        world.until_held(&proxy, 1).await;
        let next = database.successor(&world.authority, "orders-bbbbb", 2).await;
        world.serve(&proxy, &next, 2).await;
        next
    };
    let (row, next) = tokio::join!(held, switch);
    let row = row.unwrap();
    let settings: Vec<String> = (0..4).map(|at| row.get(at)).collect();
    assert_eq!(settings, ["77s", "Asia/Tokyo", "5MB", "7"]);
    let four: i32 = client.query_one(&prepared, &[&3]).await.unwrap().get(0);
    assert_eq!(four, 4);
    let rows = client.simple_query("EXECUTE by_sql").await.unwrap();
    assert!(format!("{rows:?}").contains('3'), "{rows:?}");
    next.sql("app", "NOTIFY news, 'from the next'");
    assert_eq!(notified(&mut messages).await, "from the next");
    assert!(crate::raw::get(proxy.admin, "/metrics").await.contains("berth_proxy_moves_total 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_is_taken_along_before_it_asks_and_who_is_idle_is_not_disturbed() {
    let (world, mut database, proxy) = world().await;
    let (listener, mut messages) = world.driver(&proxy).await;
    let (idle, _) = world.driver(&proxy).await;
    listener.batch_execute("LISTEN news").await.unwrap();
    world.hold(&proxy, &database, 1, Phase::Switching).await;
    let next = database.successor(&world.authority, "orders-bbbbb", 2).await;
    world.serve(&proxy, &next, 2).await;
    let sessions = || next.sql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'");
    berth_testkit::eventually(DEADLINE, "the listener is at the next primary", || {
        let count = sessions();
        async move { if count == "1" { Ok(()) } else { Err(count) } }
    })
    .await
    .unwrap();
    next.sql("app", "NOTIFY news, 'told'");
    assert_eq!(notified(&mut messages).await, "told");
    assert_eq!(sessions(), "1", "who is idle comes when it has something to ask");
    idle.batch_execute("SELECT 1").await.unwrap();
    assert_eq!(sessions(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_carried_over_is_told_so_with_the_reason() {
    let (world, mut database, proxy) = world().await;
    database.sql("app", "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    let reasons = [
        ("CREATE TEMP TABLE t (n int)", "temporary tables"),
        ("SELECT pg_advisory_lock(7)", "advisory locks"),
        ("BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1; COMMIT", "a cursor WITH HOLD"),
        ("SELECT mine()", "ran code"),
        ("DO 'BEGIN END'", "ran code"),
    ];
    let mut sessions = Vec::new();
    for (statement, reason) in reasons {
        let (client, _) = world.driver(&proxy).await;
        client.batch_execute(statement).await.unwrap();
        sessions.push((client, reason));
    }
    // One that has given everything back can be.
    let (clean, _) = world.driver(&proxy).await;
    clean.batch_execute("CREATE TEMP TABLE t (n int)").await.unwrap();
    clean.batch_execute("DISCARD ALL").await.unwrap();
    world.hold(&proxy, &database, 1, Phase::Switching).await;
    let waiting = clean.batch_execute("SELECT 1");
    let switch = async {
        world.until_held(&proxy, 1).await;
        let next = database.successor(&world.authority, "orders-bbbbb", 2).await;
        world.serve(&proxy, &next, 2).await;
        next
    };
    let (answer, _next) = tokio::join!(waiting, switch);
    answer.unwrap();
    until_sessions(&proxy, 1).await;
    for (client, reason) in sessions {
        // The driver reads what it was told when it is used next, or knows already that its connection is closed.
        let error = client.batch_execute("SELECT 1").await.unwrap_err();
        if let Some(told) = error.as_db_error() {
            assert_eq!(*told.code(), SqlState::ADMIN_SHUTDOWN);
            assert!(told.hint().is_some_and(|hint| hint.contains(reason)), "{told:?}");
        } else {
            assert!(error.is_closed(), "{error:?}");
        }
    }
    let mut psql = world.psql(proxy.tenants, "CREATE TEMP TABLE t (n int)");
    assert!(say(&mut psql).await.success);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_open_goes_on_while_what_has_not_begun_waits() {
    let (world, mut database, proxy) = world().await;
    let (open, _) = world.driver(&proxy).await;
    let (other, _) = world.driver(&proxy).await;
    open.batch_execute("CREATE TABLE t (n int); BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
    world.hold(&proxy, &database, 1, Phase::Switching).await;
    let waiting = other.query_one("SELECT count(*) FROM t", &[]);
    let switch = async {
        world.until_held(&proxy, 1).await;
        open.batch_execute("INSERT INTO t VALUES (2)").await.unwrap();
        open.batch_execute("COMMIT").await.unwrap();
        let next = database.successor(&world.authority, "orders-bbbbb", 2).await;
        world.serve(&proxy, &next, 2).await;
        next
    };
    let (row, _next) = tokio::join!(waiting, switch);
    assert_eq!(row.unwrap().get::<_, i64>(0), 2);
    open.batch_execute("INSERT INTO t VALUES (3)").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switchover_that_is_called_off_lets_sessions_go_on_where_they_are() {
    let (world, database, proxy) = world().await;
    let (client, _) = world.driver(&proxy).await;
    client.batch_execute("CREATE TEMP TABLE t (n int)").await.unwrap();
    world.hold(&proxy, &database, 1, Phase::Switching).await;
    let waiting = client.batch_execute("INSERT INTO t VALUES (1)");
    let release = async {
        world.until_held(&proxy, 1).await;
        world.serve(&proxy, &database, 1).await;
    };
    let (answer, ()) = tokio::join!(waiting, release);
    answer.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_waits_in_vain_is_told_so_and_so_is_one_too_many() {
    let (world, database, _) = World::serving().await;
    let proxy = world.proxy(&["--allow-plaintext", "--hold-seconds=2", "--hold-most=1"]).await;
    let (first, _) = world.driver(&proxy).await;
    let (second, _) = world.driver(&proxy).await;
    world.hold(&proxy, &database, 1, Phase::Switching).await;
    let waiting = first.batch_execute("SELECT 1");
    let too_many = async {
        world.until_held(&proxy, 1).await;
        second.batch_execute("SELECT 1").await.unwrap_err()
    };
    let (in_vain, too_many) = tokio::join!(waiting, too_many);
    for (error, words) in [(in_vain.unwrap_err(), "within 2s"), (too_many, "1 clients wait")] {
        let told = error.as_db_error().unwrap();
        assert_eq!(*told.code(), SqlState::CANNOT_CONNECT_NOW);
        assert!(told.message().contains(words) && told.hint().is_some(), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_has_only_begun_begins_again_at_the_next_primary() {
    let (world, mut database, proxy) = world().await;
    database.sql("app", "CREATE TABLE t (n int); GRANT ALL ON t TO app");
    let (client, _) = world.driver(&proxy).await;
    client.batch_execute("BEGIN ISOLATION LEVEL SERIALIZABLE").await.unwrap();
    client.batch_execute("SET LOCAL statement_timeout = '77s'").await.unwrap();
    // The primary goes before the proxy hears of it, with nothing of the transaction done.
    let next = database.successor(&world.authority, "orders-bbbbb", 2).await;
    world.serve(&proxy, &next, 2).await;
    let row = client
        .query_one(
            "SELECT current_setting('statement_timeout'), current_setting('transaction_isolation')",
            &[],
        )
        .await
        .unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("77s", "serializable"));
    client.batch_execute("INSERT INTO t VALUES (1)").await.unwrap();
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(next.sql("app", "SELECT count(*) FROM t"), "1");
}

/// Writes rows, and counts what was acknowledged.
async fn write(
    client: tokio_postgres::Client,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
) -> Result<(), tokio_postgres::Error> {
    let insert = client.prepare("INSERT INTO t VALUES ($1)").await?;
    let mut n = 0_i32;
    while !stop.load(Ordering::Relaxed) {
        client.execute(&insert, &[&n]).await?;
        acknowledged.fetch_add(1, Ordering::Relaxed);
        n += 1;
    }
    Ok(())
}

/// As [`write`], in transactions of two statements.
async fn transact(
    client: tokio_postgres::Client,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
) -> Result<(), tokio_postgres::Error> {
    while !stop.load(Ordering::Relaxed) {
        client.batch_execute("BEGIN").await?;
        client.execute("INSERT INTO t VALUES (1)", &[]).await?;
        client.batch_execute("COMMIT").await?;
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_over_two_switchovers_see_no_error_and_lose_nothing() {
    let (world, mut database, proxy) = world().await;
    database.sql("app", "CREATE TABLE t (n int); GRANT ALL ON t TO app");
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let tasks = tokio_util::task::TaskTracker::new();
    let mut writers = Vec::new();
    for n in 0..16 {
        let (client, _) = world.driver(&proxy).await;
        let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
        writers.push(if n % 2 == 0 {
            tasks.spawn(write(client, stop, acknowledged))
        } else {
            tasks.spawn(transact(client, stop, acknowledged))
        });
    }
    let progress = async |more: usize| {
        let before = acknowledged.load(Ordering::Relaxed);
        berth_testkit::eventually(DEADLINE, "writers write", || {
            let now = acknowledged.load(Ordering::Relaxed);
            async move { now > before + more }
        })
        .await
        .unwrap();
    };
    for (term, member) in [(2, "orders-bbbbb"), (3, "orders-ccccc")] {
        progress(200).await;
        world.hold(&proxy, &database, term - 1, Phase::Switching).await;
        until_nothing_runs(&database).await;
        let next = database.successor(&world.authority, member, term).await;
        world.serve(&proxy, &next, term).await;
        database = next;
    }
    progress(200).await;
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        timeout(DEADLINE, writer).await.expect("writers end").unwrap().unwrap();
    }
    let rows = database.sql("app", "SELECT count(*) FROM t");
    assert_eq!(rows, acknowledged.load(Ordering::Relaxed).to_string());
}

/// The primary stops before the route says so: what is cut off in its statement is asked again, because the server says that it
/// came to nothing. Where a statement was done and its transaction not yet, it is not known.
#[tokio::test(flavor = "multi_thread")]
async fn statements_outside_of_transactions_outlive_a_stop_that_the_route_did_not_announce() {
    let (world, mut database, proxy) = world().await;
    database.sql("app", "CREATE TABLE t (n int); GRANT ALL ON t TO app");
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let tasks = tokio_util::task::TaskTracker::new();
    let mut writers = Vec::new();
    for _ in 0..8 {
        let (client, _) = world.driver(&proxy).await;
        writers.push(tasks.spawn(write(client, Arc::clone(&stop), Arc::clone(&acknowledged))));
    }
    let mut sleepers = Vec::new();
    for _ in 0..4 {
        let (client, _) = world.driver(&proxy).await;
        sleepers.push(tasks.spawn(async move {
            let row = client.query_one("SELECT pg_sleep(3), inet_server_port()", &[]).await?;
            Ok::<i32, tokio_postgres::Error>(row.get(1))
        }));
    }
    berth_testkit::eventually(DEADLINE, "sleepers sleep", || {
        let count =
            database.sql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
        async move { count == "4" }
    })
    .await
    .unwrap();
    let next = database.successor(&world.authority, "orders-bbbbb", 2).await;
    world.serve(&proxy, &next, 2).await;
    let before = acknowledged.load(Ordering::Relaxed);
    berth_testkit::eventually(DEADLINE, "writers write", || async {
        acknowledged.load(Ordering::Relaxed) > before + 100
    })
    .await
    .unwrap();
    stop.store(true, Ordering::Relaxed);
    let mut unknown = 0;
    for writer in writers {
        if let Err(error) = timeout(DEADLINE, writer).await.expect("writers end").unwrap() {
            assert_eq!(error.code(), Some(&SqlState::TRANSACTION_RESOLUTION_UNKNOWN), "{error:?}");
            unknown += 1;
        }
    }
    for sleeper in sleepers {
        let port = timeout(DEADLINE, sleeper).await.expect("the sleeper ends").unwrap().unwrap();
        assert!(next.address.ends_with(&format!(":{port}")), "asked again at the next primary");
    }
    let rows: usize = next.sql("app", "SELECT count(*) FROM t").parse().unwrap();
    let acknowledged = acknowledged.load(Ordering::Relaxed);
    assert!(
        (acknowledged..=acknowledged + unknown).contains(&rows),
        "{rows} of {acknowledged} and {unknown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_somebody_ends_is_ended_in_the_servers_own_words() {
    let (world, database, proxy) = world().await;
    let mut busy = Session::open(&world, proxy.tenants).await;
    busy.say("SELECT pg_sleep(600)").await;
    until_running(&database, "SELECT pg_sleep(600)").await;
    database.sql(
        "postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600)%' AND usename = 'app'",
    );
    until_sessions(&proxy, 0).await;
    let err = busy.complaints().await;
    assert!(err.contains("terminating connection due to administrator command"), "{err}");
    let again = database.sql(
        "postgres",
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND usename = 'app'",
    );
    assert_eq!(again, "0", "what was ended is not begun again");
}

#[tokio::test(flavor = "multi_thread")]
async fn pgbench_goes_on_over_a_switchover_in_every_mode() {
    let (world, mut database, proxy) = world().await;
    let made = say(world.client("pgbench", proxy.tenants).args(["-i", "-s", "1", "-q", "app"])).await;
    assert!(made.success, "{}", made.err);
    let mut benches = Vec::new();
    for mode in ["simple", "extended", "prepared"] {
        let mut bench = world.client("pgbench", proxy.tenants);
        bench.args(["-n", "-M", mode, "-c", "2", "-j", "1", "-T", "8", "app"]);
        benches.push(bench);
    }
    let [simple, extended, prepared] = &mut benches[..] else { unreachable!() };
    let benches = async { tokio::join!(say(simple), say(extended), say(prepared)) };
    let switch = async {
        berth_testkit::eventually(DEADLINE, "pgbench runs", || {
            let counted = database.sql("app", "SELECT count(*) > 50 FROM pgbench_history");
            async move { counted == "t" }
        })
        .await
        .unwrap();
        world.hold(&proxy, &database, 1, Phase::Switching).await;
        until_nothing_runs(&database).await;
        let next = database.successor(&world.authority, "orders-bbbbb", 2).await;
        world.serve(&proxy, &next, 2).await;
        next
    };
    let (said, next) = tokio::join!(benches, switch);
    let mut transactions = 0;
    for said in [said.0, said.1, said.2] {
        assert!(said.success, "{}", said.err);
        assert!(said.out.contains("number of failed transactions: 0"), "{}", said.out);
        let counted = said
            .out
            .lines()
            .find_map(|line| line.strip_prefix("number of transactions actually processed: "));
        transactions += counted.unwrap().trim().parse::<u64>().unwrap();
    }
    assert_eq!(next.sql("app", "SELECT count(*) FROM pgbench_history"), transactions.to_string());
}
