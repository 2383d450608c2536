//! The whole loop against an API and a topology in memory.

use super::*;
use crate::pki::authority::KeyAndCertificate;
use crate::testing::{FakeApi, authority, operator};
use berth_core::disk::Space;
use berth_core::plan::Awaited;
use berth_core::term::{Term, Timeline};
use berth_core::topology::{Admission, Phase, Route, Rule};
use berth_topology::{Memory as Store, Topology};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const CLUSTER: &str = "/apis/berth.dev/v1alpha1/namespaces/shop/databaseclusters/orders";
const PODS: &str = "/api/v1/namespaces/shop/pods";

/// A world with one cluster in it.
struct World {
    api: FakeApi,
    store: Store,
    authority: KeyAndCertificate,
}

impl World {
    fn with(spec: &Value) -> Self {
        let world = Self { api: FakeApi::default(), store: Store::new(), authority: authority() };
        world.api.put(
            "/apis/storage.k8s.io/v1/storageclasses/local",
            json!({"metadata": {"name": "local", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}, "provisioner": "p"}),
        );
        world.api.put(
            CLUSTER,
            json!({
                "apiVersion": "berth.dev/v1alpha1", "kind": "DatabaseCluster",
                "metadata": {"name": "orders", "namespace": "shop", "generation": 1, "uid": "c0ffee"},
                "spec": spec,
            }),
        );
        world
    }

    fn of(members: u32) -> Self {
        Self::with(&json!({
            "engine": {"postgres": {"version": "17"}}, "members": members,
            "storage": {"data": {"size": "1Gi"}},
        }))
    }

    /// A new operator reconciles once.
    async fn reconcile(&self) -> Arc<Operator> {
        let operator = operator(&self.api, &self.store, &self.authority).await;
        self.again(&operator).await;
        operator
    }

    /// The same operator reconciles once more.
    async fn again(&self, operator: &Arc<Operator>) -> Action {
        let Some(object) = self.api.get(CLUSTER) else { return Action::await_change() };
        let guarded: DeserializeGuard<DatabaseCluster> = serde_json::from_value(object).unwrap();
        operator.reconcile(&guarded).await
    }

    /// A person changes the spec.
    fn change(&self, change: impl FnOnce(&mut Value)) {
        let mut object = self.api.get(CLUSTER).unwrap();
        change(&mut object["spec"]);
        object["metadata"]["generation"] = json!(object["metadata"]["generation"].as_i64().unwrap() + 1);
        self.api.put(CLUSTER, object);
    }

    fn status(&self) -> DatabaseClusterStatus {
        serde_json::from_value(self.api.get(CLUSTER).unwrap()["status"].clone()).unwrap()
    }

    /// The members do their part: the granted one makes the database and serves.
    async fn serve(&self) {
        let uid = berth_core::ClusterUid::new("c0ffee").unwrap();
        let topology = self.store.topology();
        let intent = topology.read(&uid).await.unwrap().intent.unwrap().value;
        let grant = intent.grant.unwrap();
        let rule = Rule {
            term: Term(1),
            phase: Phase::Serving,
            primary: grant.to,
            coordinator: None,
            timeline: Timeline(1),
            branched: None,
            voters: BTreeSet::new(),
            acks: 0,
            grants: 0,
            proposal: None,
            cause: None,
            loss: None,
            rebuild: None,
            switched: None,
            system: Some("1".to_owned()),
            grant: grant.nonce,
        };
        let route = Route {
            cluster: intent.cluster,
            term: Term(1),
            phase: Phase::Serving,
            admission: Admission::Closed,
            primary: None,
            replicas: Vec::new(),
            space: Space::Ample,
        };
        topology.swap_rule(&uid, &rule, &route, None).await.unwrap();
    }

    /// What there is, without what differs between runs by chance.
    fn normalised(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for plural in ["pods", "persistentvolumeclaims", "poddisruptionbudgets", "secrets"] {
            counts.insert(plural.to_owned(), self.api.children(plural).len());
        }
        counts
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_leads_to_the_first_pod_alone_in_one_reconcile() {
    let world = World::of(3);
    world.reconcile().await;
    assert_eq!(
        world.normalised(),
        BTreeMap::from([
            ("pods".into(), 1),
            ("persistentvolumeclaims".into(), 3),
            ("poddisruptionbudgets".into(), 1),
            ("secrets".into(), 3)
        ])
    );
    let object = world.api.get(CLUSTER).unwrap();
    assert_eq!(object["metadata"]["annotations"]["berth.dev/member-counter"], json!("3"));
    let grant: Value = serde_json::from_str(
        object["metadata"]["annotations"]["berth.dev/bootstrap-grant"].as_str().unwrap(),
    )
    .unwrap();
    assert_eq!(world.api.children("pods")[0]["metadata"]["name"], grant["member"]);
    assert_eq!(world.status().phase, Some(berth_api::StatusPhase::Creating));
}

#[tokio::test(start_paused = true)]
async fn all_other_pods_are_made_in_one_reconcile_once_the_primary_serves() {
    let world = World::of(3);
    world.reconcile().await;
    world.serve().await;
    world.reconcile().await;
    assert_eq!(world.api.children("pods").len(), 3);
    assert_eq!(world.status().term, Some(1));
}

#[tokio::test(start_paused = true)]
async fn the_disruption_budget_follows_the_number_of_members() {
    let world = World::of(3);
    let budget = || world.api.children("poddisruptionbudgets")[0]["spec"]["minAvailable"].clone();
    let operator = world.reconcile().await;
    assert_eq!(budget(), json!(2));
    world.change(|spec| spec["members"] = json!(1));
    world.again(&operator).await;
    assert_eq!(budget(), json!(0), "a single member may be evicted");
}

#[tokio::test(start_paused = true)]
async fn a_switchover_is_told_to_the_members_and_what_became_of_it_to_people() {
    let world = World::of(3);
    world.reconcile().await;
    world.serve().await;
    let operator = world.reconcile().await;
    world.change(|spec| spec["failover"] = json!({"switchover": {"request": "noon"}}));
    world.again(&operator).await;
    let records = world.store.topology().read(&berth_core::ClusterUid::new("c0ffee").unwrap()).await.unwrap();
    let asked = records.intent.unwrap().value.switchover.unwrap();
    assert_eq!((asked.nonce.as_str(), asked.to), ("noon", None));
    let told = world.status().switchover.unwrap();
    assert_eq!((told.request.as_str(), told.state), ("noon", berth_api::SwitchoverState::Asked));
    world.change(|spec| spec["failover"]["switchover"]["to"] = json!("orders-zzzzz"));
    world.again(&operator).await;
    assert_eq!(world.status().switchover.unwrap().state, berth_api::SwitchoverState::Refused);
    assert_eq!(world.status().blocked.last().unwrap().reason, "SwitchoverRefused");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_at_rest_makes_no_call() {
    let world = World::of(3);
    world.reconcile().await;
    world.serve().await;
    let operator = world.reconcile().await;
    world.again(&operator).await;
    let effects = world.api.effects();
    world.api.break_after(Some(0));
    world.again(&operator).await;
    assert_eq!(world.api.effects(), effects);
    assert_eq!(operator.memories.take("c0ffee").failures, 0, "a call was made, and failed");
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_dies_after_any_effect_is_followed_by_one_that_ends_the_same() {
    let undisturbed = World::of(3);
    undisturbed.reconcile().await;
    undisturbed.serve().await;
    undisturbed.reconcile().await;
    let effects = undisturbed.api.effects().len();
    assert!(effects > 12, "{effects}");
    for dies_after in 0..effects {
        let world = World::of(3);
        world.api.break_after(Some(dies_after));
        world.reconcile().await;
        world.api.break_after(None);
        world.reconcile().await;
        world.serve().await;
        world.reconcile().await;
        assert_eq!(world.normalised(), undisturbed.normalised(), "after {dies_after} effects");
        let counter = &world.api.get(CLUSTER).unwrap()["metadata"]["annotations"]["berth.dev/member-counter"];
        assert!(counter.as_str().unwrap().parse::<u32>().unwrap() >= 3, "after {dies_after} effects");
    }
}

#[tokio::test(start_paused = true)]
async fn a_foreign_pod_is_reported_and_not_touched() {
    let world = World::of(1);
    world.api.refuse("POST /api/v1/namespaces/shop/pods", 403, "exceeded quota: small");
    let operator = world.reconcile().await;
    assert_eq!(world.status().blocked[0].reason, "QuotaExceeded");
    assert!(world.status().blocked[0].unblock.contains("ResourceQuota"));
    let name =
        world.api.get(CLUSTER).unwrap()["metadata"]["annotations"]["berth.dev/bootstrap-grant"].clone();
    let name =
        serde_json::from_str::<Value>(name.as_str().unwrap()).unwrap()["member"].as_str().unwrap().to_owned();
    let path = format!("{PODS}/{name}");
    world.api.accept_all();
    let foreign = world.api.put(&path, json!({"metadata": {"name": name, "namespace": "shop"}}));
    world.again(&operator).await;
    assert_eq!(world.status().blocked[0].reason, "NameTaken");
    assert_eq!(world.api.get(&path), Some(foreign));
}

#[tokio::test(start_paused = true)]
async fn a_wait_keeps_its_beginning_and_ends_with_its_cause() {
    let world = World::of(1);
    world.api.refuse("POST /api/v1/namespaces/shop/pods", 403, "violates PodSecurity \"restricted:latest\"");
    let operator = world.reconcile().await;
    let since = world.status().blocked[0].since.clone();
    world.again(&operator).await;
    assert_eq!(world.status().blocked[0].since, since);
    assert_eq!(world.status().phase, Some(berth_api::StatusPhase::Blocked));
    world.api.accept_all();
    world.again(&operator).await;
    assert_eq!(world.status().blocked, []);
    assert_eq!(world.api.children("pods").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_invalid_spec_is_reported_and_makes_nothing() {
    let world = World::with(
        &json!({"class": "nowhere", "engine": {"postgres": {"version": "17"}}, "storage": {"data": {"size": "1Gi"}}}),
    );
    world.reconcile().await;
    assert_eq!(world.normalised().values().sum::<usize>(), 0);
    assert_eq!(world.status().phase, Some(berth_api::StatusPhase::Invalid));
    assert!(world.status().blocked[0].on.contains("nowhere"));
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_read_is_told_so_once() {
    let world = World::with(&json!({"engine": "postgres"}));
    let operator = world.reconcile().await;
    assert_eq!(world.status().phase, Some(berth_api::StatusPhase::Invalid));
    let effects = world.api.effects().len();
    world.again(&operator).await;
    assert_eq!(world.api.effects().len(), effects);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_cluster_leaves_its_claims_and_nothing_else_of_ours() {
    let world = World::of(1);
    world.reconcile().await;
    world.serve().await;
    let mut object = world.api.get(CLUSTER).unwrap();
    object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    world.api.put(CLUSTER, object);
    world.reconcile().await;
    // Its pod was never bound to a node, so that its processes are known never to have run.
    world.reconcile().await;
    world.reconcile().await;
    assert_eq!(world.api.get(CLUSTER), None);
    assert_eq!(world.api.children("pods").len(), 0);
    let claims = world.api.children("persistentvolumeclaims");
    assert_eq!(claims.len(), 1);
    assert!(claims[0]["metadata"]["annotations"]["berth.dev/retired"].is_string());
    let uid = berth_core::ClusterUid::new("c0ffee").unwrap();
    assert!(world.store.topology().read(&uid).await.unwrap().rule.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_users_password_is_taken_over_and_a_changed_one_too() {
    let world = World::with(&json!({
        "engine": {"postgres": {"version": "17"}}, "members": 1, "storage": {"data": {"size": "1Gi"}},
        "access": {"ownerSecret": "mine"},
    }));
    let secret = "/api/v1/namespaces/shop/secrets/mine";
    let operator = world.reconcile().await;
    assert_eq!(world.status().blocked[0].reason, "OwnerSecretMissing");
    assert_eq!(world.api.children("pods").len(), 0);
    let with = |password: &str| {
        use base64::Engine as _;
        let data = base64::engine::general_purpose::STANDARD.encode(password);
        json!({"metadata": {"name": "mine", "namespace": "shop"}, "data": {"password": data}})
    };
    let verifier = || {
        let secret = world.api.get("/api/v1/namespaces/shop/secrets/orders-access").unwrap();
        let secret: k8s_openapi::api::core::v1::Secret = serde_json::from_value(secret).unwrap();
        crate::pki::secrets::text(&secret, "owner.verifier")
    };
    world.api.put(secret, with("first"));
    world.again(&operator).await;
    let first = verifier();
    assert!(crate::verifier::is_of(&first, "first"));
    assert_eq!(world.api.children("pods").len(), 1);
    world.api.put(secret, with("second"));
    // Longer than Secrets are believed, and shorter than the caches expect to be confirmed by a watch, which there is none of here.
    tokio::time::advance(std::time::Duration::from_secs(25)).await;
    world.again(&operator).await;
    assert!(crate::verifier::is_of(&verifier(), "second"));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_grant_stops_all_work() {
    let world = World::of(1);
    let mut object = world.api.get(CLUSTER).unwrap();
    object["metadata"]["annotations"] = json!({"berth.dev/bootstrap-grant": "{"});
    world.api.put(CLUSTER, object);
    world.reconcile().await;
    assert_eq!(world.normalised().values().sum::<usize>(), 0);
    assert!(world.status().conditions[0].message.contains("bootstrap-grant"));
}

#[tokio::test(start_paused = true)]
async fn the_report_is_there_for_the_admin_page() {
    let world = World::of(1);
    let operator = world.reconcile().await;
    let reports = operator.reports.all();
    let report = reports.values().next().unwrap();
    assert!(report.waiting.iter().any(|waiting| matches!(waiting.on, Awaited::Member { .. })), "{report:?}");
}
