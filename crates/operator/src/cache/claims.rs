//! A claim, as far as the planner needs it.

use super::meta;
use super::slim::{Slim, View};
use berth_api::names;
use berth_core::plan::{Claim as Planned, Time, Volume};
use berth_core::{ClaimUid, ClusterUid, MemberId, Nonce};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;

/// A claim as the watch reads it.
pub(crate) type SlimClaim = Slim<ClaimView>;

/// What is kept of a claim.
#[derive(Debug, Clone)]
pub(crate) enum ClaimView {}

/// A claim as the index keeps it. Whether its volume is retained is not in it: that is the volume's to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CachedClaim {
    /// What the planner sees.
    pub(crate) claim: Planned,
    /// The storage class that it names.
    pub(crate) class: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Spec {
    volume_name: Option<String>,
    storage_class_name: Option<String>,
    resources: Resources,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resources {
    requests: Requests,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Requests {
    storage: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    phase: Option<String>,
}

impl View for ClaimView {
    type Kind = PersistentVolumeClaim;
    type Spec = Spec;
    type Status = Status;
    type Kept = CachedClaim;

    fn keep(meta: &ObjectMeta, spec: Spec, status: Status) -> Option<CachedClaim> {
        let bound = status.phase.as_deref() == Some("Bound");
        let requested =
            spec.resources.requests.storage.as_deref().and_then(crate::quantity::bytes).unwrap_or(0);
        Some(CachedClaim {
            class: spec.storage_class_name,
            claim: Planned {
                name: meta.name.clone()?,
                uid: ClaimUid::new(meta.uid.clone()?).ok()?,
                resource_version: meta.resource_version.clone()?,
                cluster: meta::label(meta, names::CLUSTER_UID).and_then(|uid| ClusterUid::new(uid).ok()),
                member: meta::label(meta, names::MEMBER).and_then(|id| MemberId::new(id).ok()),
                created: meta::created(meta),
                // A mark that cannot be read is a mark: a retired claim must not become a member by a typing error.
                retired: meta::annotation(meta, names::RETIRED)
                    .map(|text| Time(text.parse::<Timestamp>().map_or(0, Timestamp::as_second))),
                grant: meta::annotation(meta, names::BOOTSTRAP_GRANT)
                    .and_then(|nonce| Nonce::new(nonce).ok()),
                deleting: meta.deletion_timestamp.is_some(),
                requested,
                volume: spec
                    .volume_name
                    .filter(|name| bound && !name.is_empty())
                    .map(|name| Volume { name, retained: false }),
                problem: None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::index::Child;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_claim_is_bound_only_when_it_says_so() {
        let read = |phase: &str| -> CachedClaim {
            let claim: SlimClaim = serde_json::from_value(json!({
                "metadata": {"name": "orders-7k2qd-data", "namespace": "shop", "uid": "u1", "resourceVersion": "3",
                    "labels": {"berth.dev/member": "orders-7k2qd", "berth.dev/cluster-uid": "c1", "berth.dev/cluster": "orders"},
                    "annotations": {"berth.dev/bootstrap-grant": "n1"}},
                "spec": {"volumeName": "pv-1", "storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}},
                "status": {"phase": phase},
            }))
            .unwrap();
            claim.kept().unwrap()
        };
        assert_eq!(read("Pending").claim.volume, None);
        let bound = read("Bound");
        assert_eq!(bound.claim.volume.unwrap().name, "pv-1");
        assert_eq!(bound.claim.requested, 1 << 30);
        assert_eq!(bound.claim.grant.unwrap().as_str(), "n1");
        assert_eq!(bound.class.as_deref(), Some("fast"));
    }

    #[test]
    fn an_unreadable_mark_of_retirement_still_retires() {
        let claim: SlimClaim = serde_json::from_value(json!({
            "metadata": {"name": "a", "uid": "u", "resourceVersion": "1", "annotations": {"berth.dev/retired": "yesterday"}},
        }))
        .unwrap();
        assert_eq!(claim.kept().unwrap().claim.retired, Some(Time(0)));
    }
}
