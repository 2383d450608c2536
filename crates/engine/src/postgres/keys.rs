//! Copies of the key and the certificates that PostgreSQL and libpq accept.
//!
//! Both refuse a key that others may read, and a mounted Secret's mode depends on how the pod was written. A copy in memory
//! with mode 0600 suits both, and does not change between a server's reading of the certificate and of the key.

use super::files;
use super::place::PostgresPlace;
use crate::EngineError;

/// The files, as the Secret names them.
const FILES: [&str; 3] = ["ca.crt", "tls.crt", "tls.key"];

/// Copies what has changed; tells whether anything had.
pub(super) fn refresh(place: &PostgresPlace) -> Result<bool, EngineError> {
    files::folder(&place.keys())?;
    let mut changed = false;
    for name in FILES {
        let source = place.tls.join(name);
        let content = std::fs::read(&source).map_err(files::failed("reading", &source))?;
        changed |= files::update(&place.keys().join(name), &content)?;
    }
    Ok(changed)
}
