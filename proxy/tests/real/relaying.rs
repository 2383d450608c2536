//! What goes through a session: results of every size, COPY, pgbench in all its modes, bytes one at a time.

use crate::balancer::{Cut, balance};
use crate::world::{World, say};

#[tokio::test(flavor = "multi_thread")]
async fn big_rows_and_copies_arrive_whole() {
    let (world, database, proxy) = World::serving().await;
    let mut row = world.psql(proxy.tenants, "SELECT repeat('0123456789', 3000000)");
    let said = say(&mut row).await;
    assert_eq!(said.out.len(), 30_000_000, "{}", said.err);
    assert_eq!(&said.out[said.out.len() - 10..], "0123456789");

    let mut copy = world.psql(proxy.tenants, "CREATE TABLE numbers (n int, t text)");
    let rows: Vec<String> =
        (0..200_000).map(|n| format!("{n}\tsome text that makes a row longer\n")).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), rows.concat()).unwrap();
    copy.args(["-c", &format!("\\copy numbers from '{}'", file.path().display())]);
    copy.args(["-c", "\\copy (SELECT n FROM numbers ORDER BY n) to stdout"]);
    let said = say(&mut copy).await;
    assert!(said.success, "{}", said.err);
    assert_eq!(said.out.lines().count(), 200_000);
    assert_eq!(said.out.lines().last(), Some("199999"));
    assert_eq!(database.sql("app", "SELECT sum(n) FROM numbers"), "19999900000");

    let said =
        say(world.psql(proxy.tenants, "SELECT 1").args(["-c", "\\copy numbers from '/etc/hostname'"])).await;
    assert!(said.err.contains("22P02"), "an error in the middle of a COPY: {said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pgbench_runs_in_every_mode_and_with_a_connection_for_each_transaction() {
    let (world, database, proxy) = World::serving().await;
    let made = say(world.client("pgbench", proxy.tenants).args(["-i", "-s", "1", "-q", "app"])).await;
    assert!(made.success, "{}", made.err);
    let mut transactions = 0;
    for (mode, more) in [
        ("simple", &["-c", "8", "-j", "2", "-t", "50"][..]),
        ("extended", &["-c", "8", "-j", "2", "-t", "50"]),
        ("prepared", &["-c", "8", "-j", "2", "-t", "50"]),
        ("simple", &["-c", "4", "-j", "2", "-t", "10", "-C"]),
    ] {
        let said =
            say(world.client("pgbench", proxy.tenants).args(["-n", "-M", mode]).args(more).arg("app")).await;
        assert!(said.success, "{mode} {more:?}: {}", said.err);
        assert!(said.out.contains("number of failed transactions: 0"), "{}", said.out);
        transactions += if more.contains(&"-C") { 40 } else { 400 };
    }
    let counted = database.sql("app", "SELECT count(*) FROM pgbench_history");
    assert_eq!(counted, transactions.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_of_prepared_statements_goes_through() {
    let (world, _database, proxy) = World::serving().await;
    let script = tempfile::NamedTempFile::new().unwrap();
    let body = "\\startpipeline\nSELECT 1;\nSELECT 2;\n\\endpipeline\n".repeat(20);
    std::fs::write(script.path(), body).unwrap();
    let mut bench = world.client("pgbench", proxy.tenants);
    bench.args(["-n", "-M", "prepared", "-c", "4", "-t", "20", "-f"]).arg(script.path()).arg("app");
    let said = say(&mut bench).await;
    assert!(said.success && said.out.contains("processed: 80/80"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_come_one_at_a_time_make_the_same_session() {
    let (world, _database, proxy) = World::serving().await;
    let slow = balance(vec![proxy.tenants], Cut::SingleBytes).await;
    let said = say(&mut world.psql(slow, "SELECT sum(n) FROM generate_series(1, 100) AS n")).await;
    assert_eq!(said.out, "5050", "{said:?}");
    let open = world.proxy(&["--allow-plaintext"]).await;
    let slow = balance(vec![open.tenants], Cut::SingleBytes).await;
    let mut psql = world.psql(slow, "BEGIN; SELECT 7; COMMIT");
    let said = say(psql.env("PGSSLMODE", "disable")).await;
    assert_eq!(said.out, "7", "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_come_and_parameters_are_told() {
    let (world, _database, proxy) = World::serving().await;
    let mut psql = world.psql(proxy.tenants, "LISTEN news");
    psql.args([
        "-c",
        "NOTIFY news, 'told'",
        "-c",
        "SET TIME ZONE 'Asia/Tokyo'",
        "-c",
        "\\echo :ENCODING",
        "-c",
        "SELECT 1",
    ]);
    let said = say(&mut psql).await;
    assert!(said.out.contains("Asynchronous notification \"news\" with payload \"told\""), "{said:?}");
    assert!(said.out.contains("UTF8"), "{said:?}");
}
