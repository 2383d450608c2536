//! Cancel keys that every proxy understands, and the forwarding of cancel requests.
//!
//! A client sends its cancel request over a new connection, which a Service hands to any proxy. So nothing is kept in a table:
//! the key itself says where it belongs.
//!
//! - Protocol 3.2 (keys up to 256 bytes): the cluster's uid, the database's own key, and a code over both and the process, made
//!   with the secret that the proxies share.
//! - Protocol 3.0 (64 bits, of which the database's own secret takes 32 and its process 22): 10 bits that pick the cluster.
//!   *Caveat*: with more than a thousand clusters several share those bits, and each of them, up to sixteen, is asked; a
//!   database ignores a key that is not its own. There is no room for a code; the database's secret is what protects.
//!
//! A session of this proxy is found by its key (see [`super::seat`]) wherever it has moved to; the clusters are asked only where
//! there is none.
//!
//! Keys made before the proxies' shared secret was rotated are no longer understood.

use super::seat::{Process, Request};
use crate::auth::scram::hmac_sha256;
use crate::backend;
use crate::context::Context;
use crate::metrics::{CancelLabel, CancelOutcome};
use crate::route::{Entry, Target};
use crate::wire::CancelKey;
use berth_core::ClusterUid;
use berth_service::Chain;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Linux numbers its processes below 2^22.
const PROCESS_BITS: u32 = 22;
const PROCESS_MASK: u32 = (1 << PROCESS_BITS) - 1;
/// The first byte of a long key: its layout.
const LAYOUT: u8 = 1;
/// The length of the code in a long key.
const CODE: usize = 16;
/// How many clusters that share the bits of a short key are asked.
const ASKED: usize = 16;

/// The key that a client gets, for a session in this cluster whose database gave `process` and `secret`.
pub(super) fn key(shared: &[u8], cluster: &ClusterUid, process: u32, secret: &[u8], long: bool) -> CancelKey {
    if !long {
        let process = (tag(shared, cluster) << PROCESS_BITS) | (process & PROCESS_MASK);
        return CancelKey { process, secret: secret.to_vec() };
    }
    let uid = cluster.as_str().as_bytes();
    let mut bytes = vec![LAYOUT, u8::try_from(uid.len()).unwrap_or(u8::MAX)];
    bytes.extend(uid);
    bytes.extend(secret);
    let code = code(shared, process, &bytes);
    bytes.extend(&code);
    CancelKey { process, secret: bytes }
}

fn tag(shared: &[u8], cluster: &ClusterUid) -> u32 {
    let digest = hmac_sha256(shared, &[b"berth cancel tag", cluster.as_str().as_bytes()]);
    (u32::from(digest[0]) << 2) | (u32::from(digest[1]) >> 6)
}

fn code(shared: &[u8], process: u32, bytes: &[u8]) -> [u8; CODE] {
    let digest = hmac_sha256(shared, &[b"berth cancel code", &process.to_be_bytes(), bytes]);
    let mut code = [0; CODE];
    code.copy_from_slice(&digest[..CODE]);
    code
}

/// What a key stands for: for a long one the cluster, for a short one the bits that its cluster has.
#[derive(Debug, PartialEq, Eq)]
enum Decoded {
    Cluster(ClusterUid),
    Tag(u32),
}

impl Decoded {
    /// Whether it can be this cluster.
    fn is(&self, shared: &[u8], cluster: &ClusterUid) -> bool {
        match self {
            Self::Cluster(uid) => uid == cluster,
            Self::Tag(bits) => tag(shared, cluster) == *bits,
        }
    }
}

/// Reads a key: what it stands for, and the database's own process and secret.
fn decode(shared: &[u8], key: &CancelKey) -> Option<(Decoded, u32, Vec<u8>)> {
    let CancelKey { process, secret } = key;
    if secret.len() == 4 {
        return Some((Decoded::Tag(process >> PROCESS_BITS), process & PROCESS_MASK, secret.clone()));
    }
    let (bytes, sent) = secret.split_at_checked(secret.len().checked_sub(CODE)?)?;
    if !bool::from(code(shared, *process, bytes).ct_eq(sent)) {
        return None;
    }
    let (&[LAYOUT, length], rest) = bytes.split_first_chunk::<2>()? else { return None };
    let (uid, own) = rest.split_at_checked(usize::from(length))?;
    let uid = ClusterUid::new(std::str::from_utf8(uid).ok()?).ok()?;
    Some((Decoded::Cluster(uid), *process, own.to_vec()))
}

/// Finds where a cancel request belongs and hands it on. The client learns only that it was dealt with.
pub(super) async fn forward(context: &Context, key: &CancelKey) {
    let outcome = try_forward(context, key).await;
    context.metrics.cancels.get_or_create(&CancelLabel { outcome }).inc();
}

async fn try_forward(context: &Context, key: &CancelKey) -> CancelOutcome {
    let Ok(_place) = context.cancels.try_acquire() else { return CancelOutcome::Dropped };
    let shared = context.secret();
    let Some((whose, process, secret)) = decode(&shared, key) else { return CancelOutcome::Unknown };
    if let Some(seat) = context.seats.find(process, &secret)
        && whose.is(&shared, &seat.cluster)
    {
        return match seat.cancel() {
            Request::Drop => CancelOutcome::Withheld,
            Request::Forward(cancelling, Process { target, id, secret }) => {
                let outcome = hand_on(context, &target, id, &secret).await;
                drop(cancelling);
                outcome
            }
        };
    }
    let entries: Vec<Arc<Entry>> = match whose {
        Decoded::Cluster(uid) => context.table.find_uid(&uid).into_iter().collect(),
        Decoded::Tag(bits) => {
            context.table.all().into_iter().filter(|e| tag(&shared, &e.uid) == bits).take(ASKED).collect()
        }
    };
    let mut outcome = CancelOutcome::Unknown;
    for target in entries.iter().filter_map(|entry| entry.target()) {
        outcome = hand_on(context, &target, process, &secret).await;
    }
    outcome
}

async fn hand_on(context: &Context, target: &Target, process: u32, secret: &[u8]) -> CancelOutcome {
    match backend::cancel(&context.connector, target, process, secret).await {
        Ok(()) => CancelOutcome::Forwarded,
        Err(error) => {
            context.metrics.backend_error(error.kind());
            tracing::info!(error = %Chain(&error), "a cancel request could not be forwarded");
            CancelOutcome::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn uid(text: &str) -> ClusterUid {
        ClusterUid::new(text).unwrap()
    }

    #[test]
    fn a_long_key_tells_its_cluster_to_every_proxy_with_the_secret() {
        let cluster = uid("5f0c1f1e-0a53-4f0e-9d0e-0f8f6ad2c0de");
        let made = key(b"shared", &cluster, 4_194_303, b"abcd", true);
        assert!(made.secret.len() <= 256);
        let expected = Some((Decoded::Cluster(cluster), 4_194_303, b"abcd".to_vec()));
        assert_eq!(decode(b"shared", &made), expected);
        assert_eq!(decode(b"another", &made), None);
    }

    #[test]
    fn a_long_key_that_was_changed_anywhere_is_refused() {
        let made = key(b"shared", &uid("u"), 7, b"abcd", true);
        for at in 0..made.secret.len() {
            let mut changed = made.clone();
            changed.secret[at] ^= 1;
            assert_eq!(decode(b"shared", &changed), None, "byte {at}");
        }
        assert_eq!(decode(b"shared", &CancelKey { process: 8, ..made }), None);
    }

    #[test]
    fn a_short_key_keeps_the_databases_process_and_secret() {
        let made = key(b"shared", &uid("u"), PROCESS_MASK, b"abcd", false);
        let expected = Some((Decoded::Tag(tag(b"shared", &uid("u"))), PROCESS_MASK, b"abcd".to_vec()));
        assert_eq!(decode(b"shared", &made), expected);
    }

    #[test]
    fn the_bits_of_short_keys_spread() {
        let tags: std::collections::HashSet<_> =
            (0..1000).map(|n| tag(b"shared", &uid(&format!("u{n}")))).collect();
        assert!(tags.len() > 500 && tags.iter().all(|t| *t < 1024), "{}", tags.len());
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(process: u32, secret in proptest::collection::vec(any::<u8>(), 4..256)) {
            let _ = decode(b"shared", &CancelKey { process, secret });
        }
    }
}
