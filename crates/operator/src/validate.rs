//! From the API to the planner's terms: fills in the class and the defaults, and checks what no schema can.
//!
//! The one place where `berth-api` and `berth-core` meet on the way in. What comes out is checked once and for all: building
//! objects from it cannot fail.

mod fill;

use crate::quantity;
use berth_api::{
    AcceptLoss, ClassStatus, ClusterClass, DatabaseCluster, DurabilityMode, Effective, OnLoss,
    RebuildTopology, Spread, State, Switchover,
};
use berth_core::plan::{Desired, LossWord, Problem, RebuildWord, Request, Size, Wish};
use berth_core::topology::{self, Access, EngineKind};
use fill::Filled;
use k8s_openapi::api::core::v1::{Affinity, Toleration};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A spec after validation: what the planner wants, and what objects are built from.
#[derive(Debug, Clone)]
pub(crate) struct Validated {
    /// For the planner.
    pub(crate) wish: Wish,
    /// For building objects; present exactly if the wish is valid.
    pub(crate) rendering: Option<Rendering>,
    /// For the status: what applies.
    pub(crate) effective: Option<Effective>,
    /// For the status: the class that applies.
    pub(crate) class: Option<ClassStatus>,
}

/// What a member's pod and claim are built from. A change of it is a new revision, except for the volume's part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rendering {
    /// The image of the database.
    pub(crate) image: String,
    /// What the scheduler reserves.
    pub(crate) requests: BTreeMap<String, Quantity>,
    /// What the container may not exceed.
    pub(crate) limits: BTreeMap<String, Quantity>,
    /// Labels that a node must have.
    pub(crate) node_selector: BTreeMap<String, String>,
    /// Taints that are tolerated.
    pub(crate) tolerations: Vec<Toleration>,
    /// Affinity as Kubernetes has it.
    pub(crate) affinity: Option<Affinity>,
    /// How members keep apart.
    pub(crate) spread: Spread,
    /// The revision of all above.
    pub(crate) revision: String,
    /// The size of the data volume, as it was written.
    pub(crate) size: String,
    /// Its storage class; the default class if none.
    pub(crate) storage_class: Option<String>,
}

/// Validates a cluster against its class. `class` is what was found of the class that the cluster names.
pub(crate) fn validate(cluster: &DatabaseCluster, class: Option<&ClusterClass>) -> Validated {
    let spec = &cluster.spec;
    let mut problems = Vec::new();
    if let (Some(name), None) = (&spec.class, class) {
        problems.push(Problem::new(
            "spec.class",
            format!("make the ClusterClass {name}, or name one that exists (kubectl get clusterclasses)"),
        ));
    }
    let filled = Filled::of(spec, class, &mut problems);
    let class_status = spec.class.as_ref().map(|name| ClassStatus {
        name: name.clone(),
        generation: class.and_then(|class| class.metadata.generation),
    });
    let Some(filled) = filled.filter(|_| problems.is_empty()) else {
        return Validated {
            wish: Wish::Invalid(problems),
            rendering: None,
            effective: None,
            class: class_status,
        };
    };
    let effective = effective(&filled);
    let (mut desired, rendering) = split(filled, spec.state == State::Paused, &spec.access);
    let asked = spec.failover.as_ref().and_then(|failover| failover.switchover.as_ref());
    desired.switchover =
        asked.map(|Switchover { request, to }| Request { token: request.clone(), to: to.clone() });
    let accepted = spec.failover.as_ref().and_then(|failover| failover.accept_loss.as_ref());
    desired.accept_loss =
        accepted.map(|AcceptLoss { term, member }| LossWord { term: *term, member: member.clone() });
    let rebuild = spec.failover.as_ref().and_then(|failover| failover.rebuild_topology.as_ref());
    desired.rebuild = rebuild.map(|RebuildTopology { request, without }| RebuildWord {
        token: request.clone(),
        without: without.clone(),
    });
    let wish = desired.checked();
    let valid = matches!(wish, Wish::Valid(_));
    Validated {
        wish,
        rendering: valid.then_some(rendering),
        effective: valid.then_some(effective),
        class: class_status,
    }
}

fn split(filled: Filled, paused: bool, access: &berth_api::Access) -> (Desired, Rendering) {
    let Filled {
        version: _,
        image,
        parameters,
        members,
        mode,
        acks,
        on_loss,
        size,
        storage_class,
        resources,
        placement,
    } = filled;
    let spread = placement.spread.unwrap_or_default();
    let mut rendering = Rendering {
        image,
        requests: resources.requests,
        limits: resources.limits,
        node_selector: placement.node_selector,
        tolerations: placement.tolerations,
        affinity: placement.affinity,
        spread,
        revision: String::new(),
        size: size.text.clone(),
        storage_class,
    };
    rendering.revision = revision(&rendering);
    let desired = Desired {
        members,
        durability: topology::Durability {
            mode: match mode {
                DurabilityMode::Quorum => topology::DurabilityMode::Quorum,
                DurabilityMode::Async => topology::DurabilityMode::Async,
                DurabilityMode::All => topology::DurabilityMode::All,
            },
            acks,
            on_loss: match on_loss {
                OnLoss::Block => topology::OnLoss::Block,
                OnLoss::Degrade => topology::OnLoss::Degrade,
            },
        },
        engine: EngineKind::Postgres,
        parameters,
        access: Access { database: access.database.clone(), owner: access.owner.clone() },
        size,
        revision: rendering.revision.clone(),
        paused,
        switchover: None,
        accept_loss: None,
        rebuild: None,
    };
    (desired, rendering)
}

/// A short hash of what a pod is rendered from. The operator's own version and its agent image are not in it: an upgrade of the operator
/// changes no pod.
fn revision(rendering: &Rendering) -> String {
    let Rendering {
        image,
        requests,
        limits,
        node_selector,
        tolerations,
        affinity,
        spread,
        revision: _,
        size: _,
        storage_class: _,
    } = rendering;
    // Maps are ordered and fields have a fixed order, so that equal values give equal text.
    let value = serde_json::json!([image, requests, limits, node_selector, tolerations, affinity, spread]);
    let mut text = String::from("r-");
    for byte in Sha256::digest(value.to_string()).iter().take(5) {
        // Writing into a String cannot fail.
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

fn effective(filled: &Filled) -> Effective {
    Effective {
        engine: "PostgreSQL".to_owned(),
        version: filled.version.clone(),
        image: filled.image.clone(),
        members: filled.members,
        durability: durability(filled),
        size: filled.size.text.clone(),
        storage_class: filled.storage_class.clone(),
    }
}

fn durability(filled: &Filled) -> String {
    let degrade = match filled.on_loss {
        OnLoss::Block => "",
        OnLoss::Degrade => ", onLoss Degrade",
    };
    match filled.mode {
        DurabilityMode::Quorum if filled.members == 1 => "Quorum, single member".to_owned(),
        DurabilityMode::Quorum if filled.acks == 1 => format!("Quorum, 1 acknowledgement{degrade}"),
        DurabilityMode::Quorum => format!("Quorum, {} acknowledgements{degrade}", filled.acks),
        DurabilityMode::Async => "Async".to_owned(),
        DurabilityMode::All => format!("All{degrade}"),
    }
}

/// A size that was written as a quantity.
fn size(field: &str, text: &Quantity, problems: &mut Vec<Problem>) -> Option<Size> {
    let bytes = quantity::bytes(&text.0);
    if bytes.is_none() {
        problems.push(Problem::new(field, format!("write a size such as 20Gi, not {:?}", text.0)));
    }
    bytes.map(|bytes| Size { bytes, text: text.0.clone() })
}

#[cfg(test)]
mod tests;
