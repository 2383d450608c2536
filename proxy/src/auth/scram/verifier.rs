//! What a server keeps instead of a password.

use super::crypto::Key;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// What a server keeps instead of a password. Whoever has it can play the server, and can check guesses; it does not let in.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    /// How often the hash was iterated.
    pub iterations: u32,
    /// The salt.
    pub salt: Vec<u8>,
    /// The digest of the key that proves the password.
    pub stored_key: Key,
    /// The key that proves the server.
    pub server_key: Key,
}

impl fmt::Debug for Verifier {
    /// Shows nothing that could be tried offline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// A text is no verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the role's password is not stored as a SCRAM-SHA-256 verifier; set it again with password_encryption = 'scram-sha-256'"
)]
pub struct InvalidVerifier;

impl Verifier {
    /// Reads what PostgreSQL keeps in `pg_authid.rolpassword`: `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.
    pub fn parse(text: &str) -> Result<Self, InvalidVerifier> {
        let key = |text: &str| -> Result<Key, InvalidVerifier> {
            STANDARD.decode(text).ok().and_then(|k| k.try_into().ok()).ok_or(InvalidVerifier)
        };
        let mut parts = text.split('$');
        let (Some("SCRAM-SHA-256"), Some(hash), Some(keys), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidVerifier);
        };
        let (iterations, salt) = hash.split_once(':').ok_or(InvalidVerifier)?;
        let (stored, server) = keys.split_once(':').ok_or(InvalidVerifier)?;
        let iterations: u32 = iterations.parse().map_err(|_| InvalidVerifier)?;
        if iterations == 0 {
            return Err(InvalidVerifier);
        }
        let salt = STANDARD.decode(salt).map_err(|_| InvalidVerifier)?;
        Ok(Self { iterations, salt, stored_key: key(stored)?, server_key: key(server)? })
    }
}
