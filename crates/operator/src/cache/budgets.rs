//! A disruption budget, as far as the planner needs it. Its status, which changes with every pod, is not read.

use super::meta;
use super::slim::{Slim, View};
use berth_core::ClusterUid;
use berth_core::plan::Budget as Planned;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// A budget as the watch reads it.
pub(crate) type SlimBudget = Slim<BudgetView>;

/// What is kept of a budget.
#[derive(Debug, Clone)]
pub(crate) enum BudgetView {}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Spec {
    min_available: Option<IntOrString>,
}

impl View for BudgetView {
    type Kind = PodDisruptionBudget;
    type Spec = Spec;
    type Status = Option<IgnoredAny>;
    type Kept = Planned;

    fn keep(meta: &ObjectMeta, spec: Spec, _: Option<IgnoredAny>) -> Option<Planned> {
        Some(Planned {
            uid: meta.uid.clone()?,
            owner: meta::controller(meta).and_then(|uid| ClusterUid::new(uid).ok()),
            min_available: match spec.min_available {
                Some(IntOrString::Int(number)) => u32::try_from(number).ok(),
                Some(IntOrString::String(_)) | None => None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::index::Child;
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    #[rstest]
    #[case::a_number(json!({"minAvailable": 2}), Some(2))]
    #[case::a_share(json!({"minAvailable": "50%"}), None)]
    #[case::the_other_way_round(json!({"maxUnavailable": 1}), None)]
    fn only_a_number_is_a_number(#[case] spec: Value, #[case] expect: Option<u32>) {
        let budget: SlimBudget = serde_json::from_value(json!({
            "metadata": {"name": "orders-members", "namespace": "shop", "uid": "b1", "resourceVersion": "3",
                "ownerReferences": [{"apiVersion": "berth.dev/v1alpha1", "kind": "DatabaseCluster", "name": "orders", "uid": "c1", "controller": true}]},
            "spec": spec,
            "status": {"currentHealthy": 3},
        }))
        .unwrap();
        let kept = budget.kept().unwrap();
        assert_eq!((kept.min_available, kept.owner.unwrap().as_str()), (expect, "c1"));
    }
}
