//! What is made anew after what was done, in which order.

use super::super::sql::read;
use super::*;
use crate::wire::Reader;
use rstest::rstest;

fn after(scripts: &[&str]) -> Belongings {
    let mut belongings = Belongings::default();
    for script in scripts {
        for act in read(script.as_bytes(), true).acts {
            belongings.apply(act);
        }
    }
    belongings
}

/// The replayed messages: statements as they are, `name=text` for what is prepared by the protocol, `.` for a Sync.
fn replayed(belongings: &Belongings) -> (Vec<String>, usize) {
    let mut out = BytesMut::new();
    let answers = belongings.replay(&mut out);
    let mut reader = Reader(&out);
    let mut messages = Vec::new();
    while let Ok(kind) = reader.u8() {
        let length = reader.u32().unwrap() as usize - 4;
        let mut body = Reader(reader.bytes(length).unwrap());
        let mut text = || String::from_utf8(body.cstr().unwrap().to_vec()).unwrap();
        messages.push(match kind {
            b'Q' => text(),
            b'P' => format!("{}={}", text(), text()),
            _ => ".".to_owned(),
        });
    }
    (messages, answers)
}

#[rstest]
#[case::nothing(&[], &[])]
#[case::the_last_word_counts(&["SET a = 1; SET b = 2; SET a = 3"], &["SET b = 2", "SET a = 3"])]
#[case::a_reset_is_a_word_too(&["SET TIME ZONE 'UTC'", "RESET timezone"], &["SET TIME ZONE 'UTC'", "RESET timezone"])]
#[case::a_role_outlives_a_reset(&["SET ROLE x; SET a = 1; RESET ALL; SET b = 2"], &["SET ROLE x", "SET b = 2"])]
#[case::channels(&["LISTEN a; LISTEN b; LISTEN A; UNLISTEN b"], &["LISTEN A"])]
#[case::no_channels(&["LISTEN a; UNLISTEN *"], &[])]
#[case::prepared(&["PREPARE a AS SELECT 1; PREPARE b AS SELECT 2; DEALLOCATE a"], &["PREPARE b AS SELECT 2"])]
#[case::nothing_prepared(&["PREPARE a AS SELECT 1; DEALLOCATE ALL"], &[])]
#[case::as_new(&["SET a = 1; LISTEN b; PREPARE c AS SELECT 1; CREATE TEMP TABLE d (n int)", "DISCARD ALL"], &[])]
fn is_made_anew(#[case] scripts: &[&str], #[case] expected: &[&str]) {
    let belongings = after(scripts);
    let (messages, answers) = replayed(&belongings);
    assert_eq!(messages, expected);
    assert_eq!(answers, expected.len());
    assert!(belongings.traces().is_empty());
}

#[test]
fn statements_of_the_protocol_come_last_and_the_one_without_a_name_behind_them() {
    let mut belongings = after(&["SET a = 1"]);
    let prepared = |text: &str| Arc::new(Prepared::read(format!("{text}\0\0\0").as_bytes(), true));
    belongings.put(b"", prepared("select 1"));
    belongings.put(b"one", prepared("select 2"));
    belongings.put(b"two", prepared("select 3"));
    belongings.remove(b"two");
    assert_eq!(
        replayed(&belongings),
        (vec!["SET a = 1".into(), "one=select 2".into(), "=select 1".into(), ".".into()], 2)
    );
    belongings.forget_unnamed();
    belongings.remove(b"one");
    assert_eq!(replayed(&belongings).1, 1);
}

#[test]
fn traces_are_wiped_by_what_takes_them_away_and_told_in_words() {
    let belongings = after(&[
        "CREATE TEMP TABLE t (n int); SELECT pg_advisory_lock(1); DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    ]);
    assert_eq!(
        belongings.traces().to_string(),
        "has temporary tables, has a cursor WITH HOLD, has advisory locks"
    );
    let belongings = after(&[
        "CREATE TEMP TABLE t (n int); SELECT pg_advisory_lock(1); DECLARE c CURSOR WITH HOLD FOR SELECT 1; SELECT lastval()",
        "CLOSE ALL; DISCARD SEQUENCES; SELECT pg_advisory_unlock_all(); DISCARD TEMP",
    ]);
    assert!(belongings.traces().is_empty());
    assert!(!after(&["CALL p()", "DISCARD TEMP"]).traces().is_empty());
    assert!(after(&["CALL p()", "DISCARD ALL"]).traces().is_empty());
}

#[test]
fn what_is_kept_is_bounded() {
    let mut belongings = Belongings::default();
    let long = "x".repeat(10_000);
    for n in 0..100 {
        belongings.put(
            format!("s{n}").as_bytes(),
            Arc::new(Prepared::read(format!("select '{n}{long}'\0\0\0").as_bytes(), true)),
        );
    }
    assert!(belongings.traces().has(Trace::TooMuch) && belongings.kept <= MOST);
    let mut belongings = Belongings::default();
    for n in 0..1000 {
        for act in read(format!("SET a = '{n}{long}'").as_bytes(), true).acts {
            belongings.apply(act);
        }
    }
    assert!(belongings.traces().is_empty(), "the same parameter again and again");
    belongings.apply(Act::ResetAll);
    assert_eq!(belongings.kept, 0);
    belongings.put(b"", Arc::new(Prepared::read(format!("select '{long}'\0\0\0").as_bytes(), true)));
    assert!(belongings.traces().has(Trace::TooMuch), "a long statement without a name");
    belongings.forget_unnamed();
    assert!(belongings.traces().is_empty());
}
