//! The operator's certificate authority: one CA for a cell, and leaves that name who somebody is.
//!
//! [`authority`] signs, [`profile`] says what a leaf of each kind contains, [`inspect`] decides whether one that exists still
//! serves, [`secrets`] keeps them in Secrets. A leaf's common name is the holder's etcd user; whom a peer demands is a DNS name.
//! Nothing here replaces the CA: a cell lives with one for ten years.

pub(crate) mod authority;
pub(crate) mod inspect;
pub(crate) mod profile;
pub(crate) mod secrets;

#[cfg(test)]
mod tests;

use std::time::Duration;

/// The CA's own life. Longer than anything that it signs; replacing a CA touches every process at once, so it is rare by design.
pub(crate) const AUTHORITY_LIFE: Duration = Duration::from_hours(10 * 365 * 24);
/// A leaf's life.
pub(crate) const LEAF_LIFE: Duration = Duration::from_hours(365 * 24);
/// A leaf with less than this left is issued anew: a quarter of its life, so that an operator that was away for weeks costs nothing.
pub(crate) const RENEW_BEFORE: Duration = Duration::from_hours(91 * 24);

/// Why a certificate could not be made or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PkiError {
    /// The library refused what we asked for.
    #[error("cannot issue a certificate for {subject}")]
    Issue {
        /// The common name.
        subject: String,
        /// What the library said.
        #[source]
        source: rcgen::Error,
    },
    /// The stored CA cannot be used.
    #[error(
        "Secret {secret} does not hold a usable CA ({reason}); restore it from a backup: without it no certificate of this installation can be renewed"
    )]
    Authority {
        /// `namespace/name`.
        secret: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A Secret could not be read or written.
    #[error(transparent)]
    Kubernetes(#[from] crate::kubernetes::CallError),
}
