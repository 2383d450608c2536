//! What a spec becomes, with and without a class.

use super::*;
use berth_core::plan::Wish;
use berth_core::topology::OnLoss;
use rstest::rstest;
use serde_json::{Value, json};

fn cluster(spec: &Value) -> DatabaseCluster {
    let object = json!({
        "apiVersion": "berth.dev/v1alpha1", "kind": "DatabaseCluster",
        "metadata": {"name": "orders", "namespace": "shop"}, "spec": spec,
    });
    serde_json::from_value(object).unwrap()
}

fn class(spec: &Value) -> ClusterClass {
    let object = json!({
        "apiVersion": "berth.dev/v1alpha1", "kind": "ClusterClass",
        "metadata": {"name": "standard", "generation": 4}, "spec": spec,
    });
    serde_json::from_value(object).unwrap()
}

fn plain() -> Value {
    json!({"engine": {"postgres": {"version": "17"}}, "storage": {"data": {"size": "1Gi"}}})
}

fn valid(validated: &Validated) -> (&Desired, &Rendering) {
    match &validated.wish {
        Wish::Valid(desired) => (desired, validated.rendering.as_ref().unwrap()),
        Wish::Invalid(problems) => panic!("{problems:?}"),
    }
}

fn problems(validated: &Validated) -> String {
    match &validated.wish {
        Wish::Valid(_) => panic!("it is valid"),
        Wish::Invalid(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

#[test]
fn defaults_without_a_class() {
    let validated = validate(&cluster(&plain()), None);
    let (desired, rendering) = valid(&validated);
    assert_eq!((desired.members, desired.durability.acks), (3, 1));
    assert_eq!(desired.size.bytes, 1 << 30);
    assert_eq!(desired.access.owner, "app");
    assert_eq!(rendering.image, "docker.io/library/postgres:17");
    assert_eq!(rendering.spread.key, "kubernetes.io/hostname");
    assert_eq!(validated.effective.unwrap().durability, "Quorum, 1 acknowledgement");
}

#[test]
fn a_class_fills_in_and_the_cluster_has_the_last_word() {
    let class = class(&json!({
        "engine": {"postgres": {"version": "16", "images": {"16": "i/pg:16", "17": "i/pg:17"}, "parameters": {"work_mem": "8MB", "jit": "off"}}},
        "members": 5, "durability": {"acks": 2}, "storage": {"data": {"size": "5Gi", "class": "fast"}},
        "placement": {"nodeSelector": {"disk": "ssd"}},
    }));
    let spec = json!({"class": "standard", "engine": {"postgres": {"version": "17", "parameters": {"jit": "on"}}}, "members": 4});
    let validated = validate(&cluster(&spec), Some(&class));
    let (desired, rendering) = valid(&validated);
    assert_eq!((desired.members, desired.durability.acks), (4, 2));
    assert_eq!(rendering.image, "i/pg:17");
    assert_eq!(
        desired.parameters,
        BTreeMap::from([("jit".into(), "on".into()), ("work_mem".into(), "8MB".into())])
    );
    assert_eq!(rendering.storage_class.as_deref(), Some("fast"));
    assert_eq!(rendering.node_selector["disk"], "ssd");
    assert_eq!(validated.class.unwrap().generation, Some(4));
}

#[rstest]
#[case::nobody_says(json!(null), json!(null), OnLoss::Block, "Quorum, 1 acknowledgement")]
#[case::the_class(json!(null), json!("Degrade"), OnLoss::Degrade, "Quorum, 1 acknowledgement, onLoss Degrade")]
#[case::the_cluster(json!("Block"), json!("Degrade"), OnLoss::Block, "Quorum, 1 acknowledgement")]
fn what_a_loss_of_replicas_does(
    #[case] own: Value,
    #[case] of_class: Value,
    #[case] expect: OnLoss,
    #[case] effective: &str,
) {
    let mut spec = plain();
    spec["class"] = json!("standard");
    spec["durability"] = json!({"onLoss": own});
    let class = class(&json!({"durability": {"onLoss": of_class}}));
    let validated = validate(&cluster(&spec), Some(&class));
    assert_eq!(valid(&validated).0.durability.on_loss, expect);
    assert_eq!(validated.effective.unwrap().durability, effective);
}

#[test]
fn a_switchover_is_asked_as_it_is_written_and_is_never_a_reason_to_stop() {
    let mut spec = plain();
    spec["failover"] = json!({"switchover": {"request": "noon", "to": "no id at all"}});
    let validated = validate(&cluster(&spec), None);
    let asked = valid(&validated).0.switchover.clone().unwrap();
    assert_eq!((asked.token.as_str(), asked.to.as_deref()), ("noon", Some("no id at all")));
}

#[test]
fn a_single_member_waits_for_nobody_whatever_the_class_says() {
    let class = class(&json!({"durability": {"acks": 1}}));
    let mut spec = plain();
    spec["members"] = json!(1);
    spec["class"] = json!("standard");
    let validated = validate(&cluster(&spec), Some(&class));
    assert_eq!(valid(&validated).0.durability.acks, 0);
}

#[rstest]
#[case::no_class(json!({"class": "nowhere"}), None, "spec.class: make the ClusterClass nowhere")]
#[case::no_version(json!({"engine": {"postgres": {}}}), None, "spec.engine.postgres.version: name a version")]
#[case::no_size(json!({"storage": null}), None, "spec.storage.data.size: choose a size")]
#[case::unreadable_size(json!({"storage": {"data": {"size": "lots"}}}), None, "write a size such as 20Gi")]
#[case::acks(json!({"members": 2, "durability": {"acks": 2}}), None, "spec.durability.acks: choose fewer")]
#[case::image(json!({"class": "c"}), Some(json!({"engine": {"postgres": {"images": {"16": "i"}}}})), "has an image for (16), not 17")]
#[case::too_many(json!({"class": "c"}), Some(json!({"bounds": {"maxMembers": 2}})), "at most 2 members")]
#[case::too_large(json!({"class": "c"}), Some(json!({"bounds": {"maxSize": "500Mi"}})), "at most 500Mi")]
#[case::storage_class(json!({"class": "c"}), Some(json!({"bounds": {"storageClasses": ["a", "b"]}})), "allows: a, b")]
#[case::owned_by_class(json!({"class": "c"}), Some(json!({"engine": {"postgres": {"parameters": {"fsync": "off"}}}})), "remove fsync")]
fn what_cannot_be_carried_out_says_what_to_do(
    #[case] change: Value,
    #[case] of_class: Option<Value>,
    #[case] expect: &str,
) {
    let mut spec = plain();
    for (key, value) in change.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let class = of_class.as_ref().map(class);
    let validated = validate(&cluster(&spec), class.as_ref());
    let said = problems(&validated);
    assert!(said.contains(expect), "{said}");
    assert!(validated.rendering.is_none());
}

#[test]
fn a_revision_changes_with_the_pod_and_not_with_the_volume() {
    let base = validate(&cluster(&plain()), None);
    let mut grown = plain();
    grown["storage"]["data"]["size"] = json!("2Gi");
    let mut other = plain();
    other["engine"]["postgres"]["image"] = json!("my/postgres:17");
    let of = |validated: &Validated| valid(validated).1.revision.clone();
    assert_eq!(of(&base), of(&validate(&cluster(&grown), None)));
    assert_ne!(of(&base), of(&validate(&cluster(&other), None)));
}
