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

/// The settings that Berth sets itself, because the promise of durability, the fence or the pod's layout rests on them.
pub const OWNED_PARAMETERS: &[&str] = &[
    "allow_alter_system",
    "archive_cleanup_command",
    "archive_command",
    "archive_library",
    "archive_mode",
    "berth.term",
    "bonjour",
    "cluster_name",
    "config_file",
    "data_directory",
    "data_sync_retry",
    "event_source",
    "external_pid_file",
    "fsync",
    "full_page_writes",
    "hba_file",
    "hot_standby",
    "ident_file",
    "include",
    "include_dir",
    "include_if_exists",
    "listen_addresses",
    "log_destination",
    "log_directory",
    "log_file_mode",
    "log_filename",
    "logging_collector",
    "max_replication_slots",
    "max_wal_senders",
    "password_encryption",
    "port",
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
    "restart_after_crash",
    "restore_command",
    "ssl",
    "ssl_ca_file",
    "ssl_cert_file",
    "ssl_crl_dir",
    "ssl_crl_file",
    "ssl_key_file",
    "ssl_passphrase_command",
    "ssl_passphrase_command_supports_reload",
    "standby_mode",
    "synchronous_commit",
    "synchronous_standby_names",
    "unix_socket_directories",
    "unix_socket_group",
    "unix_socket_permissions",
    "wal_level",
    "wal_log_hints",
    "wal_receiver_status_interval",
    "wal_retrieve_retry_interval",
    "wal_sender_timeout",
];

/// A map of settings whose rule names each refused setting, so that nobody has to guess which of twenty it was.
pub(crate) fn parameters(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let owned = OWNED_PARAMETERS.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 200,
        "additionalProperties": { "type": "string", "maxLength": 4096 },
        "x-kubernetes-validations": [{
            "rule": format!("self.all(name, !(name in [{owned}]))"),
            "message": "remove the settings that Berth sets itself",
            "messageExpression": format!(
                "'remove ' + self.map(name, name).filter(name, name in [{owned}]).join(', ') + ': Berth sets it itself, because durability, fencing or the layout of the pod rest on it'"
            ),
            "reason": "FieldValueForbidden",
        }],
    })
}
