//! Steps on claims and volumes. There is none that deletes one.

use super::{StepError, Work};
use crate::build;
use crate::cache::SlimClaim;
use crate::kubernetes::Refusal;
use berth_api::names;
use berth_core::plan::Kept;
use berth_core::{ClaimUid, MemberId, Nonce};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

impl Work<'_> {
    fn claims(&self) -> Api<SlimClaim> {
        Api::namespaced(self.operator.kubernetes.client().clone(), self.owner.cluster.namespace.as_str())
    }

    /// Makes a claim. One of that name that is ours already is taken as made; any other is left alone.
    pub(super) async fn create_claim(&self, member: &MemberId, name: &str) -> Result<(), StepError> {
        let rendering = self.rendering.ok_or_else(|| StepError::Unrendered(format!("claim {name}")))?;
        let claim = build::claim(&self.owner, member, rendering);
        let kubernetes = &self.operator.kubernetes;
        let api = Api::<PersistentVolumeClaim>::namespaced(
            kubernetes.client().clone(),
            self.owner.cluster.namespace.as_str(),
        );
        match kubernetes.create(api, &claim).await {
            Ok(_) => {}
            Err(failure) if failure.is(Refusal::AlreadyExists) => {}
            Err(failure) => return Err(failure.into()),
        }
        // Read back whatever lies there now: ours, as it was made, or somebody else's.
        let Some(found) = kubernetes.get(self.claims(), name).await? else {
            return Err(StepError::Void(format!("claim {name} went while it was made")));
        };
        if found.labels().get(names::CLUSTER_UID).map(String::as_str) != Some(self.owner.uid.as_str()) {
            return Err(StepError::Foreign { kind: "claim", name: name.to_owned() });
        }
        self.operator.caches.claims.wrote(&found);
        Ok(())
    }

    /// Changes exactly this version of a claim.
    async fn patch_claim(&self, kept: &Kept, mut patch: Value) -> Result<(), StepError> {
        patch["metadata"]["uid"] = json!(kept.uid);
        patch["metadata"]["resourceVersion"] = json!(kept.resource_version);
        let claim = self.operator.kubernetes.merge(self.claims(), &kept.name, &patch).await?;
        self.operator.caches.claims.wrote(&claim);
        Ok(())
    }

    pub(super) async fn note_grant_on_claim(&self, claim: &Kept, nonce: &Nonce) -> Result<(), StepError> {
        self.patch_claim(claim, json!({"metadata": {"annotations": {names::BOOTSTRAP_GRANT: nonce}}})).await
    }

    pub(super) async fn retire_claim(&self, claim: &Kept) -> Result<(), StepError> {
        let at = self.now.to_string();
        self.patch_claim(claim, json!({"metadata": {"annotations": {names::RETIRED: at}}})).await
    }

    pub(super) async fn grow_claim(&self, claim: &Kept, size: &str) -> Result<(), StepError> {
        self.patch_claim(
            claim,
            json!({"metadata": {}, "spec": {"resources": {"requests": {"storage": size}}}}),
        )
        .await
    }

    /// Lets a volume outlive its claim, if it is still bound to that one.
    pub(super) async fn retain_volume(&self, volume: &str, claim: &ClaimUid) -> Result<(), StepError> {
        let kubernetes = &self.operator.kubernetes;
        let api = || Api::<PersistentVolume>::all(kubernetes.client().clone());
        let Some(found) = kubernetes.get(api(), volume).await? else {
            return Err(StepError::Void(format!("volume {volume} is gone")));
        };
        let bound = found
            .spec
            .as_ref()
            .and_then(|spec| spec.claim_ref.as_ref())
            .and_then(|claim| claim.uid.as_deref());
        if bound != Some(claim.as_str()) {
            return Err(StepError::Void(format!("volume {volume} is bound to another claim")));
        }
        let patch = json!({
            "metadata": {"uid": found.metadata.uid, "resourceVersion": found.metadata.resource_version},
            "spec": {"persistentVolumeReclaimPolicy": "Retain"},
        });
        kubernetes.merge(api(), volume, &patch).await?;
        Ok(())
    }
}
