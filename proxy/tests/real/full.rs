//! A primary whose volume is full: what a client is told, and what it may still do.

use crate::database::Database;
use crate::world::{DEADLINE, PATIENT, World};
use berth_core::disk::Space;
use tokio_postgres::error::SqlState;

/// What the agent does to the server of a full volume and of one that has room again. Returns when new and open sessions see it.
async fn refuse(database: &Database, refuses: bool) {
    let value = if refuses { "on" } else { "off" };
    database.set("default_transaction_read_only", value);
    berth_testkit::eventually(DEADLINE, "the setting", || {
        let seen = database.sql("app", "SHOW default_transaction_read_only");
        async move { seen == value }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_to_a_full_primary_is_refused_as_one_and_a_session_may_insist() {
    let (world, database, _) = World::serving().await;
    let proxy = world.proxy(&PATIENT).await;
    database.sql("app", "CREATE TABLE t (n int); GRANT ALL ON t TO app; INSERT INTO t VALUES (1), (2)");
    let (open, _) = world.driver(&proxy).await;
    let (within, _) = world.driver(&proxy).await;
    let prepared = open.prepare("INSERT INTO t VALUES (3)").await.unwrap();
    within.batch_execute("BEGIN").await.unwrap();
    within.batch_execute("INSERT INTO t VALUES (4)").await.unwrap();
    world.serve_with(&proxy, &database, 1, Space::Full).await;
    refuse(&database, true).await;

    let (new, _) = world.driver(&proxy).await;
    let simple = new.batch_execute("INSERT INTO t VALUES (5)").await.unwrap_err();
    let extended = new.execute("INSERT INTO t VALUES (5)", &[]).await.unwrap_err();
    let in_an_open_session = open.execute(&prepared, &[]).await.unwrap_err();
    for error in [simple, extended, in_an_open_session] {
        let told = error.as_db_error().expect("the database's answer");
        assert_eq!(*told.code(), SqlState::DISK_FULL, "{told:?}");
        assert!(told.message().contains("orders-aaaaa"), "it says whose volume: {told:?}");
        assert!(told.hint().is_some_and(|hint| hint.contains("default_transaction_read_only")), "{told:?}");
    }
    assert_eq!(
        new.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get::<_, i64>(0),
        2,
        "reads go on"
    );
    within.batch_execute("COMMIT").await.unwrap();

    new.batch_execute("BEGIN READ WRITE; DELETE FROM t WHERE n = 1; COMMIT").await.unwrap();
    open.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    open.batch_execute("TRUNCATE t").await.unwrap();

    refuse(&database, false).await;
    world.serve_with(&proxy, &database, 1, Space::Ample).await;
    new.batch_execute("INSERT INTO t VALUES (6)").await.unwrap();
    let own = new.batch_execute("BEGIN READ ONLY; INSERT INTO t VALUES (7)").await.unwrap_err();
    assert_eq!(
        own.code(),
        Some(&SqlState::READ_ONLY_SQL_TRANSACTION),
        "there is room: it is the client's own word"
    );
}
