//! Conversations as clients really have them, and what the session is in the middle of after each step.

use super::*;
use crate::wire::begin;
use bytes::{BufMut, BytesMut};
use rstest::rstest;

const MAYBE: Flight = Flight::Running { may_commit: true };
const NOTHING: Flight = Flight::Running { may_commit: false };

struct Talk(Tracker);

impl Talk {
    fn new() -> Self {
        Self(Tracker::new(Arc::new(Statements::default())))
    }

    /// Each message arrives byte by byte, which must not matter.
    fn client(&mut self, kind: u8, body: &[u8]) -> &mut Self {
        for byte in begin(kind, |out| out.put_slice(body)) {
            self.0.client(&[byte]).unwrap();
        }
        self
    }

    fn server(&mut self, kind: u8, body: &[u8]) -> &mut Self {
        self.hears(kind, body, Heard::Nothing)
    }

    /// What the server says means this to the proxy.
    fn hears(&mut self, kind: u8, body: &[u8], expected: Heard) -> &mut Self {
        let mut heard = Vec::new();
        for byte in begin(kind, |out| out.put_slice(body)) {
            let seen = |meaning, _, _: Sighting<'_>| {
                heard.push(meaning);
                ControlFlow::Continue(())
            };
            self.0.server(&[byte], seen).unwrap();
        }
        assert_eq!(heard, [expected]);
        self
    }

    /// A simple query, answered with this tag and this state of the transaction.
    fn query(&mut self, text: &str, tag: &str, status: &[u8]) -> &mut Self {
        self.client(b'Q', format!("{text}\0").as_bytes());
        self.server(b'C', format!("{tag}\0").as_bytes()).server(b'Z', status)
    }

    /// A simple query that fails.
    fn fails(&mut self, text: &str, status: &[u8]) -> &mut Self {
        self.client(b'Q', format!("{text}\0").as_bytes());
        self.server(b'E', b"SERROR\0VERROR\0C42601\0\0").server(b'Z', status)
    }

    /// A statement prepared and run by the protocol.
    fn runs(&mut self, name: &str, text: &str, tag: &str, status: &[u8]) -> &mut Self {
        self.client(b'P', format!("{name}\0{text}\0\0\0").as_bytes());
        self.client(b'B', format!("\0{name}\0\0\0\0\0\0\0").as_bytes());
        self.client(b'E', b"\0\0\0\0\0").client(b'S', b"").server(b'1', b"").server(b'2', b"");
        self.server(b'C', format!("{tag}\0").as_bytes()).server(b'Z', status)
    }

    /// What would be made anew, as bytes; and what is in the way, in words.
    fn keeps(&mut self, replayed: &[&str], traces: &str) -> &mut Self {
        let mut out = BytesMut::new();
        self.0.belongings().replay(&mut out);
        let queries =
            replayed.iter().map(|text| begin(b'Q', |out| out.put_slice(format!("{text}\0").as_bytes())));
        let expected = queries.collect::<Vec<_>>().concat();
        assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&expected));
        assert_eq!(self.0.belongings().traces().to_string(), traces);
        self
    }

    fn is(&mut self, flight: Flight) -> &mut Self {
        assert_eq!(self.0.flight(), flight);
        self
    }
}

#[test]
fn a_simple_query_outside_of_a_transaction_commits_by_itself() {
    let mut talk = Talk::new();
    talk.is(Flight::Idle).client(b'Q', b"insert into t values (1)\0").is(MAYBE);
    talk.server(b'C', b"INSERT 0 1\0").is(MAYBE).server(b'Z', b"I").is(Flight::Idle);
}

#[test]
fn in_a_transaction_only_its_end_commits() {
    let mut talk = Talk::new();
    talk.client(b'Q', b"begin\0").server(b'Z', b"T").is(Flight::Open);
    talk.client(b'Q', b"insert into t values (1)\0").is(NOTHING).server(b'Z', b"T").is(Flight::Open);
    talk.client(b'Q', b"commit\0").is(MAYBE).server(b'Z', b"I").is(Flight::Idle);
}

#[test]
fn a_prepared_commit_is_known_by_its_name() {
    let mut talk = Talk::new();
    talk.client(b'P', b"c\0COMMIT\0\0\0")
        .client(b'P', b"i\0insert into t values (1)\0\0\0")
        .client(b'S', b"");
    talk.server(b'1', b"").server(b'1', b"").server(b'Z', b"I").is(Flight::Idle);
    talk.client(b'Q', b"begin\0").server(b'Z', b"T");
    talk.client(b'B', b"\0i\0\0\0\0\0\0\0")
        .client(b'E', b"\0\0\0\0\0")
        .is(NOTHING)
        .client(b'S', b"")
        .is(NOTHING);
    talk.server(b'Z', b"T").is(Flight::Open);
    talk.client(b'B', b"\0c\0\0\0\0\0\0\0").is(MAYBE).client(b'E', b"\0\0\0\0\0").client(b'S', b"").is(MAYBE);
    talk.server(b'Z', b"I").is(Flight::Idle);
}

#[test]
fn a_pipeline_is_busy_until_its_last_answer() {
    let mut talk = Talk::new();
    talk.client(b'S', b"").client(b'S', b"").client(b'Q', b"select 1\0");
    talk.server(b'Z', b"I").is(MAYBE).server(b'Z', b"I").is(MAYBE).server(b'Z', b"I").is(Flight::Idle);
}

#[test]
fn a_copy_in_the_extended_protocol_is_over_with_the_sync_behind_its_data() {
    let mut talk = Talk::new();
    talk.client(b'B', b"\0\0\0\0\0\0\0\0").client(b'E', b"\0\0\0\0\0").client(b'S', b"");
    talk.server(b'2', b"").server(b'G', b"\0\0\0").is(MAYBE);
    talk.client(b'd', b"1\n").client(b'c', b"").is(MAYBE).client(b'S', b"");
    talk.server(b'C', b"COPY 1\0").is(MAYBE).server(b'Z', b"I").is(Flight::Idle);
}

#[test]
fn a_copy_that_fails_is_over_too() {
    let mut talk = Talk::new();
    talk.client(b'B', b"\0\0\0\0\0\0\0\0").client(b'E', b"\0\0\0\0\0").client(b'S', b"");
    talk.server(b'G', b"\0\0\0").client(b'd', b"bad").server(b'E', b"SERROR\0VERROR\0C22P02\0\0").is(MAYBE);
    talk.client(b'S', b"").server(b'Z', b"I").is(Flight::Idle);
}

#[test]
fn a_copy_in_the_simple_protocol_is_over_with_its_query() {
    let mut talk = Talk::new();
    talk.client(b'Q', b"copy t from stdin\0").server(b'G', b"\0\0\0");
    talk.client(b'd', b"1\n").client(b'c', b"").is(MAYBE);
    talk.server(b'C', b"COPY 1\0").server(b'Z', b"I").is(Flight::Idle);
}

#[test]
fn a_query_too_long_to_look_through_counts_as_one_that_may_commit() {
    let mut talk = Talk::new();
    talk.client(b'Q', b"begin\0").server(b'Z', b"T");
    talk.client(b'Q', &vec![b' '; TEXT + 1]).is(MAYBE);
}

#[test]
fn half_a_message_is_not_idle() {
    let mut talk = Talk::new();
    talk.0.client(b"Q\0\0").unwrap();
    talk.is(MAYBE);
}

#[test]
fn a_servers_own_farewell_is_heard() {
    let mut talk = Talk::new();
    talk.server(b'E', b"SERROR\0VERROR\0C42601\0\0");
    talk.hears(b'E', b"SFATAL\0VFATAL\0C57P01\0Mbye\0\0", Heard::Farewell);
    talk.hears(b'N', b"SWARNING\0VWARNING\0C57P02\0Rquickdie\0\0", Heard::Dying);
    talk.hears(b'N', b"SWARNING\0VWARNING\0C01000\0RSyncRepWaitForLSN\0\0", Heard::Abandoned);
}

#[test]
fn a_refusal_to_write_is_a_standbys_only_where_it_says_that_it_is_one() {
    let refusal = b"SERROR\0VERROR\0C25006\0\0";
    let mut talk = Talk::new();
    talk.server(b'S', b"in_hot_standby\0off\0").hears(b'E', refusal, Heard::ReadOnly);
    talk.server(b'S', b"in_hot_standby\0on\0").hears(b'E', refusal, Heard::Standby);
}

#[test]
fn a_second_startup_and_a_second_password_are_refused() {
    assert!(Talk::new().0.client(b"\0\0\0\x08\0\x03\0\0").is_err());
    assert!(Talk::new().0.client(b"p\0\0\0\x08abcd").is_err());
}

#[test]
fn a_commit_by_itself_is_told_from_one_among_others() {
    let mut talk = Talk::new();
    talk.query("begin", "BEGIN", b"T").client(b'Q', b"COMMIT\0");
    assert!(talk.0.commits_alone());
    talk.server(b'C', b"COMMIT\0").server(b'Z', b"I");
    assert!(!talk.0.commits_alone());
    talk.client(b'Q', b"COMMIT\0").client(b'Q', b"select pg_sleep(9)\0");
    assert!(!talk.0.commits_alone());
    let mut talk = Talk::new();
    talk.client(b'P', b"\0commit\0\0\0").client(b'B', b"\0\0\0\0\0\0\0\0").client(b'E', b"\0\0\0\0\0");
    assert!(talk.0.commits_alone());
}

#[test]
fn what_is_set_counts_once_it_is_committed() {
    let set = "SET a = 1";
    Talk::new().query(set, "SET", b"I").keeps(&[set], "");
    Talk::new().runs("", set, "SET", b"I").query("select 1", "SELECT 1", b"I").keeps(&[set], "");
    Talk::new().fails(set, b"I").keeps(&[], "");
    let begun = || {
        let mut talk = Talk::new();
        talk.query("begin", "BEGIN", b"T").query(set, "SET", b"T").keeps(&[], "");
        talk
    };
    begun().query("commit", "COMMIT", b"I").keeps(&[set], "");
    begun()
        .query("commit and chain", "COMMIT", b"T")
        .keeps(&[set], "")
        .query("rollback", "ROLLBACK", b"I")
        .keeps(&[set], "");
    begun().query("rollback", "ROLLBACK", b"I").keeps(&[], "");
    begun().query("commit", "ROLLBACK", b"I").keeps(&[], "");
    begun().fails("select 1/0", b"E").query("rollback", "ROLLBACK", b"I").keeps(&[], "");
    begun().fails("commit", b"I").keeps(&[], "");
    Talk::new().query("begin; SET a = 1; commit", "COMMIT", b"I").keeps(&["SET a = 1"], "");
}

#[test]
fn what_is_not_clear_leaves_a_trace() {
    let unclear = "ran a statement that the proxy could not follow";
    let begun = || {
        let mut talk = Talk::new();
        talk.query("begin", "BEGIN", b"T").query("SET a = 1", "SET", b"T");
        talk
    };
    begun().query("rollback to s", "ROLLBACK", b"T").keeps(&[], unclear);
    begun().query("rollback and chain", "ROLLBACK", b"T").keeps(&[], unclear);
    Talk::new().query("begin", "BEGIN", b"T").query("rollback to s", "ROLLBACK", b"T").keeps(&[], "");
    Talk::new().query("begin; set a = 1; rollback", "ROLLBACK", b"I").keeps(&[], unclear);
    let mut talk = begun();
    talk.client(b'Q', b"commit; select 1/0\0").server(b'C', b"COMMIT\0");
    talk.server(b'E', b"SERROR\0VERROR\0C42601\0\0").server(b'Z', b"I").keeps(&[], unclear);
    Talk::new().fails("deallocate a; select 1/0", b"I").keeps(&[], unclear);
    Talk::new()
        .client(b'F', b"")
        .server(b'V', b"")
        .server(b'Z', b"I")
        .keeps(&[], "ran code that may have changed it (a function of its own, DO or CALL)");
    Talk::new().query(&"x".repeat(TEXT + 1), "SELECT 1", b"I").keeps(&[], unclear);
}

#[test]
fn a_trace_is_left_by_what_failed_too() {
    Talk::new().fails("create temp table t (n int); select 1/0", b"I").keeps(&[], "has temporary tables");
}

#[test]
fn a_statement_is_prepared_when_the_server_says_so() {
    let named = |talk: &Talk, name: &[u8]| talk.0.belongings().prepared(name).is_some();
    let mut talk = Talk::new();
    talk.client(b'P', b"a\0select 1\0\0\0")
        .client(b'P', b"b\0select 1/0\0\0\0")
        .client(b'P', b"c\0select 1\0\0\0");
    talk.client(b'S', b"").client(b'P', b"d\0select 2\0\0\0").client(b'S', b"");
    assert!(!named(&talk, b"a"));
    talk.server(b'1', b"").server(b'E', b"SERROR\0VERROR\0C42601\0\0").server(b'Z', b"I");
    talk.server(b'1', b"").server(b'Z', b"I").is(Flight::Idle);
    assert!(named(&talk, b"a") && !named(&talk, b"b") && !named(&talk, b"c") && named(&talk, b"d"));
    talk.client(b'C', b"Sa\0").client(b'C', b"Pa\0").client(b'C', b"Sd\0").client(b'S', b"");
    talk.server(b'3', b"").server(b'3', b"");
    assert!(!named(&talk, b"a") && named(&talk, b"d"));
    talk.server(b'3', b"").server(b'Z', b"I");
    assert!(!named(&talk, b"d"));
}

#[test]
fn what_is_sent_behind_an_error_is_passed_over_up_to_the_sync() {
    let mut talk = Talk::new();
    talk.client(b'P', b"a\0select 1/0\0\0\0").server(b'E', b"SERROR\0VERROR\0C42601\0\0");
    talk.client(b'P', b"b\0select 1\0\0\0").client(b'B', b"\0b\0\0\0\0\0\0\0").client(b'S', b"").is(MAYBE);
    talk.server(b'Z', b"I").is(Flight::Idle);
    talk.runs("c", "select 1", "SELECT 1", b"I").is(Flight::Idle);
    assert!(talk.0.belongings().prepared(b"c").is_some() && talk.0.belongings().prepared(b"b").is_none());
}

#[test]
fn a_prepared_statement_does_what_its_text_does() {
    let mut talk = Talk::new();
    talk.runs("a", "SET a = 1", "SET", b"I")
        .client(b'C', b"Sa\0")
        .client(b'S', b"")
        .server(b'3', b"")
        .server(b'Z', b"I");
    talk.keeps(&["SET a = 1"], "");
    Talk::new()
        .runs("", "create temp table t (n int)", "CREATE TABLE", b"I")
        .query("select 1", "SELECT 1", b"I")
        .keeps(&[], "has temporary tables");
}

#[rstest]
#[case::nothing(&[], Some(0))]
#[case::a_beginning(&["C BEGIN\0", "Z T"], Some(2))]
#[case::an_answer_in_its_middle(&["1 ", "2 "], None)]
#[case::a_parameter(&["C BEGIN\0", "Z T", "C SET\0", "S a\0b\0", "Z T"], Some(4))]
#[case::a_statement(&["C BEGIN\0", "Z T", "C INSERT 0 1\0", "Z T"], None)]
#[case::a_row(&["C BEGIN\0", "Z T", "T ", "D "], None)]
#[case::an_error(&["C BEGIN\0", "Z T", "E VERROR\0C42601\0\0", "Z E"], None)]
fn it_is_known_what_the_client_has_learnt(#[case] answers: &[&str], #[case] unrevealed: Option<usize>) {
    let mut talk = Talk::new();
    talk.client(b'P', b"\0begin\0\0\0").client(b'B', b"\0\0\0\0\0\0\0\0").client(b'S', b"");
    for answer in answers {
        talk.server(answer.as_bytes()[0], &answer.as_bytes()[2..]);
    }
    assert_eq!(talk.0.unrevealed(), unrevealed);
}

#[test]
fn an_idle_session_has_learnt_everything_and_begins_anew() {
    let mut talk = Talk::new();
    talk.query("insert into t values (1)", "INSERT 0 1", b"I");
    assert_eq!((talk.0.unrevealed(), talk.0.weight()), (Some(0), Weight::Nothing));
    talk.client(b'Q', b"begin\0");
    assert_eq!(talk.0.weight(), Weight::Nothing);
    talk.server(b'C', b"BEGIN\0").server(b'Z', b"T").client(b'Q', b"insert into t values (1)\0");
    assert_eq!((talk.0.unrevealed(), talk.0.weight()), (Some(2), Weight::Undone));
}

#[test]
fn outside_of_a_transaction_a_client_may_pause_unless_what_runs_needs_more_of_it() {
    let mut talk = Talk::new();
    assert!(talk.0.may_pause());
    talk.client(b'Q', b"copy t from stdin\0");
    assert!(talk.0.may_pause());
    talk.server(b'G', b"\0\0\0");
    assert!(!talk.0.may_pause());
    talk.client(b'c', b"").server(b'C', b"COPY 1\0").server(b'Z', b"I");
    assert!(talk.0.may_pause());
    talk.client(b'P', b"\0select 1\0\0\0");
    assert!(!talk.0.may_pause());
    talk.client(b'S', b"");
    assert!(talk.0.may_pause());
    talk.server(b'1', b"").server(b'Z', b"T");
    assert!(!talk.0.may_pause());
}
