//! The TLS identity of a process: Berth's authority, its own certificate and key, as files that may change at any time.
//!
//! Kubernetes replaces a mounted Secret by swapping a link, without a word to the process. So the files are looked at again
//! when they are used, at most once a second, and a configuration is asked for per connection instead of being kept. Files
//! that do not fit together (seen half-way through a swap, or damaged) leave the identity that was there before.
//!
//! Only Berth's own authority is trusted: the system's roots say nothing about a cluster's members. What a name in a
//! certificate means is the caller's knowledge.

mod material;
mod peer;

pub use material::{IdentityError, Material, Pem};
pub use peer::{Peer, PeerError};

use crate::{Chain, clock};
use arc_swap::ArcSwap;
use rustls::{ClientConfig, ServerConfig};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tracing::{error, info};

/// How old a look at the files may be. A handshake costs more than reading three small files from memory; a second keeps a
/// storm of connections from reading them each.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A TLS identity kept in a directory with `ca.crt`, `tls.crt` and `tls.key`, all PEM.
///
/// # Guarantees
/// What it hands out always fits together: the key belongs to the certificate, and both were read at one time.
pub struct Identity {
    directory: PathBuf,
    material: ArcSwap<Material>,
    looked: Mutex<Looked>,
}

struct Looked {
    at: Duration,
    /// The files that were refused, so that they are complained of once.
    refused: Option<Pem>,
}

impl Identity {
    /// Reads the directory. Fails if the identity is not there or does not fit together.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Arc<Self>, IdentityError> {
        let directory = directory.into();
        let material = Material::new(Pem::read(&directory)?, &directory)?;
        Ok(Arc::new(Self {
            directory,
            material: ArcSwap::from_pointee(material),
            looked: Mutex::new(Looked { at: clock::since_boot(), refused: None }),
        }))
    }

    /// The identity as it is now.
    pub fn current(&self) -> Arc<Material> {
        self.look(clock::since_boot());
        self.material.load_full()
    }

    /// For connecting to a peer: presents our certificate, trusts Berth's authority only. TLS 1.3.
    pub fn client(&self) -> Arc<ClientConfig> {
        self.current().client()
    }

    /// For peers that connect: demands a certificate of Berth's authority. TLS 1.3. Who it is, is read with [`Peer`].
    pub fn server(&self) -> Arc<ServerConfig> {
        self.current().server()
    }

    /// For clients without a certificate of ours: presents our certificate and asks for none. TLS 1.2 and 1.3.
    pub fn open_server(&self) -> Arc<ServerConfig> {
        self.current().open_server()
    }

    /// Where the files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Reads the files again if that is due, and takes them if they changed and fit together.
    fn look(&self, now: Duration) {
        // Whoever finds the lock taken uses what is there: somebody else is looking.
        let mut looked = match self.looked.try_lock() {
            Ok(looked) => looked,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
            Err(std::sync::TryLockError::WouldBlock) => return,
        };
        if now < looked.at + LOOK_EVERY {
            return;
        }
        looked.at = now;
        let pem = match Pem::read(&self.directory) {
            Ok(pem) => pem,
            Err(refusal) => {
                error!(error = %Chain(&refusal), "keeping the TLS identity that was read before");
                return;
            }
        };
        if pem == *self.material.load().pem() || looked.refused.as_ref() == Some(&pem) {
            return;
        }
        match Material::new(pem.clone(), &self.directory) {
            Ok(material) => {
                info!(directory = %self.directory.display(), "took a new TLS identity");
                looked.refused = None;
                self.material.store(Arc::new(material));
            }
            Err(refusal) => {
                error!(error = %Chain(&refusal), "keeping the TLS identity that was read before");
                looked.refused = Some(pem);
            }
        }
    }
}

#[cfg(test)]
mod tests;
