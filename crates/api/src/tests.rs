//! The rules of the installed definitions, evaluated as the Kubernetes API server does: what is accepted, and what is said to whom it is not.

use crate::{ClusterClass, DatabaseCluster, Postgres, definitions};
use kube::core::cel::Validator;
use rstest::rstest;
use serde_json::{Value, json};

/// The schema of a kind as it is installed.
fn schema(kind: &str) -> Value {
    let definition = definitions().into_iter().find(|d| d.spec.names.kind == kind).expect("a kind of Berth");
    let schema = definition.spec.versions[0].schema.clone().expect("a schema").open_api_v3_schema;
    serde_json::to_value(schema).expect("a schema is JSON")
}

/// What is said to an object, and to its change from an older one.
fn said(kind: &str, object: &Value, old: Option<&Value>) -> Vec<String> {
    match Validator::new().validate(&schema(kind), object, old) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.into_iter().map(|error| error.to_string()).collect(),
    }
}

/// A cluster as the API server stores it: what the author wrote, with the defaults.
fn cluster(name: &str, spec: &Value) -> Value {
    let object = json!({
        "apiVersion": "berth.dev/v1alpha1", "kind": "DatabaseCluster",
        "metadata": { "name": name, "namespace": "shop" }, "spec": spec,
    });
    let typed: DatabaseCluster = serde_json::from_value(object).expect("the types accept it");
    serde_json::to_value(typed).expect("it is JSON")
}

/// A valid spec with some of it replaced.
fn with(part: &Value) -> Value {
    let mut spec = json!({
        "engine": { "postgres": { "version": "17" } },
        "members": 3,
        "storage": { "data": { "size": "20Gi", "class": "fast" } },
    });
    for (key, value) in part.as_object().expect("a part of a spec").clone() {
        spec[key] = value;
    }
    spec
}

#[track_caller]
fn check(errors: &[String], expect: Option<&str>) {
    match expect {
        None => assert!(errors.is_empty(), "refused: {errors:#?}"),
        Some(text) => {
            assert!(errors.iter().any(|e| e.contains(text)), "expected {text:?} among {errors:#?}");
        }
    }
}

#[rstest]
#[case::least(json!({}), None)]
#[case::durability(json!({ "durability": { "mode": "Quorum", "acks": 2 } }), None)]
#[case::as_many_acks_as_members(json!({ "durability": { "acks": 3 } }), Some("lower than members"))]
#[case::one_member_waits_for_nobody(json!({ "members": 1, "durability": { "acks": 1 } }), Some("lower than members"))]
#[case::one_member(json!({ "members": 1 }), None)]
#[case::acks_in_async(json!({ "durability": { "mode": "Async", "acks": 1 } }), Some("belongs to mode Quorum"))]
#[case::acks_in_all(json!({ "durability": { "mode": "All", "acks": 1 } }), Some("belongs to mode Quorum"))]
#[case::on_loss(json!({ "durability": { "mode": "All", "onLoss": "Degrade" } }), None)]
#[case::on_loss_alone(json!({ "durability": { "onLoss": "Block" } }), None)]
#[case::on_loss_in_async(json!({ "durability": { "mode": "Async", "onLoss": "Degrade" } }), Some("belongs to modes Quorum and All"))]
#[case::a_switchover(json!({ "failover": { "switchover": { "request": "2026-03-01" } } }), None)]
#[case::a_switchover_to(json!({ "failover": { "switchover": { "request": "a", "to": "orders-7k2qd" } } }), None)]
#[case::no_switchover(json!({ "failover": {} }), None)]
#[case::a_request_that_is_no_name(json!({ "failover": { "switchover": { "request": "At noon" } } }), Some("lower-case letters, digits and inner hyphens"))]
#[case::a_request_with_an_end(json!({ "failover": { "switchover": { "request": "noon-" } } }), Some("inner hyphens"))]
#[case::an_empty_request(json!({ "failover": { "switchover": { "request": "" } } }), Some("inner hyphens"))]
#[case::to_another_cluster(json!({ "failover": { "switchover": { "request": "a", "to": "ledger-7k2qd" } } }), Some("name a member of this cluster"))]
#[case::to_a_longer_name(json!({ "failover": { "switchover": { "request": "a", "to": "orders-eu-7k2qd" } } }), Some("name a member of this cluster"))]
#[case::to_the_cluster(json!({ "failover": { "switchover": { "request": "a", "to": "orders" } } }), Some("name a member of this cluster"))]
#[case::no_engine(json!({ "engine": {} }), Some("name exactly one engine"))]
#[case::own_setting(json!({ "engine": { "postgres": { "parameters": { "work_mem": "8MB" } } } }), None)]
#[case::a_setting_of_ours(json!({ "engine": { "postgres": { "parameters": { "fsync": "off" } } } }), Some("remove fsync"))]
#[case::durability_by_the_back_door(
    json!({ "engine": { "postgres": { "parameters": { "synchronous_commit": "off" } } } }),
    Some("remove synchronous_commit, which Berth sets itself: how many members a commit waits for is spec.durability")
)]
#[case::size_without_a_number(json!({ "storage": { "data": { "size": "big" } } }), Some("such as 20Gi"))]
#[case::size_of_nothing(json!({ "storage": { "data": { "size": "0" } } }), Some("such as 20Gi"))]
#[case::size_from_the_class(json!({ "class": "standard", "storage": { "data": {} } }), None)]
#[case::a_reserved_owner(json!({ "access": { "database": "app", "owner": "postgres" } }), Some("choose another name for the owner"))]
#[case::an_owner_of_ours(json!({ "access": { "owner": "berth_proxy" } }), Some("choose another name for the owner"))]
#[case::a_database_of_the_engine(json!({ "access": { "database": "template1" } }), Some("choose another name for the database"))]
#[case::no_source(json!({ "bootstrap": {} }), Some("name exactly one source"))]
fn a_new_cluster(#[case] part: Value, #[case] expect: Option<&str>) {
    check(&said("DatabaseCluster", &cluster("orders", &with(&part)), None), expect);
}

#[rstest]
#[case::longest(&"a".repeat(40), None)]
#[case::too_long(&"a".repeat(41), Some("at most 40 characters"))]
#[case::dotted("orders.eu", Some("without dots"))]
#[case::doubled("orders--eu", Some("without '--'"))]
fn a_name(#[case] name: &str, #[case] expect: Option<&str>) {
    check(&said("DatabaseCluster", &cluster(name, &with(&json!({}))), None), expect);
}

#[rstest]
#[case::nothing(json!({}), None)]
#[case::scale(json!({ "members": 5 }), None)]
#[case::scale_under_the_acks(json!({ "members": 1, "durability": { "acks": 1 } }), Some("lower than members"))]
#[case::growth(json!({ "storage": { "data": { "size": "30Gi", "class": "fast" } } }), None)]
#[case::growth_in_another_unit(json!({ "storage": { "data": { "size": "20481Mi", "class": "fast" } } }), None)]
#[case::shrink(json!({ "storage": { "data": { "size": "10Gi", "class": "fast" } } }), Some("cannot shrink"))]
#[case::other_class(json!({ "storage": { "data": { "size": "20Gi", "class": "slow" } } }), Some("storage class of existing volumes"))]
#[case::no_class_any_more(json!({ "storage": { "data": { "size": "20Gi" } } }), Some("storage class of existing volumes"))]
#[case::minor_version(json!({ "engine": { "postgres": { "version": "17.6" } } }), None)]
#[case::major_version(json!({ "engine": { "postgres": { "version": "18" } } }), Some("major version"))]
#[case::other_engine(json!({ "engine": {} }), Some("engine of a cluster cannot be changed"))]
#[case::renamed_owner(json!({ "access": { "owner": "shop" } }), Some("cannot be renamed"))]
#[case::own_secret(json!({ "access": { "ownerSecret": "mine" } }), None)]
#[case::other_source(json!({ "bootstrap": {} }), Some("cannot be changed"))]
#[case::paused(json!({ "state": "Paused" }), None)]
#[case::switchover(json!({ "failover": { "switchover": { "request": "b" } } }), None)]
fn a_changed_cluster(#[case] part: Value, #[case] expect: Option<&str>) {
    let old = cluster("orders", &with(&json!({})));
    check(&said("DatabaseCluster", &cluster("orders", &with(&part)), Some(&old)), expect);
}

#[rstest]
#[case::empty(json!({}), None)]
#[case::acks(json!({ "members": 2, "durability": { "acks": 2 } }), Some("lower than members"))]
#[case::a_setting_of_ours(json!({ "engine": { "postgres": { "parameters": { "port": "1" } } } }), Some("remove port"))]
#[case::bound(json!({ "bounds": { "maxSize": "huge" } }), Some("such as 20Gi"))]
#[case::shrinks(json!({ "storage": { "data": { "size": "1Gi" } } }), None)]
fn a_class(#[case] spec: Value, #[case] expect: Option<&str>) {
    let object = |spec: &Value| {
        let typed: ClusterClass = serde_json::from_value(json!({
            "apiVersion": "berth.dev/v1alpha1", "kind": "ClusterClass", "metadata": { "name": "standard" }, "spec": spec,
        }))
        .expect("the types accept it");
        serde_json::to_value(typed).expect("it is JSON")
    };
    let old = object(&json!({ "storage": { "data": { "size": "2Gi" } } }));
    check(&said("ClusterClass", &object(&spec), Some(&old)), expect);
}

#[test]
fn no_rule_is_without_a_message_and_no_field_takes_a_null() {
    fn walk(path: &str, schema: &Value) {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            assert!(
                rule["message"].as_str().is_some_and(|m| m.len() > 20 && !m.contains('\n')),
                "{path}: {rule}"
            );
        }
        assert!(schema["nullable"].is_null(), "{path} takes a null");
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            walk(&format!("{path}.{name}"), field);
        }
        if schema["items"].is_object() {
            walk(&format!("{path}[]"), &schema["items"]);
        }
    }
    for kind in ["DatabaseCluster", "ClusterClass"] {
        walk(kind, &schema(kind));
    }
}

#[test]
fn the_schema_fills_in_nothing_that_a_class_may_set() {
    let schema = schema("DatabaseCluster");
    let spec = schema["properties"]["spec"]["properties"].as_object().expect("a spec");
    let defaulted: Vec<&str> =
        spec.iter().filter(|(_, field)| !field["default"].is_null()).map(|(name, _)| name.as_str()).collect();
    assert_eq!(defaulted, ["access", "bootstrap", "state"]);
}

#[test]
fn a_setting_of_ours_is_refused_in_any_case_by_the_types() {
    assert!(Postgres::refusal("FSYNC").is_some_and(|why| why.contains("remove fsync")));
    assert_eq!(Postgres::refusal("work_mem"), None);
}
