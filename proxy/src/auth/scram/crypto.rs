//! The few primitives that SCRAM is made of.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// A SHA-256 digest or a key of its length.
pub type Key = [u8; 32];

/// The digest.
pub fn sha256(bytes: &[u8]) -> Key {
    Sha256::digest(bytes).into()
}

/// The code of the parts, one after the other.
///
/// # Panics
/// Never: HMAC takes keys of every length.
#[expect(clippy::expect_used, reason = "HMAC takes keys of every length, so this cannot fail")]
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Key {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any key");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// One key over another.
pub(super) fn xor(mut left: Key, right: &Key) -> Key {
    for (l, r) in left.iter_mut().zip(right) {
        *l ^= r;
    }
    left
}

/// Random bytes from the system.
///
/// # Errors
/// The system has none to give, which on Linux happens only where `getrandom` is forbidden.
pub fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
