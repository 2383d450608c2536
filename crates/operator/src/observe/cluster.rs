//! The cluster's own object. Its annotations are promises of ours; one that cannot be read stops all work on the cluster, because taking it for absent
//! could give a second grant or use an id twice.

use berth_api::{DatabaseCluster, names};
use berth_core::plan::Cluster;
use berth_core::term::Generation;
use berth_core::{ClusterName, ClusterRef, ClusterUid, Namespace};

/// What of an object cannot be read, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Damaged(pub(crate) String);

/// Reads the object.
pub(crate) fn cluster(object: &DatabaseCluster) -> Result<Cluster, Damaged> {
    let meta = &object.metadata;
    let missing = |what: &str| Damaged(format!("the object has no {what}"));
    let name = ClusterRef {
        namespace: Namespace::new(meta.namespace.clone().ok_or_else(|| missing("namespace"))?)
            .map_err(|invalid| damaged(&invalid))?,
        name: ClusterName::new(meta.name.clone().ok_or_else(|| missing("name"))?)
            .map_err(|invalid| damaged(&invalid))?,
    };
    let annotation = |key: &str| meta.annotations.as_ref().and_then(|all| all.get(key));
    let counter = match annotation(names::MEMBER_COUNTER) {
        None => 0,
        Some(text) => text.parse().map_err(|_| unreadable(names::MEMBER_COUNTER))?,
    };
    let grant = match annotation(names::BOOTSTRAP_GRANT) {
        None => None,
        Some(text) => Some(serde_json::from_str(text).map_err(|_| unreadable(names::BOOTSTRAP_GRANT))?),
    };
    Ok(Cluster {
        name,
        uid: ClusterUid::new(meta.uid.clone().ok_or_else(|| missing("uid"))?)
            .map_err(|invalid| damaged(&invalid))?,
        resource_version: meta.resource_version.clone().ok_or_else(|| missing("resourceVersion"))?,
        generation: Generation(meta.generation.unwrap_or(0)),
        counter,
        grant,
        bootstrapped: annotation(names::BOOTSTRAPPED).is_some(),
        finalizer: meta.finalizers.iter().flatten().any(|finalizer| finalizer == names::TOPOLOGY),
        deleting: meta.deletion_timestamp.is_some(),
    })
}

fn damaged(invalid: &berth_core::ids::InvalidId) -> Damaged {
    Damaged(invalid.to_string())
}

fn unreadable(annotation: &str) -> Damaged {
    Damaged(format!(
        "the annotation {annotation} cannot be read; it was written by Berth and changed by somebody else: restore it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn object(annotations: &Value) -> DatabaseCluster {
        serde_json::from_value(json!({
            "apiVersion": "berth.dev/v1alpha1", "kind": "DatabaseCluster",
            "metadata": {"name": "orders", "namespace": "shop", "uid": "c1", "resourceVersion": "5", "generation": 2,
                "annotations": annotations, "finalizers": ["berth.dev/topology"]},
            "spec": {"engine": {"postgres": {"version": "17"}}},
        }))
        .unwrap()
    }

    #[test]
    fn what_was_noted_is_read_back() {
        let grant = json!({"member": "orders-7k2qd", "claim": "u1", "nonce": "n1"}).to_string();
        let read =
            cluster(&object(&json!({"berth.dev/member-counter": "3", "berth.dev/bootstrap-grant": grant})))
                .unwrap();
        assert_eq!(
            (read.counter, read.generation, read.finalizer, read.bootstrapped),
            (3, Generation(2), true, false)
        );
        assert_eq!(read.grant.unwrap().nonce.as_str(), "n1");
        assert_eq!(cluster(&object(&json!({}))).unwrap().counter, 0);
    }

    #[test]
    fn a_damaged_promise_is_never_taken_for_an_absent_one() {
        for annotations in
            [json!({"berth.dev/member-counter": "three"}), json!({"berth.dev/bootstrap-grant": "{}"})]
        {
            assert!(cluster(&object(&annotations)).is_err());
        }
    }
}
