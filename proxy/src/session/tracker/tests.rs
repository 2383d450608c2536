//! Conversations as clients really have them, and what the session is in the middle of after each step.

use super::*;
use crate::wire::begin;
use bytes::BufMut;

const MAYBE: Flight = Flight::Running { may_commit: true };
const NOTHING: Flight = Flight::Running { may_commit: false };

struct Talk(Tracker);

impl Talk {
    fn new() -> Self {
        Self(Tracker::new())
    }

    /// Each message arrives byte by byte, which must not matter.
    fn client(&mut self, kind: u8, body: &[u8]) -> &mut Self {
        for byte in begin(kind, |out| out.put_slice(body)) {
            self.0.client(&[byte]).unwrap();
        }
        self
    }

    fn server(&mut self, kind: u8, body: &[u8]) -> &mut Self {
        for byte in begin(kind, |out| out.put_slice(body)) {
            self.0.server(&[byte]).unwrap();
        }
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
    talk.client(b'Q', &[b' '; TEXT + 1]).is(MAYBE);
}

#[test]
fn half_a_message_is_not_idle() {
    let mut tracker = Tracker::new();
    tracker.client(b"Q\0\0").unwrap();
    assert_eq!(tracker.flight(), MAYBE);
}

#[test]
fn a_servers_own_farewell_is_noticed() {
    let mut talk = Talk::new();
    talk.server(b'E', b"SERROR\0VERROR\0C42601\0\0");
    assert_eq!(talk.0.goodbye(), Goodbye::Nobody);
    talk.server(b'E', b"SFATAL\0VFATAL\0C57P01\0Mbye\0\0");
    assert_eq!(talk.0.goodbye(), Goodbye::Server);
}

#[test]
fn a_second_startup_and_a_second_password_are_refused() {
    assert!(Tracker::new().client(b"\0\0\0\x08\0\x03\0\0").is_err());
    assert!(Tracker::new().client(b"p\0\0\0\x08abcd").is_err());
}
