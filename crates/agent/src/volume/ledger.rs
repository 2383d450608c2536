//! The ledger as files: `identity.json`, written once, says whose volume it is; `ledger.json` says what was promised on it.
//!
//! Whose it is never changes, so that nothing that rewrites the ledger at each term can ever damage it.

use super::durable;
use berth_core::election::{Era, Ledger, Notes};
use berth_core::topology::Identity;
use berth_core::{ClusterUid, Term};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The form of both files. A reader knows its own and the one before.
const VERSION: u16 = 1;

/// The ledger of one volume.
#[derive(Debug, Clone)]
pub struct LedgerFile {
    folder: PathBuf,
}

/// Why the ledger could not be written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file system refused.
    #[error("cannot write {path}; see whether the data volume is full or read-only")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// A value could not be put into words.
    #[error("cannot write the ledger as JSON")]
    Json(#[from] serde_json::Error),
    /// The volume is known to be somebody else's.
    #[error("the data volume belongs to {0}; nothing is written on it")]
    Foreign(Identity),
}

#[derive(Serialize, Deserialize)]
struct WhoseFile {
    version: u16,
    cluster: ClusterUid,
    identity: Identity,
}

#[derive(Serialize, Deserialize)]
struct PromiseFile {
    version: u16,
    starts: u64,
    promise: Term,
    lineage: Vec<Era>,
}

impl LedgerFile {
    /// The ledger in this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn whose(&self) -> PathBuf {
        self.folder.join("identity.json")
    }

    fn promise(&self) -> PathBuf {
        self.folder.join("ledger.json")
    }

    /// Reads it. What cannot be read is said to be so, and never taken for absent.
    pub fn read(&self) -> Notes {
        match self.both() {
            Ok(Some(ledger)) => Notes::Present(ledger),
            Ok(None) => Notes::Absent,
            Err(reason) => Notes::Unreadable(reason),
        }
    }

    fn both(&self) -> Result<Option<Ledger>, String> {
        let Some(WhoseFile { version: _, cluster, identity }) = read(&self.whose())? else {
            return match read::<PromiseFile>(&self.promise())? {
                Some(_) => {
                    Err(format!("{} is there without {}", self.promise().display(), self.whose().display()))
                }
                None => Ok(None),
            };
        };
        let mut ledger = Ledger::new(cluster, identity);
        if let Some(PromiseFile { version: _, starts, promise, lineage }) = read(&self.promise())? {
            (ledger.starts, ledger.promise, ledger.lineage) = (starts, promise, lineage);
        }
        Ok(Some(ledger))
    }

    /// Makes it durable. Returns only when it would survive the loss of power.
    pub fn write(&self, ledger: &Ledger) -> Result<(), LedgerError> {
        let Ledger { cluster, identity, starts, promise, lineage } = ledger.clone();
        match read::<WhoseFile>(&self.whose()) {
            Ok(Some(known)) if known.cluster == cluster && known.identity == identity => {}
            Ok(Some(known)) => return Err(LedgerError::Foreign(known.identity)),
            Ok(None) => put(&self.whose(), &WhoseFile { version: VERSION, cluster, identity })?,
            Err(reason) => {
                return Err(LedgerError::Write { path: self.whose(), source: io::Error::other(reason) });
            }
        }
        put(&self.promise(), &PromiseFile { version: VERSION, starts, promise, lineage })
    }
}

fn put<T: Serialize>(path: &Path, value: &T) -> Result<(), LedgerError> {
    let text = serde_json::to_vec_pretty(value)?;
    durable::write(path, &text).map_err(|source| LedgerError::Write { path: path.to_owned(), source })
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, String> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u16,
    }
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let said = |error: serde_json::Error| format!("{}: {error}", path.display());
    let Versioned { version } = serde_json::from_slice(&text).map_err(said)?;
    if version == 0 || version > VERSION {
        return Err(format!("{} is of version {version}, and this agent knows {VERSION}", path.display()));
    }
    serde_json::from_slice(&text).map(Some).map_err(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_core::{ClaimUid, LogPosition, MemberId, Timeline};

    fn ledger() -> Ledger {
        let identity =
            Identity { member: MemberId::new("orders-aaaaa").unwrap(), claim: ClaimUid::new("c1").unwrap() };
        let era = Era { term: Term(3), timeline: Timeline(4), start: Some(LogPosition(5)) };
        Ledger::new(ClusterUid::new("u1").unwrap(), identity).entering(era, Timeline(4)).counting_a_start()
    }

    #[test]
    fn what_was_written_is_read_and_nothing_is_absent() {
        let folder = tempfile::tempdir().unwrap();
        let file = LedgerFile::new(folder.path());
        assert_eq!(file.read(), Notes::Absent);
        file.write(&ledger()).unwrap();
        assert_eq!(file.read(), Notes::Present(ledger()));
    }

    #[test]
    fn damage_is_never_taken_for_absence() {
        for (name, content) in [
            ("identity.json", "{"),
            ("ledger.json", ""),
            ("ledger.json", r#"{"version":2,"starts":0,"promise":0,"lineage":[]}"#),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let file = LedgerFile::new(folder.path());
            file.write(&ledger()).unwrap();
            fs::write(folder.path().join(name), content).unwrap();
            assert!(matches!(file.read(), Notes::Unreadable(_)), "{name} with {content:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = LedgerFile::new(folder.path());
        file.write(&ledger()).unwrap();
        fs::remove_file(folder.path().join("identity.json")).unwrap();
        assert!(matches!(file.read(), Notes::Unreadable(_)));
    }

    #[test]
    fn the_volume_of_another_member_is_never_written_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = LedgerFile::new(folder.path());
        file.write(&ledger()).unwrap();
        let mut other = ledger();
        other.identity.claim = ClaimUid::new("c2").unwrap();
        assert!(matches!(file.write(&other), Err(LedgerError::Foreign(_))));
        assert_eq!(file.read(), Notes::Present(ledger()));
    }
}
