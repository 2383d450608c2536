//! Steps on the cluster's own object: notes that are made before what they are about, and the finalizer.

use super::{StepError, Work};
use crate::cache::SlimClaim;
use berth_api::{DatabaseCluster, names};
use berth_core::plan::NotedGrant;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

impl Work<'_> {
    fn clusters(&self) -> Api<DatabaseCluster> {
        Api::namespaced(self.operator.kubernetes.client().clone(), self.owner.cluster.namespace.as_str())
    }

    /// Changes metadata of exactly this version of the object.
    async fn patch(&self, resource_version: &str, mut metadata: Value) -> Result<DatabaseCluster, StepError> {
        metadata["uid"] = json!(self.owner.uid);
        metadata["resourceVersion"] = json!(resource_version);
        let name = self.owner.cluster.name.as_str();
        Ok(self.operator.kubernetes.merge(self.clusters(), name, &json!({"metadata": metadata})).await?)
    }

    async fn annotate(
        &self,
        resource_version: &str,
        key: &str,
        value: &str,
    ) -> Result<DatabaseCluster, StepError> {
        self.patch(resource_version, json!({"annotations": {key: value}})).await
    }

    pub(super) async fn add_finalizer(&self, resource_version: &str) -> Result<DatabaseCluster, StepError> {
        let mut finalizers = self.object.metadata.finalizers.clone().unwrap_or_default();
        finalizers.push(names::TOPOLOGY.to_owned());
        self.patch(resource_version, json!({"finalizers": finalizers})).await
    }

    pub(super) async fn remove_finalizer(&self, resource_version: &str) -> Result<(), StepError> {
        let mut finalizers = self.object.metadata.finalizers.clone().unwrap_or_default();
        finalizers.retain(|finalizer| finalizer != names::TOPOLOGY);
        match self.patch(resource_version, json!({"finalizers": finalizers})).await {
            Ok(_) => Ok(()),
            // Gone is what it was for.
            Err(StepError::Call(error)) if error.is(crate::kubernetes::Refusal::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Ids are allocated after a live list: a claim that the cache has not seen yet must not be allocated twice.
    pub(super) async fn note_counter(
        &self,
        counter: u64,
        resource_version: &str,
    ) -> Result<DatabaseCluster, StepError> {
        let kubernetes = &self.operator.kubernetes;
        let api =
            Api::<SlimClaim>::namespaced(kubernetes.client().clone(), self.owner.cluster.namespace.as_str());
        let ours = ListParams::default().labels(&format!("{}={}", names::CLUSTER_UID, self.owner.uid));
        let unknown = kubernetes
            .list(api, &ours)
            .await?
            .iter()
            .filter(|claim| self.operator.caches.claims.seen(*claim).is_some())
            .count();
        if unknown > 0 {
            return Err(StepError::Void(format!("{unknown} claims are not as the cache had them")));
        }
        self.annotate(resource_version, names::MEMBER_COUNTER, &counter.to_string()).await
    }

    pub(super) async fn note_grant(
        &self,
        grant: &NotedGrant,
        resource_version: &str,
    ) -> Result<DatabaseCluster, StepError> {
        let text = json!(grant).to_string();
        self.annotate(resource_version, names::BOOTSTRAP_GRANT, &text).await
    }

    pub(super) async fn note_bootstrapped(
        &self,
        resource_version: &str,
    ) -> Result<DatabaseCluster, StepError> {
        self.annotate(resource_version, names::BOOTSTRAPPED, &self.now.to_string()).await
    }
}
