//! The client's side of an exchange, with the key won from a tenant's own login instead of a password.

use super::crypto::{Key, hmac_sha256, xor};
use super::{SCRAM_SHA_256, SCRAM_SHA_256_PLUS, Verifier, attribute};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

/// Why a database did not take the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The database offers nothing that the proxy can do.
    #[error("the database does not offer SCRAM-SHA-256")]
    Mechanism,
    /// A message cannot be read.
    #[error("the database's SCRAM message is malformed")]
    Malformed,
    /// The verifier is another one than the tenant proved: the password was changed in between.
    #[error("the role's password changed during the login; connect again")]
    Changed,
    /// The database could not prove that it knows the verifier.
    #[error("the database did not prove that it holds the role's verifier")]
    Impostor,
}

/// A login in a tenant's name.
#[derive(Debug)]
pub struct ClientLogin {
    verifier: Verifier,
    client_key: Key,
    mechanism: &'static str,
    header: &'static str,
    end_point: Vec<u8>,
    first_bare: String,
}

/// What is left to check after the client's last message.
#[derive(Debug)]
pub struct Expected(Key);

impl ClientLogin {
    /// Chooses among what the database offers; with channel binding where both can. `random` makes our half of the nonce.
    pub fn new(
        offered: &[&str],
        end_point: Option<&[u8]>,
        verifier: Verifier,
        client_key: Key,
        random: &[u8; 18],
    ) -> Result<Self, LoginError> {
        let (mechanism, header, end_point) = match end_point {
            Some(hash) if offered.contains(&SCRAM_SHA_256_PLUS) => {
                (SCRAM_SHA_256_PLUS, "p=tls-server-end-point,,", hash.to_vec())
            }
            _ if offered.contains(&SCRAM_SHA_256) => (SCRAM_SHA_256, "n,,", Vec::new()),
            _ => return Err(LoginError::Mechanism),
        };
        let first_bare = format!("n=,r={}", STANDARD.encode(random));
        Ok(Self { verifier, client_key, mechanism, header, end_point, first_bare })
    }

    /// The mechanism, and our first message.
    pub fn first(&self) -> (&'static str, String) {
        (self.mechanism, format!("{}{}", self.header, self.first_bare))
    }

    /// Takes the database's first message; gives our last one.
    pub fn prove(self, challenge: &[u8]) -> Result<(String, Expected), LoginError> {
        let challenge = std::str::from_utf8(challenge).map_err(|_| LoginError::Malformed)?;
        let (nonce, rest) = attribute(challenge, 'r').ok_or(LoginError::Malformed)?;
        let (salt, rest) = attribute(rest, 's').ok_or(LoginError::Malformed)?;
        let (iterations, _extensions) = attribute(rest, 'i').ok_or(LoginError::Malformed)?;
        let own = self.first_bare.rsplit_once("r=").map_or("", |(_, own)| own);
        if !nonce.starts_with(own) || nonce.len() == own.len() {
            return Err(LoginError::Malformed);
        }
        // The key belongs to one salt and count; under others its proof would be taken for a wrong password.
        let same = STANDARD.decode(salt).is_ok_and(|s| s == self.verifier.salt)
            && iterations.parse() == Ok(self.verifier.iterations);
        if !same {
            return Err(LoginError::Changed);
        }
        let mut binding = self.header.as_bytes().to_vec();
        binding.extend(&self.end_point);
        let without_proof = format!("c={},r={nonce}", STANDARD.encode(binding));
        let parts: [&[u8]; 5] =
            [self.first_bare.as_bytes(), b",", challenge.as_bytes(), b",", without_proof.as_bytes()];
        let proof = xor(hmac_sha256(&self.verifier.stored_key, &parts), &self.client_key);
        let expected = Expected(hmac_sha256(&self.verifier.server_key, &parts));
        Ok((format!("{without_proof},p={}", STANDARD.encode(proof)), expected))
    }
}

impl Expected {
    /// Checks the database's own proof.
    pub fn check(&self, last: &[u8]) -> Result<(), LoginError> {
        let last = std::str::from_utf8(last).map_err(|_| LoginError::Malformed)?;
        let (signature, _extensions) = attribute(last, 'v').ok_or(LoginError::Malformed)?;
        let signature = STANDARD.decode(signature).map_err(|_| LoginError::Malformed)?;
        if bool::from(signature.ct_eq(&self.0)) { Ok(()) } else { Err(LoginError::Impostor) }
    }
}
