//! Allocation of member ids from a counter that is persisted before it is used.
//!
//! Five characters of a hash of the cluster's uid and the counter: deterministic, so that a retry makes the same id, and
//! different for a re-created cluster of the same name, whose volumes must never be taken for the old one's.

use super::{ClusterName, ClusterUid, MemberId};
use sha2::{Digest, Sha256};

/// Letters and digits that people do not confuse with one another and that spell no words.
const ALPHABET: &[u8; 27] = b"bcdfghjkmnpqrstvwxz23456789";

/// The id that belongs to `counter` in this incarnation of the cluster.
///
/// *Caveat*: two counters may hash to the same five characters (one chance in 14 million a pair). The caller skips an id that it has already given out.
pub fn member_id(name: &ClusterName, uid: &ClusterUid, counter: u64) -> MemberId {
    let digest = Sha256::new()
        .chain_update(uid.as_str())
        .chain_update([0])
        .chain_update(counter.to_be_bytes())
        .finalize();
    let suffix: String =
        digest.iter().take(5).map(|b| char::from(ALPHABET[usize::from(*b) % ALPHABET.len()])).collect();
    MemberId(format!("{name}-{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_distinct_and_bound_to_the_incarnation() {
        let name = ClusterName::new("orders").unwrap();
        let first = ClusterUid::new("0a1b").unwrap();
        let second = ClusterUid::new("0a1c").unwrap();
        assert_eq!(member_id(&name, &first, 0), member_id(&name, &first, 0));
        assert_ne!(member_id(&name, &first, 0), member_id(&name, &first, 1));
        assert_ne!(member_id(&name, &first, 0), member_id(&name, &second, 0));
        assert!(MemberId::new(member_id(&name, &first, 7).to_string()).is_ok());
    }
}
