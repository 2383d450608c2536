//! How one member's programs connect to another member: by mTLS, to the address, demanding the name.
//!
//! No password and no secret is in it: the key lies in a file.

use super::place::{PostgresPlace, text};
use crate::{EngineError, Peer};
use std::net::IpAddr;

/// The role that copies and follows.
pub(super) const REPLICATION_ROLE: &str = "berth_replication";

/// The connection string of libpq.
pub(super) fn to(place: &PostgresPlace, peer: &Peer, application: &str) -> Result<String, EngineError> {
    let bad = |reason: &str| EngineError::Step {
        step: format!("connecting to {} at {:?}", peer.member, peer.address),
        reason: reason.to_owned(),
    };
    let (host, port) =
        peer.address.rsplit_once(':').ok_or_else(|| bad("write the address as address:port"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    // Only a literal address: a name would be resolved by whoever answers, and libpq would wait for it.
    let address: IpAddr = host.parse().map_err(|_| bad("the address is no IP address"))?;
    let port: u16 = port.parse().map_err(|_| bad("the port is no number"))?;
    let keys = place.keys();
    let pairs = [
        ("host", place.identity_of(&peer.member)),
        ("hostaddr", address.to_string()),
        ("port", port.to_string()),
        ("user", REPLICATION_ROLE.to_owned()),
        ("application_name", application.to_owned()),
        ("sslmode", "verify-full".to_owned()),
        ("sslrootcert", text(&keys.join("ca.crt"))),
        ("sslcert", text(&keys.join("tls.crt"))),
        ("sslkey", text(&keys.join("tls.key"))),
        ("gssencmode", "disable".to_owned()),
        ("connect_timeout", "5".to_owned()),
        // A peer whose node lost power sends nothing; the kernel's own patience is minutes.
        ("tcp_user_timeout", "5000".to_owned()),
        ("keepalives_idle", "2".to_owned()),
        ("keepalives_interval", "1".to_owned()),
        ("keepalives_count", "3".to_owned()),
    ];
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
    Ok(pairs.join(" "))
}

/// A value in libpq's quotes, where it needs them.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}
