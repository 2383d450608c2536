//! Answers as servers give them, in pieces of every size.

use super::super::belongings::Statements;
use super::*;
use crate::wire::{Fields, begin};
use bytes::BufMut;
use proptest::prelude::*;
use rstest::rstest;
use std::sync::Arc;

const ROW: (u8, &str) = (b'D', "\0\u{1}\0\0\0\u{1}x");
const ERROR: (u8, &str) = (b'E', "SERROR\0VERROR\0C22012\0\0");
const NOTICE: (u8, &str) = (b'N', "SNOTICE\0VNOTICE\0C00000\0\0");
const FATAL: (u8, &str) = (b'E', "SFATAL\0VFATAL\0C57P01\0Mbye\0RProcessInterrupts\0\0");
const DYING: (u8, &str) = (b'N', "SWARNING\0VWARNING\0C57P02\0Rquickdie\0\0");
const STANDBY: (u8, &str) = (b'S', "in_hot_standby\0on\0");
const READ_ONLY: (u8, &str) = (b'E', "SERROR\0VERROR\0C25006\0\0");
const ABANDONED: (u8, &str) = (b'N', "SWARNING\0VWARNING\0C01000\0RSyncRepWaitForLSN\0\0");
const COMMIT: (u8, &str) = (b'C', "COMMIT\0");
const READY: (u8, &str) = (b'Z', "I");

fn stream(messages: &[(u8, &str)]) -> Vec<u8> {
    let frames = messages.iter().map(|(kind, body)| begin(*kind, |out| out.put_slice(body.as_bytes())));
    frames.collect::<Vec<_>>().concat()
}

/// What the client gets, as kinds (`!` for an 08007), and the SQLSTATE of the words that it does not get.
fn sifted(messages: &[(u8, &str)], size: usize) -> (String, Option<String>) {
    let mut tracker = Tracker::new(Arc::new(Statements::default()));
    let mut sieve = Sieve::default();
    let mut told = BytesMut::new();
    let mut words = None;
    for chunk in stream(messages).chunks(size) {
        let (sifted, last) = sieve.sift(&mut tracker, chunk).unwrap();
        match sifted {
            Sifted::Whole => told.extend_from_slice(chunk),
            Sifted::Instead(bytes) => told.extend_from_slice(&bytes),
        }
        if let Some(Words::Farewell(words_said) | Words::Standby(words_said)) = last {
            words = Some(String::from_utf8_lossy(Fields::parse(&words_said[HEADER..]).code).into_owned());
            break;
        }
    }
    let mut kinds = String::new();
    while !told.is_empty() {
        let length = u32::from_be_bytes(told[1..HEADER].try_into().unwrap()) as usize + 1;
        let message = told.split_to(length);
        let unknown = message[0] == b'E' && Fields::parse(&message[HEADER..]).code == b"08007";
        kinds.push(if unknown { '!' } else { char::from(message[0]) });
    }
    (kinds, words)
}

#[rstest]
#[case::an_answer(&[ROW, NOTICE, ROW, COMMIT, READY], "DNDCZ", None)]
#[case::an_error(&[ROW, ERROR, READY], "DEZ", None)]
#[case::a_farewell(&[ROW, FATAL], "D", Some("57P01"))]
#[case::a_farewell_behind_an_answer(&[COMMIT, READY, FATAL], "CZ", Some("57P01"))]
#[case::a_crash(&[ROW, DYING], "D", None)]
#[case::a_standby(&[STANDBY, READ_ONLY, READY], "S", Some("25006"))]
#[case::a_transaction_that_reads_only(&[READ_ONLY, READY], "EZ", None)]
#[case::an_abandoned_wait(&[NOTICE, ABANDONED, COMMIT, READY, ROW, READY], "NN!ZDZ", None)]
#[case::two_abandoned_waits(&[ABANDONED, COMMIT, READY, ABANDONED, COMMIT, READY, ERROR, READY], "N!ZN!ZEZ", None)]
fn is_sifted(#[case] messages: &[(u8, &str)], #[case] kinds: &str, #[case] words: Option<&str>) {
    for size in [1, 2, 3, 7, 20, 1000] {
        assert_eq!(sifted(messages, size), (kinds.to_owned(), words.map(str::to_owned)), "pieces of {size}");
    }
}

/// In one piece, as servers send it: what goes before a refusal and says nothing yet is not told.
#[rstest]
#[case::bound_only(&[(b'2', ""), FATAL], "", Some("57P01"))]
#[case::behind_an_answer(&[COMMIT, READY, (b'1', ""), (b'2', ""), FATAL], "CZ", Some("57P01"))]
#[case::behind_a_row(&[(b'2', ""), ROW, FATAL], "2D", Some("57P01"))]
#[case::of_a_standby(&[STANDBY, (b'2', ""), READ_ONLY, READY], "S", Some("25006"))]
#[case::an_error_that_is_told(&[(b'2', ""), ERROR, READY], "2EZ", None)]
fn the_beginning_of_an_answer_is_withheld_with_its_end(
    #[case] messages: &[(u8, &str)],
    #[case] kinds: &str,
    #[case] words: Option<&str>,
) {
    assert_eq!(sifted(messages, 1000), (kinds.to_owned(), words.map(str::to_owned)));
}

#[test]
fn what_needs_no_change_is_not_copied() {
    let mut tracker = Tracker::new(Arc::new(Statements::default()));
    let answer = stream(&[ROW, NOTICE, ERROR, READY]);
    assert_eq!(Sieve::default().sift(&mut tracker, &answer).unwrap(), (Sifted::Whole, None));
}

#[test]
fn a_notice_longer_than_is_read_goes_on_as_it_comes() {
    let long = format!("SNOTICE\0VNOTICE\0C00000\0M{}\0\0", "x".repeat(20_000));
    assert_eq!(sifted(&[(b'N', &long), READY], 1000), ("NZ".to_owned(), None));
}

/// What a client gets of a primary whose volume is full: SQLSTATEs of errors, kinds of all else.
fn told_of_a_full_primary(messages: &[(u8, &str)], size: usize) -> Vec<String> {
    let mut tracker = Tracker::new(Arc::new(Statements::default()));
    let mut sieve = Sieve::default();
    sieve.is_full(Some(MemberId::new("orders-aaaaa").unwrap()));
    let mut told = BytesMut::new();
    for chunk in stream(messages).chunks(size) {
        let (sifted, words) = sieve.sift(&mut tracker, chunk).unwrap();
        assert_eq!(words, None, "nothing of it ends the session");
        match sifted {
            Sifted::Whole => told.extend_from_slice(chunk),
            Sifted::Instead(bytes) => told.extend_from_slice(&bytes),
        }
    }
    let mut all = Vec::new();
    while !told.is_empty() {
        let length = u32::from_be_bytes(told[1..HEADER].try_into().unwrap()) as usize + 1;
        let message = told.split_to(length);
        let code = || String::from_utf8_lossy(Fields::parse(&message[HEADER..]).code).into_owned();
        all.push(if message[0] == b'E' { code() } else { char::from(message[0]).to_string() });
    }
    all
}

#[rstest]
#[case::a_write(&[READ_ONLY, READY], &["53100", "Z"])]
#[case::behind_rows(&[ROW, COMMIT, READ_ONLY, READY], &["D", "C", "53100", "Z"])]
#[case::two_writes(&[READ_ONLY, READY, NOTICE, READ_ONLY, READY, ROW], &["53100", "Z", "N", "53100", "Z", "D"])]
#[case::another_error(&[ROW, ERROR, READY], &["D", "22012", "Z"])]
fn a_full_primarys_refusal_says_why(#[case] messages: &[(u8, &str)], #[case] told: &[&str]) {
    for size in [1, 2, 3, 7, 20, 1000] {
        assert_eq!(told_of_a_full_primary(messages, size), told, "pieces of {size}");
    }
}

#[test]
fn a_standby_is_left_whatever_is_full() {
    let mut tracker = Tracker::new(Arc::new(Statements::default()));
    let mut sieve = Sieve::default();
    sieve.is_full(Some(MemberId::new("orders-aaaaa").unwrap()));
    let (_, words) = sieve.sift(&mut tracker, &stream(&[STANDBY, READ_ONLY, READY])).unwrap();
    assert!(matches!(words, Some(Words::Standby(_))));
}

proptest! {
    #[test]
    fn pieces_of_any_size_give_the_same(choice in proptest::collection::vec(0usize..9, 0..12), size in 1usize..40) {
        let all = [ROW, ERROR, NOTICE, DYING, STANDBY, READ_ONLY, ABANDONED, COMMIT, READY];
        let messages: Vec<_> = choice.into_iter().map(|at| all[at]).collect();
        prop_assert_eq!(sifted(&messages, size), sifted(&messages, 1_000_000));
    }
}
