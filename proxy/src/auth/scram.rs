//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS after RFC 5802 and RFC 7677, in PostgreSQL's dialect: the user name inside is
//! ignored, authorization identities are refused, and channel binding is `tls-server-end-point`.
//!
//! `SASLprep` has no place here: it prepares passwords, and no password ever gets this far.

mod client;
mod crypto;
mod server;
mod verifier;

pub use client::{ClientLogin, LoginError};
pub use crypto::{Key, hmac_sha256, random, sha256};
pub use server::{Exchange, Outcome, Refusal};
pub use verifier::{InvalidVerifier, Verifier};

/// The mechanism without channel binding.
pub const SCRAM_SHA_256: &str = "SCRAM-SHA-256";
/// The mechanism with channel binding.
pub const SCRAM_SHA_256_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// The value of an attribute `name=value` at the front of a comma-separated message, and what follows its comma.
fn attribute(message: &str, name: char) -> Option<(&str, &str)> {
    let rest = message.strip_prefix(name)?.strip_prefix('=')?;
    Some(rest.split_once(',').unwrap_or((rest, "")))
}

#[cfg(test)]
mod tests;
