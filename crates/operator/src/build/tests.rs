//! Built objects as golden text, and the rules of the `restricted` standard held against the pod.

use super::*;
use crate::validate::{Rendering, validate};
use berth_core::topology::Identity;
use berth_core::{ClaimUid, ClusterName, Namespace};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, Secret};
use serde_json::json;

fn owner() -> Owner {
    Owner {
        cluster: ClusterRef {
            namespace: Namespace::new("shop").unwrap(),
            name: ClusterName::new("orders").unwrap(),
        },
        uid: ClusterUid::new("6f1c0f0e-1111-4222-8333-444455556666").unwrap(),
    }
}

fn rendering() -> Rendering {
    let cluster = serde_json::from_value(json!({
        "apiVersion": "berth.dev/v1alpha1", "kind": "DatabaseCluster",
        "metadata": {"name": "orders", "namespace": "shop"},
        "spec": {
            "engine": {"postgres": {"version": "17"}},
            "storage": {"data": {"size": "20Gi", "class": "fast"}},
            "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
            "placement": {"nodeSelector": {"disk": "ssd"}, "spread": {"key": "topology.kubernetes.io/zone", "mode": "Require"}},
        },
    }))
    .unwrap();
    validate(&cluster, None).rendering.unwrap()
}

fn member() -> MemberId {
    MemberId::new("orders-7k2qd").unwrap()
}

fn built_pod() -> Pod {
    let identity = Identity { member: member(), claim: ClaimUid::new("0c1a").unwrap() };
    let told = Placeless {
        agent_image: "berth.dev/berth:dev".to_owned(),
        etcd_endpoints: "https://berth-etcd.berth-system.svc:2379".to_owned(),
    };
    pod(&owner(), &identity, &rendering(), &told)
}

#[test]
fn a_members_pod() {
    insta::assert_yaml_snapshot!(built_pod());
}

#[test]
fn a_members_claim_has_no_owner() {
    let claim = claim(&owner(), &member(), &rendering());
    assert_eq!(claim.metadata.owner_references, None);
    insta::assert_yaml_snapshot!(claim);
}

#[test]
fn a_disruption_budget_counts_this_incarnations_pods_alone() {
    let budget = budget(&owner(), 2);
    let selector = budget.spec.as_ref().unwrap().selector.as_ref().unwrap().match_labels.as_ref().unwrap();
    let labels = built_pod().metadata.labels.unwrap();
    assert!(selector.iter().all(|(key, value)| labels.get(key) == Some(value)), "it selects the pods");
    assert_eq!(selector.values().collect::<Vec<_>>(), [owner().uid.as_str()]);
    insta::assert_yaml_snapshot!(budget);
}

#[test]
fn the_secret_to_bind_to() {
    let binding = Binding {
        host: "berth-proxy.berth-system.svc".to_owned(),
        port: 5432,
        database: "app".to_owned(),
        role: "app".to_owned(),
        password: "p@ss/word".to_owned(),
        authority: "CA".to_owned(),
    };
    let text = |secret: Secret| -> BTreeMap<String, String> {
        secret
            .data
            .unwrap()
            .into_iter()
            .map(|(key, value)| (key, String::from_utf8(value.0).unwrap()))
            .collect()
    };
    let secret = owner_secret(&owner(), &binding);
    assert_eq!(secret.type_.as_deref(), Some("servicebinding.io/postgresql"));
    assert_eq!(secret.metadata.owner_references.as_ref().unwrap()[0].uid, owner().uid.as_str());
    insta::assert_yaml_snapshot!(text(secret));
    assert_eq!(
        text(access_secret(&owner(), "SCRAM…")),
        BTreeMap::from([("owner.verifier".into(), "SCRAM…".into())])
    );
}

/// The rules of the Pod Security standard `restricted` that a pod of ours could break.
fn breaks_restricted(spec: &PodSpec) -> Vec<String> {
    let mut found = Vec::new();
    let mut demand = |holds: bool, what: String| {
        if !holds {
            found.push(what);
        }
    };
    let all: Vec<&Container> = spec.containers.iter().chain(spec.init_containers.iter().flatten()).collect();
    demand(
        spec.host_network != Some(true) && spec.host_pid != Some(true) && spec.host_ipc != Some(true),
        "host namespaces".into(),
    );
    for volume in spec.volumes.iter().flatten() {
        let allowed =
            volume.empty_dir.is_some() || volume.persistent_volume_claim.is_some() || volume.secret.is_some();
        demand(allowed, format!("volume {}", volume.name));
    }
    let of_pod = spec.security_context.clone().unwrap_or_default();
    demand(of_pod.seccomp_profile.is_some_and(|profile| profile.type_ == "RuntimeDefault"), "seccomp".into());
    demand(of_pod.run_as_non_root == Some(true) && of_pod.run_as_user != Some(0), "non-root".into());
    for container in all {
        let context = container.security_context.clone().unwrap_or_default();
        let name = &container.name;
        demand(context.privileged != Some(true), format!("{name}: privileged"));
        demand(context.allow_privilege_escalation == Some(false), format!("{name}: escalation"));
        demand(context.read_only_root_filesystem == Some(true), format!("{name}: writable root"));
        let drops =
            context.capabilities.is_some_and(|c| c.drop == Some(vec!["ALL".to_owned()]) && c.add.is_none());
        demand(drops, format!("{name}: capabilities"));
        demand(
            container.ports.iter().flatten().all(|port| port.host_port.is_none()),
            format!("{name}: host port"),
        );
    }
    found
}

#[test]
fn the_pod_keeps_the_restricted_standard_and_carries_no_token() {
    let spec = built_pod().spec.unwrap();
    assert_eq!(breaks_restricted(&spec), Vec::<String>::new());
    assert_eq!(spec.automount_service_account_token, Some(false));
    let mut wrong = spec;
    wrong.containers[0].security_context.as_mut().unwrap().capabilities = None;
    assert_eq!(breaks_restricted(&wrong), ["database: capabilities"]);
}

#[test]
fn a_pod_mounts_no_key_but_its_own() {
    let spec = built_pod().spec.unwrap();
    let tls = spec.volumes.unwrap().into_iter().find(|volume| volume.name == "tls").unwrap();
    let keys: Vec<String> = tls.secret.unwrap().items.unwrap().into_iter().map(|item| item.key).collect();
    assert_eq!(keys, ["ca.crt", "orders-7k2qd.crt", "orders-7k2qd.key"]);
}
