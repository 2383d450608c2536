//! Steps on the disruption budget.

use super::{StepError, Work};
use crate::build;
use crate::cache::{Child, SlimBudget};
use crate::kubernetes::Refusal;
use berth_api::names;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::{Api, Resource};
use serde_json::json;

impl Work<'_> {
    fn budgets(&self) -> Api<SlimBudget> {
        Api::namespaced(self.operator.kubernetes.client().clone(), self.owner.cluster.namespace.as_str())
    }

    /// Makes the budget. One of its name that is ours already is taken as made; any other is left alone.
    pub(super) async fn create_budget(&self, min_available: u32) -> Result<(), StepError> {
        let name = names::budget(self.owner.cluster.name.as_str());
        let budget = build::budget(&self.owner, min_available);
        let kubernetes = &self.operator.kubernetes;
        let api = Api::<PodDisruptionBudget>::namespaced(
            kubernetes.client().clone(),
            self.owner.cluster.namespace.as_str(),
        );
        match kubernetes.create(api, &budget).await {
            Ok(_) => {}
            Err(failure) if failure.is(Refusal::AlreadyExists) => {}
            Err(failure) => return Err(failure.into()),
        }
        let Some(found) = kubernetes.get(self.budgets(), &name).await? else {
            return Err(StepError::Void(format!("disruption budget {name} went while it was made")));
        };
        if found.kept().and_then(|budget| budget.owner).as_ref() != Some(&self.owner.uid) {
            return Err(StepError::Foreign { kind: "disruption budget", name });
        }
        self.operator.caches.budgets.wrote(&found);
        Ok(())
    }

    /// Changes the number in exactly this budget, and removes what somebody may have put in its place.
    pub(super) async fn change_budget(&self, uid: &str, min_available: u32) -> Result<(), StepError> {
        let name = names::budget(self.owner.cluster.name.as_str());
        let found = self.operator.kubernetes.get(self.budgets(), &name).await?;
        let Some(found) = found.filter(|found| found.meta().uid.as_deref() == Some(uid)) else {
            return Err(StepError::Void(format!("disruption budget {name} is gone, or another")));
        };
        let patch = json!({
            "metadata": {"uid": uid, "resourceVersion": found.meta().resource_version},
            "spec": {"minAvailable": min_available, "maxUnavailable": null},
        });
        let changed = self.operator.kubernetes.merge(self.budgets(), &name, &patch).await?;
        self.operator.caches.budgets.wrote(&changed);
        Ok(())
    }
}
