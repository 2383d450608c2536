//! The server's side of an exchange.
//!
//! A doomed exchange (no such cluster, no such role, expired) runs exactly as a real one and fails at its end, where a wrong
//! password fails too.

use super::crypto::{Key, hmac_sha256, sha256, xor};
use super::{SCRAM_SHA_256, SCRAM_SHA_256_PLUS, Verifier, attribute};
use crate::wire::{Report, SqlState};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

/// Why an exchange ends without a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The client named a mechanism that was not offered.
    #[error("the client chose a SASL mechanism that was not offered")]
    Mechanism,
    /// A message cannot be read.
    #[error("a SCRAM message is malformed: {0}")]
    Malformed(&'static str),
    /// The client believes that we cannot bind the channel, though we offered to: somebody may have taken the offer away.
    #[error("the client was told that this server does not support channel binding")]
    Downgraded,
    /// The client's idea of our certificate is not ours: somebody is in between.
    #[error("the channel binding of the client does not fit this connection")]
    Binding,
    /// The client wants to act as somebody else.
    #[error("authorization identities are not supported")]
    AuthorizationIdentity,
    /// The proof is wrong, or the exchange was doomed from the start.
    #[error("the password is wrong")]
    Password,
}

impl Refusal {
    /// What the client is told; `user` as it gave it.
    pub fn report(self, user: &str) -> Report {
        match self {
            Self::Password => Report::fatal(
                SqlState::InvalidPassword,
                format!("password authentication failed for user \"{user}\""),
            ),
            Self::AuthorizationIdentity => Report::fatal(SqlState::FeatureNotSupported, self.to_string()),
            Self::Downgraded | Self::Binding => {
                Report::fatal(SqlState::InvalidAuthorization, self.to_string())
            }
            Self::Mechanism | Self::Malformed(_) => {
                Report::fatal(SqlState::ProtocolViolation, self.to_string())
            }
        }
    }
}

/// A finished exchange.
#[derive(Debug)]
pub struct Outcome {
    /// What the client is to be told: the server's own proof.
    pub final_message: String,
    /// What logs in to the database in the client's name.
    pub client_key: Key,
}

/// An exchange after the client's first message.
#[derive(Debug)]
pub struct Exchange {
    verifier: Verifier,
    doomed: bool,
    /// The GS2 header as it came, and what it stands for.
    binding: Vec<u8>,
    client_first_bare: String,
    server_first: String,
    nonce: String,
}

impl Exchange {
    /// The mechanisms to be offered: the one with channel binding only where there is a channel to bind to.
    pub fn offer(end_point: Option<&[u8]>) -> Vec<&'static str> {
        if end_point.is_some() { vec![SCRAM_SHA_256_PLUS, SCRAM_SHA_256] } else { vec![SCRAM_SHA_256] }
    }

    /// Takes the client's first message. `end_point` is the hash of our certificate, if the connection is TLS; `random` makes
    /// our half of the nonce.
    pub fn begin(
        mechanism: &str,
        first: &[u8],
        end_point: Option<&[u8]>,
        verifier: Verifier,
        doomed: bool,
        random: &[u8; 18],
    ) -> Result<Self, Refusal> {
        let bound = match mechanism {
            SCRAM_SHA_256 => false,
            SCRAM_SHA_256_PLUS if end_point.is_some() => true,
            _ => return Err(Refusal::Mechanism),
        };
        let first = std::str::from_utf8(first).map_err(|_| Refusal::Malformed("it is not UTF-8"))?;
        let (flag, rest) = first.split_once(',').ok_or(Refusal::Malformed("no channel binding flag"))?;
        let (identity, bare) = rest.split_once(',').ok_or(Refusal::Malformed("no authorization identity"))?;
        let mut binding = format!("{flag},{identity},").into_bytes();
        match (flag, bound) {
            ("n", false) => {}
            ("y", false) if end_point.is_none() => {}
            ("y", false) => return Err(Refusal::Downgraded),
            ("p=tls-server-end-point", true) => binding.extend(end_point.unwrap_or_default()),
            _ => return Err(Refusal::Malformed("the channel binding flag does not fit the mechanism")),
        }
        if !identity.is_empty() {
            return Err(Refusal::AuthorizationIdentity);
        }
        let (_user, rest) = attribute(bare, 'n').ok_or(Refusal::Malformed("no user name"))?;
        let (client_nonce, _extensions) = attribute(rest, 'r').ok_or(Refusal::Malformed("no nonce"))?;
        let printable = |b: u8| matches!(b, 0x21..=0x2b | 0x2d..=0x7e);
        if client_nonce.is_empty() || !client_nonce.bytes().all(printable) {
            return Err(Refusal::Malformed("the nonce is not printable"));
        }
        let nonce = format!("{client_nonce}{}", STANDARD.encode(random));
        let server_first =
            format!("r={nonce},s={},i={}", STANDARD.encode(&verifier.salt), verifier.iterations);
        Ok(Self { verifier, doomed, binding, client_first_bare: bare.to_owned(), server_first, nonce })
    }

    /// An exchange at its last step, put together from the parts of a published example.
    #[cfg(test)]
    pub(super) fn of_parts(
        verifier: Verifier,
        client_first_bare: &str,
        server_first: &str,
        nonce: &str,
        binding: &[u8],
    ) -> Self {
        Self {
            verifier,
            doomed: false,
            binding: binding.to_vec(),
            client_first_bare: client_first_bare.to_owned(),
            server_first: server_first.to_owned(),
            nonce: nonce.to_owned(),
        }
    }

    /// Our first message.
    pub fn challenge(&self) -> &str {
        &self.server_first
    }

    /// Takes the client's last message.
    pub fn finish(self, last: &[u8]) -> Result<Outcome, Refusal> {
        let last = std::str::from_utf8(last).map_err(|_| Refusal::Malformed("it is not UTF-8"))?;
        let (without_proof, proof) = last.rsplit_once(",p=").ok_or(Refusal::Malformed("no proof"))?;
        let (binding, rest) =
            attribute(without_proof, 'c').ok_or(Refusal::Malformed("no channel binding"))?;
        let (nonce, _extensions) = attribute(rest, 'r').ok_or(Refusal::Malformed("no nonce"))?;
        let binding =
            STANDARD.decode(binding).map_err(|_| Refusal::Malformed("the channel binding is not base64"))?;
        if binding != self.binding {
            return Err(Refusal::Binding);
        }
        if nonce != self.nonce {
            return Err(Refusal::Malformed("the nonce is not ours"));
        }
        let proof: Key = STANDARD
            .decode(proof)
            .ok()
            .and_then(|p| p.try_into().ok())
            .ok_or(Refusal::Malformed("the proof is not base64 of 32 bytes"))?;

        let Self { verifier, doomed, client_first_bare, server_first, .. } = self;
        let parts: [&[u8]; 5] =
            [client_first_bare.as_bytes(), b",", server_first.as_bytes(), b",", without_proof.as_bytes()];
        let signature = hmac_sha256(&verifier.stored_key, &parts);
        let client_key = xor(proof, &signature);
        let right = bool::from(sha256(&client_key).ct_eq(&verifier.stored_key));
        let server_signature = hmac_sha256(&verifier.server_key, &parts);
        if !right || doomed {
            return Err(Refusal::Password);
        }
        Ok(Outcome { final_message: format!("v={}", STANDARD.encode(server_signature)), client_key })
    }
}
