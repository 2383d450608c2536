//! The spec with its class and the defaults filled in, and held against the class's bounds.

use super::size;
use berth_api::{
    ClusterClass, ClusterClassSpec, DatabaseClusterSpec, DurabilityMode, OnLoss, Placement, Postgres,
    Resources,
};
use berth_core::plan::{Problem, Size};
use std::collections::BTreeMap;

/// How many members a cluster has if nobody says.
const DEFAULT_MEMBERS: u32 = 3;
/// How many acknowledgements a commit waits for if nobody says.
const DEFAULT_ACKS: u32 = 1;
/// Where an image comes from if neither the cluster nor a class names one.
const DEFAULT_REPOSITORY: &str = "docker.io/library/postgres";

/// Every field with its value.
pub(super) struct Filled {
    pub(super) version: Option<String>,
    pub(super) image: String,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) members: u32,
    pub(super) mode: DurabilityMode,
    pub(super) acks: u32,
    pub(super) on_loss: OnLoss,
    pub(super) size: Size,
    pub(super) storage_class: Option<String>,
    pub(super) resources: Resources,
    pub(super) placement: Placement,
}

impl Filled {
    /// Fills in; none, and problems, where something is missing or out of bounds.
    pub(super) fn of(
        spec: &DatabaseClusterSpec,
        class: Option<&ClusterClass>,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let none = ClusterClassSpec::default();
        let class = class.map_or(&none, |class| &class.spec);
        let (version, image, parameters) = engine(spec, class, problems);
        let members = spec.members.or(class.members).unwrap_or(DEFAULT_MEMBERS);
        let (mode, acks, on_loss) = durability(spec, class, members);
        let (size, storage_class) = volume(spec, class, problems);
        bounds(class, members, size.as_ref(), storage_class.as_deref(), problems);
        let resources = spec.resources.clone().or_else(|| class.resources.clone()).unwrap_or_default();
        Some(Self {
            version,
            image: image?,
            parameters,
            members,
            mode,
            acks,
            on_loss,
            size: size?,
            storage_class,
            resources,
            placement: placement(spec.placement.as_ref(), class.placement.as_ref()),
        })
    }
}

/// Version, image and settings.
fn engine(
    spec: &DatabaseClusterSpec,
    class: &ClusterClassSpec,
    problems: &mut Vec<Problem>,
) -> (Option<String>, Option<String>, BTreeMap<String, String>) {
    let own = spec.engine.postgres.clone().unwrap_or_default();
    let class = class.engine.as_ref().and_then(|engine| engine.postgres.clone()).unwrap_or_default();
    if spec.engine.postgres.is_none() {
        problems.push(Problem::new(
            "spec.engine",
            "name exactly one engine, such as postgres: {version: \"17\"}",
        ));
    }
    let version = own.version.or(class.version);
    let image = match (own.image, &version) {
        (Some(image), _) => Some(image),
        (None, None) => {
            problems.push(Problem::new(
                "spec.engine.postgres.version",
                "name a version, such as \"17\", here or in the class",
            ));
            None
        }
        (None, Some(version)) if class.images.is_empty() => Some(format!("{DEFAULT_REPOSITORY}:{version}")),
        (None, Some(version)) => {
            let image = class.images.get(version).cloned();
            if image.is_none() {
                let known = class.images.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                problems.push(Problem::new(
                    "spec.engine.postgres.version",
                    format!("choose a version that the class has an image for ({known}), not {version}"),
                ));
            }
            image
        }
    };
    let mut parameters = class.parameters;
    parameters.extend(own.parameters);
    let refused: Vec<String> = parameters.keys().filter_map(|name| Postgres::refusal(name)).collect();
    if !refused.is_empty() {
        problems.push(Problem::new("spec.engine.postgres.parameters", refused.join("; ")));
    }
    (version, image, parameters)
}

/// Mode, acknowledgements, and what happens without them. A cluster of one member waits for nobody, whatever a class asks of the others.
fn durability(
    spec: &DatabaseClusterSpec,
    class: &ClusterClassSpec,
    members: u32,
) -> (DurabilityMode, u32, OnLoss) {
    let own = spec.durability.clone().unwrap_or_default();
    let class = class.durability.clone().unwrap_or_default();
    let mode = own.mode.or(class.mode).unwrap_or_default();
    let acks = match mode {
        DurabilityMode::Quorum if members <= 1 => 0,
        DurabilityMode::Quorum => own.acks.or(class.acks).unwrap_or(DEFAULT_ACKS),
        DurabilityMode::Async | DurabilityMode::All => 0,
    };
    (mode, acks, own.on_loss.or(class.on_loss).unwrap_or_default())
}

fn volume(
    spec: &DatabaseClusterSpec,
    class: &ClusterClassSpec,
    problems: &mut Vec<Problem>,
) -> (Option<Size>, Option<String>) {
    let own = spec.storage.as_ref().map(|storage| storage.data.clone()).unwrap_or_default();
    let class = class.storage.as_ref().map(|storage| storage.data.clone()).unwrap_or_default();
    let text = own.size.or(class.size);
    if text.is_none() {
        problems.push(Problem::new(
            "spec.storage.data.size",
            "choose a size, such as 20Gi, here or in the class",
        ));
    }
    let size = text.and_then(|text| size("spec.storage.data.size", &text, problems));
    (size, own.class.or(class.class))
}

fn bounds(
    class: &ClusterClassSpec,
    members: u32,
    wanted: Option<&Size>,
    storage_class: Option<&str>,
    problems: &mut Vec<Problem>,
) {
    let Some(bounds) = &class.bounds else { return };
    if let Some(most) = bounds.max_members.filter(|most| members > *most) {
        problems.push(Problem::new(
            "spec.members",
            format!("choose at most {most} members, as the class allows, not {members}"),
        ));
    }
    if let (Some(most), Some(wanted)) = (&bounds.max_size, wanted)
        && let Some(most) = size("bounds.maxSize of the class", most, problems)
        && wanted.bytes > most.bytes
    {
        problems.push(Problem::new(
            "spec.storage.data.size",
            format!("choose at most {}, as the class allows, not {}", most.text, wanted.text),
        ));
    }
    let allowed = &bounds.storage_classes;
    if !allowed.is_empty() && !storage_class.is_some_and(|class| allowed.iter().any(|one| one == class)) {
        problems.push(Problem::new(
            "spec.storage.data.class",
            format!("choose one of the storage classes that the class allows: {}", allowed.join(", ")),
        ));
    }
}

/// Each field on its own: the cluster's, else the class's.
fn placement(own: Option<&Placement>, class: Option<&Placement>) -> Placement {
    let own = own.cloned().unwrap_or_default();
    let class = class.cloned().unwrap_or_default();
    let Placement { node_selector, tolerations, affinity, spread } = own;
    Placement {
        node_selector: if node_selector.is_empty() { class.node_selector } else { node_selector },
        tolerations: if tolerations.is_empty() { class.tolerations } else { tolerations },
        affinity: affinity.or(class.affinity),
        spread: spread.or(class.spread),
    }
}
