//! Which settings are Berth's, and the configuration files.
//!
//! `server.conf` is the file that PostgreSQL reads. It includes the user's settings first and Berth's after them, so that the
//! last word is Berth's; what may change while the server runs (quorum, source, term) has a file of its own. `ALTER SYSTEM` is off.

use super::place::{PostgresPlace, slot_name, standby_name, text};
use super::sizes::Sizes;
use super::{conninfo, files, logs};
use crate::{EngineError, Peer, Quorum};
use berth_core::Term;
use berth_core::disk::Space;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What the server reads.
pub(super) const SERVER: &str = "server.conf";
/// What the user chose.
pub(super) const PARAMETERS: &str = "parameters.conf";
/// The standbys that a commit waits for.
pub(super) const QUORUM: &str = "quorum.conf";
/// Whom the server follows.
const SOURCE: &str = "source.conf";
/// The term.
const TERM: &str = "term.conf";
/// Whether there is room for writes.
const SPACE: &str = "space.conf";
/// The name that no standby can have, because a standby's name carries a term.
const NOBODY: &str = "berth_nobody";

/// Settings that the safety of the data or the work of the agent rests on, and that a user's are never put in place of.
const OWNED: &[(&str, &str)] = &[
    // A crash must be seen by the agent, which decides whether this member still serves.
    ("restart_after_crash", "off"),
    ("fsync", "on"),
    ("full_page_writes", "on"),
    ("data_sync_retry", "off"),
    // A former primary that comes back is rewound, which needs them beside the checksums.
    ("wal_log_hints", "on"),
    ("hot_standby", "on"),
    // Enough for seven members, copies that are under way, and what a tenant's logical replication takes.
    ("max_wal_senders", "32"),
    ("max_replication_slots", "32"),
    // A frozen or vanished standby must not hold a fast shutdown, nor a frozen primary its standbys, for longer than a failover takes.
    ("wal_sender_timeout", "5s"),
    ("wal_receiver_timeout", "5s"),
    ("wal_receiver_status_interval", "1s"),
    // How long a standby waits between two tries to reach its source: a part of every failover.
    ("wal_retrieve_retry_interval", "200ms"),
    ("wal_receiver_create_temp_slot", "off"),
    ("recovery_target_timeline", "latest"),
    ("password_encryption", "scram-sha-256"),
    // A connection that has not said who it is outlives the closing of the gate for so long at most.
    ("authentication_timeout", "10s"),
    ("ssl", "on"),
    ("ssl_min_protocol_version", "TLSv1.2"),
    ("unix_socket_permissions", "0700"),
    ("allow_alter_system", "off"),
    // The warden reads the log from stderr.
    ("log_destination", "stderr"),
    ("logging_collector", "off"),
    ("log_timezone", "UTC"),
    ("lc_messages", "C"),
    ("log_line_prefix", logs::LINE_PREFIX),
];

/// Settings that are Berth's with values that depend on the pod, and those that would change what is recovered or archived
/// behind its back.
const RESERVED: &[&str] = &[
    "archive_cleanup_command",
    "archive_command",
    "archive_library",
    "archive_mode",
    "cluster_name",
    "config_file",
    "data_directory",
    "external_pid_file",
    "hba_file",
    "ident_file",
    "ignore_checksum_failure",
    "ignore_invalid_pages",
    "ignore_system_indexes",
    "include",
    "include_dir",
    "include_if_exists",
    "listen_addresses",
    "max_slot_wal_keep_size",
    "port",
    "primary_conninfo",
    "primary_slot_name",
    "recovery_end_command",
    "recovery_min_apply_delay",
    "restore_command",
    "ssl_ca_file",
    "ssl_cert_file",
    "ssl_key_file",
    "synchronous_standby_names",
    "unix_socket_directories",
    "unix_socket_group",
    "zero_damaged_pages",
];

/// Why a setting is not the user's to choose, if it is not; otherwise PostgreSQL judges it.
pub(super) fn refusal(name: &str, value: &str) -> Option<String> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') || !name.chars().all(inner) {
        return Some("this is no name of a setting; use letters, digits, _ and .".to_owned());
    }
    if value.contains(['\0', '\n', '\r']) {
        return Some("a value is one line; write it without line breaks".to_owned());
    }
    let name = name.to_ascii_lowercase();
    let owned = OWNED.iter().any(|(owned, _)| *owned == name)
        || RESERVED.contains(&name.as_str())
        || name.starts_with("berth.")
        || name.starts_with("recovery_target");
    if owned {
        return Some("Berth sets this itself; remove it from the parameters".to_owned());
    }
    let value = value.to_ascii_lowercase();
    match name.as_str() {
        "wal_level" if !["replica", "logical"].contains(&value.as_str()) => {
            Some("replicas need `replica` or `logical`".to_owned())
        }
        "synchronous_commit" if !["on", "remote_apply", "true", "yes", "1"].contains(&value.as_str()) => {
            Some(
                "a cluster's commits wait for its replicas; lower it for a role or a session instead"
                    .to_owned(),
            )
        }
        _ => None,
    }
}

/// Writes the files that make a start one of a standby of the source, or of nobody.
pub(super) fn write_start(place: &PostgresPlace, source: Option<&Peer>) -> Result<(), EngineError> {
    files::folder(&place.config())?;
    files::update(&place.config_file(SERVER), server(place)?.as_bytes())?;
    write_source(place, source)?;
    // Settings made by ALTER SYSTEM, before it was off or on the source of a copy, would come after ours.
    files::update(&place.pgdata().join("postgresql.auto.conf"), b"")?;
    // There is no read-write start.
    files::update(&place.pgdata().join("standby.signal"), b"")?;
    files::remove(&place.pgdata().join("recovery.signal"))?;
    Ok(())
}

/// The file that PostgreSQL is started with.
fn server(place: &PostgresPlace) -> Result<String, EngineError> {
    let sizes = Sizes::of(&place.data)?;
    let mut file = String::from("# Written by berth-agent at each start; changes are lost.\n");
    // Without a word of the user the server speaks UTC, whatever the machine does.
    push(&mut file, "timezone", "UTC");
    // Who logs in as Berth's own roles is the proxy's and the members' business, so theirs are the reserved connections.
    push(&mut file, "superuser_reserved_connections", "5");
    // A user who knows better has the last word on these.
    for (name, megabytes) in [
        ("max_wal_size", sizes.between_checkpoints),
        ("min_wal_size", sizes.kept_to_reuse),
        ("wal_keep_size", sizes.kept_for_members),
    ] {
        push(&mut file, name, &format!("{megabytes}MB"));
    }
    let _infallible = writeln!(file, "include '{PARAMETERS}'");
    for (name, value) in OWNED {
        push(&mut file, name, value);
    }
    let path = |path: std::path::PathBuf| text(&path);
    let keys = place.keys();
    let own = [
        ("data_directory", path(place.pgdata())),
        ("hba_file", path(place.doors().join("hba.conf"))),
        ("ident_file", path(place.doors().join("ident.conf"))),
        ("unix_socket_directories", path(place.sockets())),
        ("listen_addresses", place.listen.clone()),
        ("port", place.port.to_string()),
        ("cluster_name", place.member.to_string()),
        ("ssl_ca_file", path(keys.join("ca.crt"))),
        ("ssl_cert_file", path(keys.join("tls.crt"))),
        ("ssl_key_file", path(keys.join("tls.key"))),
        ("max_slot_wal_keep_size", format!("{}MB", sizes.kept_for_absent)),
    ];
    for (name, value) in own {
        push(&mut file, name, &value);
    }
    for included in [TERM, SPACE, SOURCE, QUORUM] {
        let _infallible = writeln!(file, "include '{included}'");
    }
    Ok(file)
}

/// The user's settings as a file.
pub(super) fn render_parameters(parameters: &BTreeMap<String, String>) -> String {
    let mut file = String::from("# Written by berth-agent from spec.engine.postgres.parameters.\n");
    for (name, value) in parameters {
        push(&mut file, name, value);
    }
    file
}

/// Writes the term; tells whether that changed anything.
pub(super) fn write_term(place: &PostgresPlace, term: Term) -> Result<bool, EngineError> {
    let mut file = String::new();
    push(&mut file, "berth.term", &term.to_string());
    files::update(&place.config_file(TERM), file.as_bytes())
}

/// Writes whether there is room for writes; tells whether that changed anything.
pub(super) fn write_space(place: &PostgresPlace, space: Space) -> Result<bool, EngineError> {
    files::update(&place.config_file(SPACE), space_file(space).as_bytes())
}

/// The file comes after the user's, so that on a full disk the refusal is the last word. It is a default only: a session may still say that
/// it writes, because whoever deletes must. Berth's own sessions say so always.
fn space_file(space: Space) -> String {
    let mut file = String::new();
    match space {
        Space::Ample => {}
        Space::Full => push(&mut file, "default_transaction_read_only", "on"),
    }
    file
}

/// Writes whom the server follows; tells whether that changed anything.
pub(super) fn write_source(place: &PostgresPlace, source: Option<&Peer>) -> Result<bool, EngineError> {
    let mut file = String::new();
    let (conninfo, slot) = match source {
        Some(peer) => {
            let name = standby_name(&place.member, peer.term);
            (conninfo::to(place, peer, &name)?, slot_name(&place.member))
        }
        None => (String::new(), String::new()),
    };
    push(&mut file, "primary_conninfo", &conninfo);
    push(&mut file, "primary_slot_name", &slot);
    files::update(&place.config_file(SOURCE), file.as_bytes())
}

/// What the file says of its own quorum. One that is there at the server's start is in force from the first commit on; one that was
/// written while it ran is so only once that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Force {
    /// In force: the server started with it, or it was seen.
    InForce,
    /// Asked for, and not seen yet.
    Asked,
}

/// Writes the quorum.
pub(super) fn write_quorum(place: &PostgresPlace, quorum: &Quorum, force: Force) -> Result<(), EngineError> {
    files::update(&place.config_file(QUORUM), quorum_file(quorum, force).as_bytes()).map(|_changed| ())
}

/// The quorum as a file.
pub(super) fn quorum_file(quorum: &Quorum, force: Force) -> String {
    let mut file = format!("# {force:?}\n");
    push(&mut file, "synchronous_standby_names", &standby_names(quorum));
    file
}

/// The value of `synchronous_standby_names`.
pub(super) fn standby_names(quorum: &Quorum) -> String {
    match quorum {
        Quorum::None => String::new(),
        Quorum::Nobody => format!("ANY 1 ({NOBODY})"),
        Quorum::Any { members, .. } if members.is_empty() => format!("ANY 1 ({NOBODY})"),
        Quorum::Any { acks, members, term } => {
            let names: Vec<String> =
                members.iter().map(|member| format!("\"{}\"", standby_name(member, *term))).collect();
            format!("ANY {} ({})", (*acks).max(1), names.join(", "))
        }
    }
}

/// One line of a configuration file.
fn push(file: &mut String, name: &str, value: &str) {
    // The prefix of the log is written with escapes that are meant; everything else is taken as it is.
    let escaped = if name == "log_line_prefix" { value.to_owned() } else { value.replace('\\', r"\\") };
    let _infallible = writeln!(file, "{name} = '{}'", escaped.replace('\'', "''"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_core::{MemberId, Term};

    #[test]
    fn what_safety_rests_on_is_not_the_users_to_choose() {
        let refused = [
            ("fsync", "off"),
            ("FSYNC", "off"),
            ("synchronous_standby_names", ""),
            ("primary_conninfo", "host=elsewhere"),
            ("recovery_target_xid", "7"),
            ("berth.term", "9"),
            ("wal_level", "minimal"),
            ("synchronous_commit", "off"),
            ("work_mem", "1MB'\nfsync = off"),
            ("include", "x y"),
            ("a b", "1"),
            ("", "1"),
            ("log_line_prefix", "%m"),
        ];
        for (name, value) in refused {
            assert!(refusal(name, value).is_some(), "{name} = {value:?} must be refused");
        }
        for (name, value) in [
            ("work_mem", "64MB"),
            ("wal_level", "logical"),
            ("synchronous_commit", "remote_apply"),
            ("pg_stat_statements.max", "5"),
        ] {
            assert_eq!(refusal(name, value), None, "{name}");
        }
    }

    #[test]
    fn only_a_full_disk_makes_sessions_read_only() {
        assert_eq!(space_file(Space::Ample), "", "what the user chose holds");
        assert_eq!(space_file(Space::Full), "default_transaction_read_only = 'on'\n");
    }

    #[test]
    fn a_value_stays_a_value() {
        let parameters = BTreeMap::from([("search_path".to_owned(), r#"'a', "b\" #"#.to_owned())]);
        assert!(render_parameters(&parameters).ends_with("search_path = '''a'', \"b\\\\\" #'\n"));
    }

    #[test]
    fn a_commit_waits_for_names_of_the_term_or_for_a_name_that_nobody_has() {
        let members = [MemberId::new("orders-7k2qd").unwrap(), MemberId::new("orders-m4w8z").unwrap()];
        let quorum = Quorum::Any { acks: 1, members: members.into(), term: Term(5) };
        assert_eq!(standby_names(&quorum), r#"ANY 1 ("7k2qd_t5", "m4w8z_t5")"#);
        let nobody = Quorum::Any { acks: 1, members: [].into(), term: Term(5) };
        assert_eq!(standby_names(&nobody), standby_names(&Quorum::Nobody));
        assert_eq!(super::super::place::parse_standby_name(NOBODY), None);
    }
}
