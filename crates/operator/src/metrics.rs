//! What the operator counts.

use berth_core::plan::Stage;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// What the operator counts.
#[derive(Clone)]
pub(crate) struct Metrics {
    /// How long reconciles take.
    pub(crate) reconciles: Histogram,
    /// Steps by what became of them.
    pub(crate) steps: Family<StepLabels, Counter>,
    /// Plans that failed their own safety check.
    pub(crate) unsafe_plans: Counter,
    /// Whether this operator leads.
    pub(crate) leading: Gauge,
    /// Reconciles by the stage that the cluster was found in.
    pub(crate) stages: Family<StageLabels, Counter>,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StepLabels {
    /// The result.
    pub(crate) result: StepResult,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum StepResult {
    /// Done.
    Done,
    /// Its precondition did not hold.
    Void,
    /// It failed.
    Failed,
}

/// The stage of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StageLabels {
    /// The stage, as the status writes it.
    pub(crate) stage: String,
}

impl StageLabels {
    /// The label of a stage.
    pub(crate) fn of(stage: Stage) -> Self {
        Self { stage: format!("{stage:?}") }
    }
}

impl Metrics {
    /// New counts, registered.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            // From a tenth of a millisecond, an empty plan, to half a minute, a call that hangs.
            reconciles: Histogram::new(exponential_buckets(0.0001, 4.0, 10)),
            steps: Family::default(),
            unsafe_plans: Counter::default(),
            leading: Gauge::default(),
            stages: Family::default(),
        };
        let Self { reconciles, steps, unsafe_plans, leading, stages } = &metrics;
        let operator = registry.sub_registry_with_prefix("operator");
        operator.register_with_unit(
            "reconcile",
            "How long reconciles take",
            Unit::Seconds,
            reconciles.clone(),
        );
        operator.register("steps", "Steps by what became of them", steps.clone());
        operator.register("unsafe_plans", "Plans that failed their own safety check", unsafe_plans.clone());
        operator.register("leading", "Whether this operator leads", leading.clone());
        operator.register("reconciles_by_stage", "Reconciles by the stage of the cluster", stages.clone());
        metrics
    }
}
