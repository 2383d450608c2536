//! What applications and their drivers really send, and what it leaves behind.

use super::*;
use proptest::prelude::*;
use rstest::rstest;

/// Acts in short: `+` what is left behind, `-` what is wiped away.
fn acts(text: &str) -> String {
    let words = read(text.as_bytes(), true).acts.into_iter().map(|act| {
        let show = |bytes: Box<[u8]>| String::from_utf8(bytes.into()).unwrap();
        match act {
            Act::Set { key, text } => format!("{}: {}", show(key), show(text)),
            Act::ResetAll => "reset all".to_owned(),
            Act::Listen { channel, text } => format!("{}: {}", show(channel), show(text)),
            Act::Unlisten { channel } => format!("unlisten {}", show(channel)),
            Act::UnlistenAll => "unlisten all".to_owned(),
            Act::Prepare { name, text } => format!("{}: {}", show(name), show(text)),
            Act::Deallocate { name } => format!("deallocate {}", show(name)),
            Act::DeallocateAll => "deallocate all".to_owned(),
            Act::DiscardAll => "discard all".to_owned(),
            Act::Wipe(trace) => format!("-{trace:?}"),
            Act::Leave(trace) => format!("+{trace:?}"),
        }
    });
    words.collect::<Vec<_>>().join(", ")
}

#[rstest]
#[case("")]
#[case(" ; ;; -- nothing")]
#[case("BEGIN ISOLATION LEVEL REPEATABLE READ; SAVEPOINT a; RELEASE a; COMMIT")]
#[case("SELECT count(*), coalesce(max(a), 0) FROM t WHERE b IN (1, 2) AND c = ANY ($1) ORDER BY lower(d)")]
#[case(r#"INSERT INTO "public"."users" ("id", "name") VALUES (nextval('s'), $1) ON CONFLICT (id) DO UPDATE SET (a, b) = (1, 2) RETURNING *"#)]
#[case(
    "WITH RECURSIVE a(n) AS (SELECT 1), b AS MATERIALIZED (SELECT 2) SELECT x::numeric(10,2) FROM a AS y(z)"
)]
#[case("SELECT temp, temporary FROM weather WHERE temp > 3")]
#[case("(SELECT 1) UNION (SELECT 2)")]
#[case("VALUES (1), (2)")]
#[case("EXPLAIN (ANALYZE, COSTS) SELECT now()")]
#[case("COPY t (a, b) FROM STDIN")]
#[case("CREATE TABLE t (id int PRIMARY KEY DEFAULT mine(), CHECK (mine(id)))")]
#[case("CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS $$ SELECT mine(); SET x = 1 $$")]
#[case("CREATE TEMP TABLE t (n int) ON COMMIT DROP")]
#[case("SET LOCAL search_path = a; SET TRANSACTION READ ONLY; SET CONSTRAINTS ALL DEFERRED")]
#[case("SELECT set_config('app.user', $1, true), set_config('a', 'b', true)")]
#[case("SELECT pg_advisory_xact_lock(7), pg_try_advisory_xact_lock(8), pg_advisory_unlock(9)")]
#[case(
    "SELECT pg_catalog.pg_get_userbyid(d.datdba), pg_catalog.array_to_string(d.datacl, E'\\n') FROM pg_catalog.pg_database d"
)]
#[case("DECLARE c CURSOR FOR SELECT 1; DECLARE d CURSOR WITHOUT HOLD FOR SELECT 1; FETCH 2 FROM c; CLOSE c")]
#[case("EXECUTE pr(1)")]
fn leaves_nothing(#[case] text: &str) {
    assert_eq!(acts(text), "");
}

#[rstest]
#[case("set statement_timeout to 5; select 1", "statement_timeout: set statement_timeout to 5")]
#[case("SET SESSION App.User = 'x;y' ; ", "app.user: SET SESSION App.User = 'x;y'")]
#[case("SET TIME ZONE 'UTC'", "time: SET TIME ZONE 'UTC'")]
#[case("SET ROLE app_reader", "role: SET ROLE app_reader")]
#[case("SET SESSION AUTHORIZATION DEFAULT", "session authorization: SET SESSION AUTHORIZATION DEFAULT")]
#[case(
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "session characteristics: SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
)]
#[case("RESET \"Odd\"\"One\"", "Odd\"One: RESET \"Odd\"\"One\"")]
#[case("RESET ALL", "reset all")]
#[case(
    "SELECT set_config('TimeZone', 'UTC', false)",
    "timezone: SELECT set_config('TimeZone', 'UTC', false)"
)]
#[case(
    "LISTEN News; listen \"Old\"; UNLISTEN news; UNLISTEN *",
    "news: LISTEN News, Old: listen \"Old\", unlisten news, unlisten all"
)]
#[case(
    "PREPARE p (int) AS SELECT $1; DEALLOCATE PREPARE p; DEALLOCATE q; DEALLOCATE ALL",
    "p: PREPARE p (int) AS SELECT $1, deallocate p, deallocate q, deallocate all"
)]
#[case("DISCARD ALL", "discard all")]
#[case(
    "CLOSE ALL; DISCARD TEMP; DISCARD SEQUENCES; SELECT pg_advisory_unlock_all()",
    "-Held, -Temporary, -Sequence, -Locks"
)]
fn leaves_what_can_be_made_anew(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(acts(text), expected);
}

#[rstest]
#[case("CREATE TEMP TABLE t (n int)", "+Temporary")]
#[case("create local temporary view v as select 1", "+Temporary")]
#[case("SELECT 1 INTO TEMP t", "+Temporary")]
#[case("CREATE TABLE pg_temp.t (n int)", "+Temporary")]
#[case("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "+Held")]
#[case("SELECT pg_advisory_lock(1)", "+Locks")]
#[case("SELECT 1 WHERE pg_catalog.pg_try_advisory_lock_shared(1, 2)", "+Locks")]
#[case("SELECT lastval()", "+Sequence")]
#[case("SELECT mine(1)", "+Code")]
#[case("SELECT \"count\"(1)", "+Code")]
#[case("SELECT app.count(1)", "+Code")]
#[case("SELECT pg_catalog.setseed(1)", "+Code")]
#[case("INSERT INTO t (a) VALUES (mine())", "+Code")]
#[case("CREATE TABLE t AS SELECT mine()", "+Code")]
#[case("EXECUTE pr(mine())", "+Code")]
#[case("SELECT set_config('a', $1, false)", "+Code")]
#[case("SELECT set_config('a', 'b', c) FROM d", "+Code")]
#[case("SELECT set_config('a', 'b', false) FROM d", "+Code")]
#[case("CALL p()", "+Code")]
#[case("DO $$ BEGIN END $$", "+Code")]
#[case("LOAD 'x'", "+Code")]
#[case("SET SEED TO 0.5", "+Unclear")]
#[case("IDENTIFY_SYSTEM", "+Unclear")]
#[case("SELECT 'a", "+Unclear")]
fn leaves_what_cannot_be_made_anew(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(acts(text), expected);
}

#[test]
fn what_is_cut_off_is_unclear() {
    let script = read(b"SELECT 1", false);
    assert_eq!((script.acts, script.weight), (vec![Act::Leave(Trace::Unclear)], Weight::Lasting));
}

#[rstest]
#[case("", Weight::Nothing, false)]
#[case("BEGIN; SET x = 1", Weight::Nothing, false)]
#[case("BEGIN; INSERT INTO t VALUES (1)", Weight::Undone, false)]
#[case("ROLLBACK TO a", Weight::Undone, false)]
#[case("ROLLBACK PREPARED 'a'", Weight::Lasting, false)]
#[case("COMMIT", Weight::Lasting, true)]
#[case("end work;", Weight::Lasting, true)]
#[case("COMMIT; SELECT 1", Weight::Lasting, false)]
#[case("INSERT INTO t VALUES (1); COMMIT", Weight::Lasting, false)]
#[case("PREPARE TRANSACTION 'a'", Weight::Lasting, false)]
#[case("VACUUM t", Weight::Lasting, false)]
#[case("CREATE INDEX CONCURRENTLY i ON t (a)", Weight::Lasting, false)]
#[case("CALL p()", Weight::Lasting, false)]
#[case("SELECT mine()", Weight::Lasting, false)]
fn weighs(#[case] text: &str, #[case] weight: Weight, #[case] commits_alone: bool) {
    let script = read(text.as_bytes(), true);
    assert_eq!((script.weight, script.commits_alone), (weight, commits_alone));
}

#[rstest]
#[case("COMMIT", true)]
#[case(" ;\n\tEnd work", true)]
#[case("-- why\ncommit", true)]
#[case("/* a /* b */ c */ commit", true)]
#[case("insert into t values (1); commit;", true)]
#[case("select 1;END", true)]
#[case("prepare transaction 'x'", true)]
#[case("select 'never ends", true)]
#[case("something new", true)]
#[case("-- commit", false)]
#[case("select 'please; commit'", false)]
#[case("update t set a = case when b then 1 end", false)]
#[case("insert into commits values (1)", false)]
#[case("prepare p as select 1", false)]
#[case("rollback", false)]
#[case("", false)]
fn could_end_a_transaction(#[case] text: &str, #[case] may: bool) {
    assert_eq!(read(text.as_bytes(), true).may_commit, may);
}

proptest! {
    #[test]
    fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..80), whole: bool) {
        let _ = read(&bytes, whole);
    }

    #[test]
    fn no_words_break_it(words in proptest::collection::vec("set|session|reset|prepare|listen|discard|close|select|set_config|temp|create|declare|deallocate|unlisten|\\(|\\)|\\.|,|;|'a'|\"b\"|a", 0..12)) {
        let _ = read(words.join(" ").as_bytes(), true);
    }
}
