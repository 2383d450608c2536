//! SCRAM-SHA-256 verifiers: made from a password, and recognised as still being of it.
//!
//! A verifier has a random salt, so that making it anew would change it each time. Recognising it keeps what pods mount unchanged while
//! the password is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The most rounds of a verifier that is checked: what is stored was made here, with 4096.
const MOST_ROUNDS: u32 = 100_000;

/// A new verifier of a password, in PostgreSQL's format.
pub(crate) fn make(password: &str) -> String {
    postgres_protocol::password::scram_sha_256(password.as_bytes())
}

/// Whether a stored verifier is of this password. A damaged one is of none.
pub(crate) fn is_of(verifier: &str, password: &str) -> bool {
    parse(verifier).is_some_and(|(rounds, salt, stored_key)| {
        let normalised = stringprep::saslprep(password).unwrap_or(password.into());
        let mut salted = [0_u8; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(normalised.as_bytes(), &salt, rounds, &mut salted);
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(&salted) else { return false };
        let client_key = mac.chain_update(b"Client Key").finalize().into_bytes();
        Sha256::digest(client_key).ct_eq(stored_key.as_slice()).into()
    })
}

/// `SCRAM-SHA-256$<rounds>:<salt>$<stored key>:<server key>`.
fn parse(verifier: &str) -> Option<(u32, Vec<u8>, Vec<u8>)> {
    let (parameters, keys) = verifier.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
    let (rounds, salt) = parameters.split_once(':')?;
    let (stored_key, _server_key) = keys.split_once(':')?;
    let rounds = rounds.parse().ok().filter(|rounds| (1..=MOST_ROUNDS).contains(rounds))?;
    Some((rounds, STANDARD.decode(salt).ok()?, STANDARD.decode(stored_key).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_knows_its_password_and_no_other() {
        let verifier = make("s3cret");
        assert!(is_of(&verifier, "s3cret"));
        assert!(!is_of(&verifier, "S3cret"));
        assert!(!is_of(&verifier, ""));
        assert_ne!(verifier, make("s3cret"), "the salt is random");
    }

    #[test]
    fn normalisation_is_that_of_the_protocol() {
        // A soft hyphen maps to nothing (RFC 4013), in the client and here.
        assert!(is_of(&make("I\u{AD}X"), "IX"));
    }

    #[test]
    fn damage_is_of_no_password() {
        for damaged in [
            "",
            "SCRAM-SHA-256$",
            "md5abc",
            "SCRAM-SHA-256$0:AA==$AA==:AA==",
            "SCRAM-SHA-256$4294967295:AA==$AA==:AA==",
        ] {
            assert!(!is_of(damaged, ""), "{damaged}");
        }
    }
}
