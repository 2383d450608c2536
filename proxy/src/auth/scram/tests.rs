//! Against the example of RFC 7677, PostgreSQL's own verifiers, and the two sides against each other.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use rstest::rstest;

/// As PostgreSQL's `pg_be_scram_build_secret` does it, `SASLprep` included.
fn salted(password: &str, salt: &[u8], iterations: u32) -> Key {
    let prepared =
        stringprep::saslprep(password).map_or_else(|_| password.to_owned(), std::borrow::Cow::into_owned);
    let mut out = [0; 32];
    pbkdf2::pbkdf2_hmac::<sha2::Sha256>(prepared.as_bytes(), salt, iterations, &mut out);
    out
}

fn client_key(password: &str, verifier: &Verifier) -> Key {
    hmac_sha256(&salted(password, &verifier.salt, verifier.iterations), &[b"Client Key"])
}

fn verifier(password: &str, salt: &[u8], iterations: u32) -> Verifier {
    let salted = salted(password, salt, iterations);
    Verifier {
        iterations,
        salt: salt.to_vec(),
        stored_key: sha256(&hmac_sha256(&salted, &[b"Client Key"])),
        server_key: hmac_sha256(&salted, &[b"Server Key"]),
    }
}

/// The example in section 3 of RFC 7677. Its server nonce is not base64 of 18 bytes, so the arithmetic is checked apart from
/// the exchange.
#[test]
fn the_example_of_the_rfc() {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let verifier = verifier("pencil", &salt, 4096);
    let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let first_bare = "n=user,r=rOprNGfwEbeRWgbNEkqO";
    let server_first = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    let without_proof = format!("c=biws,r={nonce}");
    let last = format!("{without_proof},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    let exchange = Exchange::of_parts(verifier, first_bare, &server_first, nonce, b"n,,");
    let outcome = exchange.finish(last.as_bytes()).unwrap();
    assert_eq!(outcome.final_message, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

/// Verifiers that PostgreSQL 15 made with `ALTER ROLE ... PASSWORD`. A soft hyphen, a Roman numeral and a non-breaking space need
/// `SASLprep`; mixed directions and a tab are forbidden by it, and then PostgreSQL takes the bytes as they are.
#[rstest]
#[case::plain(
    "pencil",
    "SCRAM-SHA-256$4096:Rt1xzcTyUOM4HRLuBPMi7Q==$Jorvhl+cTEqPYk62NhMsH2aXDYmX5YQi5Dkz+AoMLDI=:XRMllrFz+bsr3uX+OkQjnjtK3dqfiPBpSczBOUYnlzs="
)]
#[case::soft_hyphen(
    "I\u{ad}X",
    "SCRAM-SHA-256$4096:w/iOG6ONQZSabFfZKIuf+A==$ihTUmJA3G+sBHO547PE6UPH7j+bGaqlNplRz+fttPRA=:38fJgokxvy9Mz3waudTVqIUJ2D7kVeEWjkENNg7+wa0="
)]
#[case::roman_numeral(
    "\u{2168}",
    "SCRAM-SHA-256$4096:ayozZ768G4KmAo6NihHgBQ==$NZFK5JlD9HEzaidEU68VL7H4b7KglQG4iuKfj6qyYf4=:6BzC2SwOvL4Fyw9iv7/vrpIjaBnDMkpSBENuIcoNuR4="
)]
#[case::space_and_accent(
    "a\u{a0}b \u{e9}",
    "SCRAM-SHA-256$4096:jifD2+Iv0yUSX+/nfZIG9w==$JOT7wTAtz2JFKEu6ggePSVpHNLZm+BIoC3Wx5PGBPhE=:WEddNokT1zLY8T+QPlyzeJRxYKe5STJkWxcVJvO5EJA="
)]
#[case::directions(
    "\u{627}1",
    "SCRAM-SHA-256$4096:vUthrjO+vbbTITqjhyeoZg==$rtrbQjMWj3eq+ORwnoHT1BAGZpLbDgwuaXsWtgEbAbc=:lPb6Lv6A1rRrSICFZaizUXRzcYkEo3V6P6zcmDZ8rW8="
)]
#[case::tab(
    "tab\there",
    "SCRAM-SHA-256$4096:1ouDzSkJZsQ/PEI5mHZAqg==$VT54899j9izXKTuaDIHhQ0IubNFOaGwXBN84vWlFyw0=:AH6tQqKjrsDVIRtboXDYBBJgnmrnIiCc6xypm8G6cZQ="
)]
fn verifiers_of_postgresql(#[case] password: &str, #[case] text: &str) {
    let parsed = Verifier::parse(text).unwrap();
    assert_eq!(parsed, verifier(password, &parsed.salt, parsed.iterations));
    assert!(login(&parsed, &parsed, password, Some(b"leaf"), Some(b"leaf")).is_ok());
    assert_eq!(login(&parsed, &parsed, "another", None, None).unwrap_err(), "the password is wrong");
}

#[rstest]
#[case("")]
#[case("md5d6a35858d61d85e4a82ab1fb044aba9d")]
#[case("SCRAM-SHA-256$4096:AAAA$AAAA:AAAA")]
#[case(
    "SCRAM-SHA-256$0:AAAA$FO+9jBb3MUukt6jJnzjPZOWc5ow/Pu6JtPyju0aqaE8=:FO+9jBb3MUukt6jJnzjPZOWc5ow/Pu6JtPyju0aqaE8="
)]
#[case(
    "SCRAM-SHA-256$x:AAAA$FO+9jBb3MUukt6jJnzjPZOWc5ow/Pu6JtPyju0aqaE8=:FO+9jBb3MUukt6jJnzjPZOWc5ow/Pu6JtPyju0aqaE8="
)]
fn is_no_verifier(#[case] text: &str) {
    assert_eq!(Verifier::parse(text), Err(InvalidVerifier));
}

/// A login with the `ClientKey` from the one side against the other; errors as texts, whichever side they are of.
fn login(
    server: &Verifier,
    known: &Verifier,
    password: &str,
    servers_end: Option<&[u8]>,
    clients_end: Option<&[u8]>,
) -> Result<Key, String> {
    let key = client_key(password, known);
    let client = ClientLogin::new(&Exchange::offer(servers_end), clients_end, known.clone(), key, &[7; 18])
        .map_err(|e| e.to_string())?;
    let (mechanism, first) = client.first();
    let exchange = Exchange::begin(mechanism, first.as_bytes(), servers_end, server.clone(), false, &[9; 18])
        .map_err(|e| e.to_string())?;
    let (last, expected) = client.prove(exchange.challenge().as_bytes()).map_err(|e| e.to_string())?;
    let outcome = exchange.finish(last.as_bytes()).map_err(|e| e.to_string())?;
    expected.check(outcome.final_message.as_bytes()).map_err(|e| e.to_string())?;
    assert_eq!(outcome.client_key, key, "the proof gives the key");
    Ok(key)
}

#[test]
fn another_end_point_is_somebody_in_between() {
    let verifier = verifier("pencil", b"salt", 100);
    assert!(login(&verifier, &verifier, "pencil", Some(b"a"), Some(b"a")).is_ok());
    assert!(login(&verifier, &verifier, "pencil", Some(b"a"), None).is_ok());
    let refused = login(&verifier, &verifier, "pencil", Some(b"a"), Some(b"b")).unwrap_err();
    assert_eq!(refused, Refusal::Binding.to_string());
}

#[test]
fn a_password_changed_in_between_is_told_apart_from_a_wrong_one() {
    let (old, new) = (verifier("pencil", b"old", 100), verifier("pencil", b"new", 100));
    assert_eq!(login(&new, &old, "pencil", None, None).unwrap_err(), LoginError::Changed.to_string());
}

#[test]
fn a_server_that_does_not_know_the_verifier_is_found_out() {
    let known = verifier("pencil", b"salt", 100);
    let impostor = Verifier { server_key: [0; 32], ..known.clone() };
    assert_eq!(login(&impostor, &known, "pencil", None, None).unwrap_err(), LoginError::Impostor.to_string());
}

#[test]
fn a_doomed_exchange_fails_as_a_wrong_password_even_with_the_right_one() {
    let verifier = verifier("pencil", b"salt", 100);
    let key = client_key("pencil", &verifier);
    let client = ClientLogin::new(&[SCRAM_SHA_256], None, verifier.clone(), key, &[7; 18]).unwrap();
    let exchange =
        Exchange::begin(SCRAM_SHA_256, client.first().1.as_bytes(), None, verifier, true, &[9; 18]).unwrap();
    let (last, _) = client.prove(exchange.challenge().as_bytes()).unwrap();
    assert_eq!(exchange.finish(last.as_bytes()).unwrap_err(), Refusal::Password);
}

#[rstest]
#[case::mechanism_not_offered("SCRAM-SHA-1", "n,,n=,r=abc", None, Refusal::Mechanism)]
#[case::plus_without_tls(SCRAM_SHA_256_PLUS, "p=tls-server-end-point,,n=,r=abc", None, Refusal::Mechanism)]
#[case::downgrade(SCRAM_SHA_256, "y,,n=,r=abc", Some(b"leaf"), Refusal::Downgraded)]
#[case::another_identity(SCRAM_SHA_256, "n,a=root,n=,r=abc", None, Refusal::AuthorizationIdentity)]
#[case::no_nonce(SCRAM_SHA_256, "n,,n=", None, Refusal::Malformed("no nonce"))]
#[case::nonce_with_control(
    SCRAM_SHA_256,
    "n,,n=,r=a\u{1}",
    None,
    Refusal::Malformed("the nonce is not printable")
)]
#[case::mandatory_extension(SCRAM_SHA_256, "n,,m=x,n=,r=abc", None, Refusal::Malformed("no user name"))]
#[case::binding_by_another_name(
    SCRAM_SHA_256_PLUS,
    "p=tls-unique,,n=,r=abc",
    Some(b"leaf"),
    Refusal::Malformed("the channel binding flag does not fit the mechanism")
)]
fn a_first_message_is_refused(
    #[case] mechanism: &str,
    #[case] first: &str,
    #[case] end_point: Option<&[u8; 4]>,
    #[case] refusal: Refusal,
) {
    let end_point = end_point.map(|e| &e[..]);
    let begun =
        Exchange::begin(mechanism, first.as_bytes(), end_point, verifier("p", b"s", 1), false, &[0; 18]);
    assert_eq!(begun.unwrap_err(), refusal);
}

proptest! {
    #[test]
    fn no_bytes_break_it(first in proptest::collection::vec(any::<u8>(), 0..80), last in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = Exchange::begin(SCRAM_SHA_256, &first, None, verifier("p", b"s", 1), false, &[0; 18]);
        let exchange =
            Exchange::begin(SCRAM_SHA_256, b"n,,n=,r=abc", None, verifier("p", b"s", 1), false, &[0; 18]).unwrap();
        prop_assert!(exchange.finish(&last).is_err());
        let client = ClientLogin::new(&[SCRAM_SHA_256], None, verifier("p", b"s", 1), [1; 32], &[0; 18]).unwrap();
        prop_assert!(client.prove(&last).is_err());
    }
}
