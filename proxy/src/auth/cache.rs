//! Verifiers seen at earlier logins: for the time when no primary can be asked, and only for that.
//!
//! While a primary answers, every login asks it, so that a changed password counts at the next login. In between two
//! primaries a client whose role is here is authenticated and then held; one whose role is not here is held before it is
//! authenticated, which tells a patient guesser that the cluster exists and has no primary. The alternative, to call every
//! password wrong meanwhile, would make applications give up for good.

use super::scram::Verifier;
use berth_core::ClusterUid;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// About 200 bytes each: 2 MB when full.
const CAPACITY: usize = 10_000;

type Key = (ClusterUid, String);

/// A bounded store of verifiers; the one that came first goes first.
#[derive(Default)]
pub struct VerifierCache {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    verifiers: HashMap<Key, Verifier>,
    order: VecDeque<Key>,
}

impl VerifierCache {
    /// Remembers what a primary said last; none forgets.
    pub fn learn(&self, cluster: &ClusterUid, role: &str, verifier: Option<&Verifier>) {
        let key = (cluster.clone(), role.to_owned());
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(verifier) = verifier else {
            // Its place in the order stays and is skipped when it comes up.
            inner.verifiers.remove(&key);
            return;
        };
        if inner.verifiers.insert(key.clone(), verifier.clone()).is_none() {
            inner.order.push_back(key);
        }
        while inner.order.len() > CAPACITY {
            if let Some(oldest) = inner.order.pop_front() {
                inner.verifiers.remove(&oldest);
            }
        }
    }

    /// What was said last of this role.
    pub fn recall(&self, cluster: &ClusterUid, role: &str) -> Option<Verifier> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.verifiers.get(&(cluster.clone(), role.to_owned())).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verifier(iterations: u32) -> Verifier {
        Verifier { iterations, salt: vec![1], stored_key: [2; 32], server_key: [3; 32] }
    }

    #[test]
    fn the_last_word_counts_and_a_role_that_is_gone_is_forgotten() {
        let cache = VerifierCache::default();
        let uid = ClusterUid::new("u").unwrap();
        cache.learn(&uid, "app", Some(&verifier(1)));
        cache.learn(&uid, "app", Some(&verifier(2)));
        assert_eq!(cache.recall(&uid, "app"), Some(verifier(2)));
        assert_eq!(cache.recall(&ClusterUid::new("v").unwrap(), "app"), None);
        cache.learn(&uid, "app", None);
        assert_eq!(cache.recall(&uid, "app"), None);
    }

    #[test]
    fn it_is_bounded() {
        let cache = VerifierCache::default();
        let uid = ClusterUid::new("u").unwrap();
        for n in 0..=CAPACITY {
            cache.learn(&uid, &n.to_string(), Some(&verifier(1)));
        }
        assert_eq!(cache.recall(&uid, "0"), None);
        assert!(cache.recall(&uid, "1").is_some());
    }
}
