//! Steps on pods.

use super::{StepError, Work};
use crate::build;
use crate::cache::{Child, SlimPod};
use crate::kubernetes::{Refusal, Version};
use berth_api::names;
use berth_core::plan::DeletePod;
use berth_core::topology::Identity;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Resource};
use serde_json::json;

impl Work<'_> {
    fn pods(&self) -> Api<SlimPod> {
        Api::namespaced(self.operator.kubernetes.client().clone(), self.owner.cluster.namespace.as_str())
    }

    /// Makes a pod. One of that name that is ours already is taken as made; any other is left alone.
    pub(super) async fn create_pod(&self, identity: &Identity) -> Result<(), StepError> {
        let name = identity.member.as_str();
        let rendering = self.rendering.ok_or_else(|| StepError::Unrendered(format!("pod {name}")))?;
        let pod = build::pod(&self.owner, identity, rendering, &self.operator.told);
        let kubernetes = &self.operator.kubernetes;
        let api = Api::<Pod>::namespaced(kubernetes.client().clone(), self.owner.cluster.namespace.as_str());
        match kubernetes.create(api, &pod).await {
            Ok(_) => {}
            Err(failure) if failure.is(Refusal::AlreadyExists) => {}
            Err(failure) => return Err(failure.into()),
        }
        let Some(found) = kubernetes.get(self.pods(), name).await? else {
            return Err(StepError::Void(format!("pod {name} went while it was made")));
        };
        if found.kept().and_then(|pod| pod.owner).as_ref() != Some(&self.owner.uid) {
            return Err(StepError::Foreign { kind: "pod", name: name.to_owned() });
        }
        self.operator.caches.pods.wrote(&found);
        Ok(())
    }

    /// Deletes a pod, if by live reads it is still the one that was decided upon, in the term that was.
    pub(super) async fn delete_pod(&self, delete: &DeletePod) -> Result<(), StepError> {
        let DeletePod { name, uid, resource_version, term, why: _ } = delete;
        self.same_pod(name, uid, resource_version).await?;
        let rule = self.operator.topology.read(&self.owner.uid).await?.rule.map(|stored| stored.value);
        if rule.as_ref().map(|rule| rule.term) != *term {
            return Err(StepError::Void(format!("the term changed since pod {name} was to be deleted")));
        }
        let version = Version { uid: uid.clone(), resource_version: resource_version.clone() };
        if let Some(pod) = self.operator.kubernetes.delete(self.pods(), name, &version).await? {
            self.operator.caches.pods.wrote(&pod);
        }
        Ok(())
    }

    /// Takes our finalizer off exactly this version of a pod.
    pub(super) async fn release_pod(
        &self,
        name: &str,
        uid: &str,
        resource_version: &str,
    ) -> Result<(), StepError> {
        let pod = self.same_pod(name, uid, resource_version).await?;
        let mut finalizers = pod.meta().finalizers.clone().unwrap_or_default();
        finalizers.retain(|finalizer| finalizer != names::PROCESS_ENDED);
        let patch =
            json!({"metadata": {"uid": uid, "resourceVersion": resource_version, "finalizers": finalizers}});
        match self.operator.kubernetes.merge(self.pods(), name, &patch).await {
            Ok(pod) => {
                self.operator.caches.pods.wrote(&pod);
                Ok(())
            }
            Err(failure) if failure.is(Refusal::NotFound) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }

    /// The pod by a live read, if it is ours and this very version.
    async fn same_pod(&self, name: &str, uid: &str, resource_version: &str) -> Result<SlimPod, StepError> {
        let Some(pod) = self.operator.kubernetes.get(self.pods(), name).await? else {
            return Err(StepError::Void(format!("pod {name} is gone")));
        };
        if pod.kept().and_then(|pod| pod.owner).as_ref() != Some(&self.owner.uid) {
            return Err(StepError::Foreign { kind: "pod", name: name.to_owned() });
        }
        let same = pod.meta().uid.as_deref() == Some(uid)
            && pod.meta().resource_version.as_deref() == Some(resource_version);
        if same {
            Ok(pod)
        } else {
            self.operator.caches.pods.seen(&pod);
            Err(StepError::Void(format!("pod {name} changed since it was observed")))
        }
    }
}
