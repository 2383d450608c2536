//! What stands in for a cluster or a role that does not exist, so that it looks and times like a wrong password.
//!
//! The salt is the same whenever the same name is asked for, and the same at every proxy: its key is derived from the private
//! key that all proxies share. *Caveats*: when that key is rotated, mock salts change and real ones do not; and a role whose
//! verifier was made with an iteration count other than PostgreSQL's default differs from a mock in that count.

use super::scram::{Verifier, hmac_sha256};
use berth_core::ClusterRef;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// PostgreSQL's default (`scram_iterations`).
const ITERATIONS: u32 = 4096;
/// PostgreSQL's (`SCRAM_DEFAULT_SALT_LEN`).
const SALT_LENGTH: usize = 16;
/// How many of the last real lookups are remembered: enough to show how they scatter, few enough to follow the load.
const REMEMBERED: usize = 64;

/// Stands in for what does not exist.
pub struct Mock {
    recent: Mutex<Recent>,
}

struct Recent {
    durations: [Duration; REMEMBERED],
    count: usize,
}

impl Mock {
    /// One that has not seen a real lookup yet.
    pub fn new() -> Self {
        Self { recent: Mutex::new(Recent { durations: [Duration::ZERO; REMEMBERED], count: 0 }) }
    }

    /// A verifier that no password fits. `seed` is the secret that all proxies share.
    pub fn verifier(seed: &[u8], cluster: Option<&ClusterRef>, role: &str) -> Verifier {
        let cluster = cluster.map(ToString::to_string).unwrap_or_default();
        let derive =
            |label: &[u8]| hmac_sha256(seed, &[label, &[0], cluster.as_bytes(), &[0], role.as_bytes()]);
        Verifier {
            iterations: ITERATIONS,
            salt: derive(b"berth mock salt")[..SALT_LENGTH].to_vec(),
            stored_key: derive(b"berth mock stored key"),
            server_key: derive(b"berth mock server key"),
        }
    }

    /// Remembers how long a real lookup took.
    pub fn took(&self, duration: Duration) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let at = recent.count % REMEMBERED;
        recent.durations[at] = duration;
        recent.count += 1;
    }

    /// How long to pretend to look: as long as one of the last real lookups, picked by `random`.
    pub fn delay(&self, random: u8) -> Duration {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let known = recent.count.min(REMEMBERED);
        if known == 0 { Duration::ZERO } else { recent.durations[usize::from(random) % known] }
    }
}

impl Default for Mock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mock_is_stable_by_name_and_secret() {
        let cluster: ClusterRef = "shop/orders".parse().unwrap();
        let mock = |seed: &[u8], role| Mock::verifier(seed, Some(&cluster), role);
        assert_eq!(mock(b"a", "app"), mock(b"a", "app"));
        assert_ne!(mock(b"a", "app").salt, mock(b"a", "web").salt);
        assert_ne!(mock(b"a", "app").salt, mock(b"b", "app").salt);
        assert_eq!(mock(b"a", "app").salt.len(), 16);
    }

    #[test]
    fn it_takes_as_long_as_a_real_lookup_did() {
        let mock = Mock::new();
        assert_eq!(mock.delay(3), Duration::ZERO);
        for millis in 0..200 {
            mock.took(Duration::from_millis(millis));
        }
        for random in 0..=255 {
            assert!((136..200).contains(&mock.delay(random).as_millis()), "only the last 64 count");
        }
    }
}
