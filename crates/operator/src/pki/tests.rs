//! Chains as a peer's TLS library judges them.

use super::authority::Authority;
use super::inspect::{Stale, inspect, renew_at};
use super::profile::Profile;
use super::{LEAF_LIFE, RENEW_BEFORE};
use berth_core::{ClusterUid, MemberId};
use jiff::{SignedDuration, Timestamp};
use rcgen::KeyPair;
use rstest::rstest;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use std::sync::Arc;
use std::time::Duration;

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn unix(at: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(at.as_second().unsigned_abs()))
}

fn authority() -> Authority {
    Authority::load(&Authority::generate(now()).unwrap(), "test").unwrap()
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn roots(authority: &Authority) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(der(authority.certificate())).unwrap();
    Arc::new(roots)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn member() -> Profile {
    Profile::member(&MemberId::new("orders-7k2qd").unwrap(), &ClusterUid::new("0a1b").unwrap())
}

#[rstest]
#[case(member(), "orders-7k2qd.0a1b.members.berth.internal", true)]
#[case(member(), "orders-7k2qd.0a1c.members.berth.internal", false)]
#[case(Profile::proxy("berth-system", "berth.internal"), "orders--shop.berth.internal", true)]
#[case(Profile::proxy("berth-system", "berth.internal"), "berth-proxy.berth-system.svc", true)]
#[case(Profile::proxy("berth-system", "berth.internal"), "orders.other.internal", false)]
#[case(Profile::etcd("berth-system"), "berth-etcd-2.berth-system.svc", true)]
#[case(Profile::etcd("berth-system"), "127.0.0.1", true)]
fn a_leaf_serves_under_its_names_alone(#[case] profile: Profile, #[case] name: &str, #[case] expect: bool) {
    let authority = authority();
    let leaf = authority.issue(&profile, now()).unwrap();
    let verifier =
        WebPkiServerVerifier::builder_with_provider(roots(&authority), provider()).build().unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let verdict = verifier.verify_server_cert(&der(&leaf.certificate), &[], &name, &[], unix(now()));
    assert_eq!(verdict.is_ok(), expect, "{verdict:?}");
    let clients = WebPkiClientVerifier::builder_with_provider(roots(&authority), provider()).build().unwrap();
    clients.verify_client_cert(&der(&leaf.certificate), &[], unix(now())).unwrap();
    assert!(
        PrivateKeyDer::from_pem_slice(leaf.key.as_bytes())
            .is_ok_and(|key| matches!(key, PrivateKeyDer::Pkcs8(_)))
    );
}

#[test]
fn another_authoritys_leaf_is_refused() {
    let (ours, theirs) = (authority(), authority());
    let leaf = theirs.issue(&member(), now()).unwrap();
    assert_eq!(inspect(&leaf, &theirs, &member(), now()), Ok(()));
    assert_eq!(inspect(&leaf, &ours, &member(), now()), Err(Stale::Untrusted));
}

#[test]
fn a_leaf_is_kept_until_its_last_quarter() {
    let authority = authority();
    let leaf = authority.issue(&member(), now()).unwrap();
    let life = SignedDuration::try_from(LEAF_LIFE.saturating_sub(RENEW_BEFORE)).unwrap();
    let due = now() + life;
    assert_eq!(renew_at(&leaf.certificate), Some(due));
    assert_eq!(inspect(&leaf, &authority, &member(), due - SignedDuration::from_secs(60)), Ok(()));
    assert_eq!(
        inspect(&leaf, &authority, &member(), due + SignedDuration::from_secs(60)),
        Err(Stale::Untrusted)
    );
}

#[test]
fn a_leaf_of_another_name_or_key_is_stale() {
    let authority = authority();
    let leaf = authority.issue(&member(), now()).unwrap();
    let other = Profile::member(&MemberId::new("orders-zzzzz").unwrap(), &ClusterUid::new("0a1b").unwrap());
    assert_eq!(inspect(&leaf, &authority, &other, now()), Err(Stale::Misnamed));
    let mut swapped = leaf.clone();
    swapped.key = KeyPair::generate().unwrap().serialize_pem();
    assert_eq!(inspect(&swapped, &authority, &member(), now()), Err(Stale::Unreadable));
    swapped.certificate = String::new();
    assert_eq!(inspect(&swapped, &authority, &member(), now()), Err(Stale::Unreadable));
}

#[test]
fn a_stored_authority_goes_on_signing_and_a_damaged_one_is_refused() {
    let stored = Authority::generate(now()).unwrap();
    let first = Authority::load(&stored, "test").unwrap();
    let again = Authority::load(&stored, "test").unwrap();
    let leaf = again.issue(&member(), now()).unwrap();
    assert_eq!(inspect(&leaf, &first, &member(), now()), Ok(()));
    let mut damaged = stored;
    damaged.key = KeyPair::generate().unwrap().serialize_pem();
    let refusal = Authority::load(&damaged, "berth-system/berth-ca").err().unwrap();
    assert!(refusal.to_string().contains("berth-system/berth-ca"), "{refusal}");
}

#[test]
fn a_key_is_never_printed() {
    let leaf = authority().issue(&member(), now()).unwrap();
    assert!(!format!("{leaf:?}").contains("PRIVATE"));
}
