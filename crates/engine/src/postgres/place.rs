//! Where things lie in a member's pod, and who the member is.
//!
//! The data volume keeps what must survive the pod: the database, and the configuration, so that a standby that was told to
//! follow nobody still follows nobody after a crash. Sockets, keys and who may connect are in memory: a new pod begins with the gate shut.

use berth_core::ids::identity_name;
use berth_core::{ClusterUid, MemberId, Term};
use std::path::{Path, PathBuf};

/// What the adapter is told of its pod.
#[derive(Debug, Clone)]
pub struct PostgresPlace {
    /// The folder of PostgreSQL's programs; absent means that they are on the `PATH`, as in the stock image.
    pub programs: Option<PathBuf>,
    /// The root of the data volume.
    pub data: PathBuf,
    /// A folder in memory, for sockets and copies of keys.
    pub run: PathBuf,
    /// The folder with `ca.crt`, `tls.crt` and `tls.key`, as the Secret is mounted.
    pub tls: PathBuf,
    /// The cluster.
    pub cluster: ClusterUid,
    /// This member.
    pub member: MemberId,
    /// The address to listen on, `*` for all.
    pub listen: String,
    /// The port to listen on.
    pub port: u16,
}

impl PostgresPlace {
    /// A program of PostgreSQL.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.programs.as_ref().map_or_else(|| PathBuf::from(name), |folder| folder.join(name))
    }

    /// The database.
    pub(super) fn pgdata(&self) -> PathBuf {
        self.data.join("pgdata")
    }

    /// The database while it is being made or copied. On the same volume, so that it can be renamed into place.
    pub(super) fn unfinished(&self) -> PathBuf {
        self.data.join("pgdata.unfinished")
    }

    /// The folder of the configuration files.
    pub(super) fn config(&self) -> PathBuf {
        self.data.join("berth").join("postgres")
    }

    /// A configuration file.
    pub(super) fn config_file(&self, name: &str) -> PathBuf {
        self.config().join(name)
    }

    /// The folder of the Unix socket.
    pub(super) fn sockets(&self) -> PathBuf {
        self.run.join("pg")
    }

    /// The folder of the files that say who may connect.
    pub(super) fn doors(&self) -> PathBuf {
        self.run.join("hba")
    }

    /// The folder of the copied keys and certificates.
    pub(super) fn keys(&self) -> PathBuf {
        self.run.join("keys")
    }

    /// The id of a member of this cluster by its short form.
    pub(super) fn member_of(&self, short: &str) -> Option<MemberId> {
        let own = self.member.as_str();
        let cluster = own.strip_suffix(self.member.short())?;
        MemberId::new(format!("{cluster}{short}")).ok()
    }

    /// The name that a peer's certificate must carry.
    pub(super) fn identity_of(&self, member: &MemberId) -> String {
        identity_name(member, &self.cluster)
    }
}

/// The name under which a standby follows in a term. It carries the term, because PostgreSQL counts a standby by its name and
/// position only: one that holds another history must never be taken for one that holds this.
pub(super) fn standby_name(member: &MemberId, term: Term) -> String {
    format!("{}_t{term}", member.short())
}

/// The member's short form and the term of a standby's name.
pub(super) fn parse_standby_name(name: &str) -> Option<(&str, Term)> {
    let (short, term) = name.split_once("_t")?;
    let digits = !term.is_empty() && term.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| term.parse().ok().map(|term| (short, Term(term)))).flatten()
}

/// The slot that keeps the log for a member.
pub(super) fn slot_name(member: &MemberId) -> String {
    format!("berth_{}", member.short())
}

/// A path as PostgreSQL's configuration files and our errors write it.
pub(super) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standbys_name_carries_its_term_and_nothing_else_is_one() {
        let member = MemberId::new("orders-7k2qd").unwrap();
        assert_eq!(standby_name(&member, Term(5)), "7k2qd_t5");
        assert_eq!(parse_standby_name("7k2qd_t5"), Some(("7k2qd", Term(5))));
        for other in ["7k2qd_copy", "7k2qd_t", "7k2qd_t5x", "7k2qd_t-5", "pg_basebackup", ""] {
            assert_eq!(parse_standby_name(other), None, "{other}");
        }
    }
}
