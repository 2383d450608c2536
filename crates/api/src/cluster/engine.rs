//! The engine of a cluster and its settings. The only types of the API that name an engine.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The database engine: exactly one key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.postgres)").message("name exactly one engine, such as postgres: {version: \"17\"}"),
    validation = Rule::new("has(self.postgres) == has(oldSelf.postgres)")
        .message("the engine of a cluster cannot be changed; make a new cluster and move the data"),
)]
pub struct Engine {
    /// PostgreSQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<Postgres>,
}

/// PostgreSQL.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.version) || !has(oldSelf.version) || self.version.split('.')[0] == oldSelf.version.split('.')[0]")
        .message("a change of the major version is an upgrade of the data, which is not supported; make a new cluster and move the data"),
)]
pub struct Postgres {
    /// The major version (`17`), or one with its minor (`17.6`). The class maps it to an image; without a class it is the tag of
    /// `docker.io/library/postgres`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[1-9][0-9](\.[0-9]{1,3})?$"), length(max = 6))]
    pub version: Option<String>,

    /// The image, instead of the one of the version. Pods take a change when they are next made; a pod that never started
    /// because of its image is replaced at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    pub image: Option<String>,

    /// Settings by PostgreSQL's own names, in lower case, with values as text. Applied by reload; those that need a restart are
    /// reported until the member restarts. Settings that Berth owns are refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "parameters")]
    pub parameters: BTreeMap<String, String>,
}

/// The settings that Berth sets itself, grouped by what a person who wants one should know.
const OWNED: &[(&str, &[&str])] = &[
    (
        "how many members a commit waits for is spec.durability",
        &["synchronous_commit", "synchronous_standby_names"],
    ),
    (
        "no acknowledged commit would be safe with another value",
        &["data_sync_retry", "fsync", "full_page_writes", "wal_level", "wal_log_hints"],
    ),
    (
        "Berth starts, stops and restarts the server itself",
        &["allow_alter_system", "bonjour", "external_pid_file", "restart_after_crash"],
    ),
    (
        "Berth runs replication and recovery",
        &[
            "berth.term",
            "cluster_name",
            "hot_standby",
            "max_replication_slots",
            "max_wal_senders",
            "primary_conninfo",
            "primary_slot_name",
            "promote_trigger_file",
            "recovery_end_command",
            "recovery_target",
            "recovery_target_action",
            "recovery_target_inclusive",
            "recovery_target_lsn",
            "recovery_target_name",
            "recovery_target_time",
            "recovery_target_timeline",
            "recovery_target_xid",
            "standby_mode",
            "wal_receiver_status_interval",
            "wal_retrieve_retry_interval",
            "wal_sender_timeout",
        ],
    ),
    (
        "archiving of the log is not supported yet",
        &["archive_cleanup_command", "archive_command", "archive_library", "archive_mode", "restore_command"],
    ),
    (
        "files and addresses are part of the pod's layout",
        &[
            "config_file",
            "data_directory",
            "hba_file",
            "ident_file",
            "include",
            "include_dir",
            "include_if_exists",
            "listen_addresses",
            "port",
            "unix_socket_directories",
            "unix_socket_group",
            "unix_socket_permissions",
        ],
    ),
    (
        "connections are encrypted with certificates that Berth issues, and passwords are SCRAM-SHA-256",
        &[
            "password_encryption",
            "ssl",
            "ssl_ca_file",
            "ssl_cert_file",
            "ssl_crl_dir",
            "ssl_crl_file",
            "ssl_key_file",
            "ssl_passphrase_command",
            "ssl_passphrase_command_supports_reload",
        ],
    ),
    (
        "the log goes to the pod's standard output",
        &[
            "event_source",
            "log_destination",
            "log_directory",
            "log_file_mode",
            "log_filename",
            "logging_collector",
        ],
    ),
];

impl Postgres {
    /// Why a setting is refused, if it is: the schema's own words. Names are compared as PostgreSQL does, in any case; the schema's rules
    /// see lower case only.
    pub fn refusal(name: &str) -> Option<String> {
        OWNED.iter().find_map(|(why, names)| {
            names.iter().find(|owned| owned.eq_ignore_ascii_case(name)).map(|owned| advice(owned, why))
        })
    }
}

fn advice(name: &str, why: &str) -> String {
    format!("remove {name}, which Berth sets itself: {why}")
}

/// A map of settings with a rule for each that is refused, so that the answer names it and nobody guesses which of twenty it was. One rule
/// whose message lists them would be shorter, but the API server does not take it: it cannot bound the cost.
pub(crate) fn parameters(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let rules: Vec<serde_json::Value> = OWNED
        .iter()
        .flat_map(|(why, names)| names.iter().map(move |name| (name, why)))
        .map(|(name, why)| {
            serde_json::json!({
                "rule": format!("!('{name}' in self)"),
                "message": advice(name, why),
                "reason": "FieldValueForbidden",
            })
        })
        .collect();
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 200,
        "additionalProperties": { "type": "string", "maxLength": 4096 },
        "x-kubernetes-validations": rules,
    })
}
