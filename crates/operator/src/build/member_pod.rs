//! A member's pod: the stock image with our agent copied in, under the `restricted` standard.
//!
//! Its only state is the claim. It carries no token, no password and no key but its own.

use super::Owner;
use crate::validate::Rendering;
use berth_api::{SpreadMode, names};
use berth_core::topology::Identity;
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource, HTTPGetAction,
    KeyToPath, ObjectFieldSelector, PersistentVolumeClaimVolumeSource, Pod, PodSecurityContext, PodSpec,
    Probe, ResourceRequirements, SeccompProfile, SecretVolumeSource, SecurityContext,
    TopologySpreadConstraint, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ObjectMeta;

/// The user and group of the database, as the well-known image has them.
const DATABASE_USER: i64 = 999;
/// The port of the database.
const DATABASE_PORT: i32 = 5432;
/// The port at which the agent hears those of the other members: the agent's own default.
const PEER_PORT: i32 = 5433;
/// The port of the agent's probes, metrics and pages.
const ADMIN_PORT: i32 = 8008;
/// What a fast shutdown with its checkpoint may take before the kubelet kills.
const GRACE_SECONDS: i64 = 60;

/// What every pod is told that no cluster chooses.
#[derive(Debug, Clone)]
pub(crate) struct Placeless {
    /// The image with the agent.
    pub(crate) agent_image: String,
    /// Where etcd is, seen from a pod.
    pub(crate) etcd_endpoints: String,
}

/// The pod of a member, on its own claim.
pub(crate) fn pod(owner: &Owner, identity: &Identity, rendering: &Rendering, told: &Placeless) -> Pod {
    Pod {
        metadata: ObjectMeta {
            name: Some(identity.member.to_string()),
            namespace: Some(owner.cluster.namespace.to_string()),
            labels: Some(owner.labels_of(&identity.member)),
            annotations: Some([(names::REVISION.to_owned(), rendering.revision.clone())].into()),
            finalizers: Some(vec![names::PROCESS_ENDED.to_owned()]),
            owner_references: Some(vec![owner.reference()]),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec {
            init_containers: Some(vec![install(rendering, told)]),
            containers: vec![database(owner, identity, rendering, told)],
            volumes: Some(volumes(owner, identity)),
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(DATABASE_USER),
                run_as_group: Some(DATABASE_USER),
                fs_group: Some(DATABASE_USER),
                // The volume's files are ours already at every start but the first; to look at each would make a large one slow to start.
                fs_group_change_policy: Some("OnRootMismatch".to_owned()),
                seccomp_profile: Some(SeccompProfile {
                    type_: "RuntimeDefault".to_owned(),
                    localhost_profile: None,
                }),
                ..PodSecurityContext::default()
            }),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            restart_policy: Some("Always".to_owned()),
            termination_grace_period_seconds: Some(GRACE_SECONDS),
            node_selector: Some(rendering.node_selector.clone()).filter(|map| !map.is_empty()),
            tolerations: Some(rendering.tolerations.clone()).filter(|list| !list.is_empty()),
            affinity: rendering.affinity.clone(),
            topology_spread_constraints: Some(vec![spread(owner, rendering)]),
            ..PodSpec::default()
        }),
        status: None,
    }
}

/// Copies the agent in.
fn install(rendering: &Rendering, told: &Placeless) -> Container {
    Container {
        name: "agent".to_owned(),
        image: Some(told.agent_image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(words(&["/usr/local/bin/berth-agent", "install", "/berth/bin"])),
        volume_mounts: Some(vec![mount("bin", "/berth/bin")]),
        security_context: Some(confined()),
        // A pod asks for the larger of what it needs to begin and to run; so this costs nothing and satisfies quotas.
        resources: Some(resources(rendering)),
        ..Container::default()
    }
}

/// The warden, and below it the agent and the database.
fn database(owner: &Owner, identity: &Identity, rendering: &Rendering, told: &Placeless) -> Container {
    let literal = |name: &str, value: &str| EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        value_from: None,
    };
    let field = |name: &str, path: &str| EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector { api_version: None, field_path: path.to_owned() }),
            ..EnvVarSource::default()
        }),
    };
    Container {
        name: "database".to_owned(),
        image: Some(rendering.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(words(&["/berth/bin/berth-agent", "warden"])),
        env: Some(vec![
            literal("BERTH_NAMESPACE", owner.cluster.namespace.as_str()),
            literal("BERTH_CLUSTER", owner.cluster.name.as_str()),
            literal("BERTH_CLUSTER_UID", owner.uid.as_str()),
            literal("BERTH_MEMBER", identity.member.as_str()),
            literal("BERTH_CLAIM_UID", identity.claim.as_str()),
            field("BERTH_POD_UID", "metadata.uid"),
            field("BERTH_POD_IP", "status.podIP"),
            literal("BERTH_ENGINE", "postgres"),
            literal("BERTH_ETCD_ENDPOINTS", &told.etcd_endpoints),
            literal("BERTH_DATA", "/berth/data"),
            literal("BERTH_TLS", "/berth/tls"),
            literal("BERTH_ACCESS", "/berth/access"),
            literal("BERTH_RUN", "/berth/run"),
        ]),
        ports: Some(vec![
            port("database", DATABASE_PORT),
            port("peer", PEER_PORT),
            port("admin", ADMIN_PORT),
        ]),
        // Startup and readiness are asked often, because a new member's first seconds are what somebody waits for; http costs next to nothing.
        startup_probe: Some(probe("/startupz", 1, 300)),
        liveness_probe: Some(probe("/livez", 5, 6)),
        readiness_probe: Some(probe("/readyz", 2, 2)),
        volume_mounts: Some(vec![
            VolumeMount { read_only: Some(true), ..mount("bin", "/berth/bin") },
            mount("data", "/berth/data"),
            mount("run", "/berth/run"),
            mount("shm", "/dev/shm"),
            mount("tmp", "/tmp"),
            VolumeMount { read_only: Some(true), ..mount("tls", "/berth/tls") },
            VolumeMount { read_only: Some(true), ..mount("access", "/berth/access") },
        ]),
        security_context: Some(confined()),
        resources: Some(resources(rendering)),
        ..Container::default()
    }
}

fn volumes(owner: &Owner, identity: &Identity) -> Vec<Volume> {
    let cluster = owner.cluster.name.as_str();
    let member = identity.member.as_str();
    let empty = |name: &str, medium: Option<&str>| Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: medium.map(str::to_owned),
            ..EmptyDirVolumeSource::default()
        }),
        ..Volume::default()
    };
    let secret = |name: &str, secret: String, items: Vec<KeyToPath>| Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret),
            items: Some(items),
            // Owned by root and readable by the database's group alone: what PostgreSQL demands of a key that is not its own file.
            default_mode: Some(0o440),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    };
    let item = |key: &str, path: &str| KeyToPath {
        key: key.to_owned(),
        path: path.to_owned(),
        ..KeyToPath::default()
    };
    vec![
        empty("bin", None),
        Volume {
            name: "data".to_owned(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: names::data_claim(member),
                read_only: None,
            }),
            ..Volume::default()
        },
        empty("run", Some("Memory")),
        empty("shm", Some("Memory")),
        empty("tmp", Some("Memory")),
        secret(
            "tls",
            names::tls_secret(cluster),
            vec![
                item("ca.crt", "ca.crt"),
                item(&format!("{member}.crt"), "tls.crt"),
                item(&format!("{member}.key"), "tls.key"),
            ],
        ),
        secret("access", names::access_secret(cluster), vec![item("owner.verifier", "owner.verifier")]),
    ]
}

fn spread(owner: &Owner, rendering: &Rendering) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: rendering.spread.key.clone(),
        when_unsatisfiable: match rendering.spread.mode {
            SpreadMode::Prefer => "ScheduleAnyway",
            SpreadMode::Require => "DoNotSchedule",
        }
        .to_owned(),
        label_selector: Some(LabelSelector {
            match_labels: Some([(names::CLUSTER_UID.to_owned(), owner.uid.to_string())].into()),
            ..LabelSelector::default()
        }),
        ..TopologySpreadConstraint::default()
    }
}

fn confined() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { add: None, drop: Some(words(&["ALL"])) }),
        ..SecurityContext::default()
    }
}

fn resources(rendering: &Rendering) -> ResourceRequirements {
    ResourceRequirements {
        requests: Some(rendering.requests.clone()).filter(|map| !map.is_empty()),
        limits: Some(rendering.limits.clone()).filter(|map| !map.is_empty()),
        claims: None,
    }
}

fn probe(path: &str, period: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("admin".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        timeout_seconds: Some(3),
        ..Probe::default()
    }
}

fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort { name: Some(name.to_owned()), container_port: number, ..ContainerPort::default() }
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount { name: name.to_owned(), mount_path: path.to_owned(), ..VolumeMount::default() }
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}
