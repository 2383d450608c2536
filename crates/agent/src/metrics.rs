//! The member's figures for Prometheus.

use crate::runtime::{Way, label};
use berth_core::election::{EffectKind, Message, Outcome, Summary};
use berth_core::topology::Replication;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What effects are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EffectLabels {
    effect: &'static str,
    outcome: &'static str,
}

/// What messages are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MessageLabels {
    way: &'static str,
    message: &'static str,
}

/// The member's figures.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    term: Gauge,
    ready: Gauge,
    running: Gauge,
    gate_open: Gauge,
    streaming: Gauge,
    behind: Gauge,
    topology_reached: Gauge,
    starts: Gauge,
    effects: Family<EffectLabels, Counter>,
    messages: Family<MessageLabels, Counter>,
}

impl Metrics {
    /// Registers all of them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let Self {
            term,
            ready,
            running,
            gate_open,
            streaming,
            behind,
            topology_reached,
            starts,
            effects,
            messages,
        } = metrics.clone();
        let member = registry.sub_registry_with_prefix("member");
        member.register("term", "The term of the rule that the member knows", term);
        member.register("ready", "1 if the member does what its role asks", ready);
        member.register("database_running", "1 if the database's process runs", running);
        member.register("gate_open", "1 if tenants are let in here", gate_open);
        member.register("streaming", "1 if this replica's log arrives within bounds", streaming);
        member.register("behind_bytes", "How far this replica is behind its source", behind);
        member.register("topology_reached", "1 if the topology can be reached", topology_reached);
        member.register("starts", "How often a database was started on this volume", starts);
        member.register("effects", "What the agent did, by kind and outcome", effects);
        member.register("messages", "What was said to other members and heard from them, by kind", messages);
        metrics
    }

    pub(crate) fn show(&self, summary: &Summary) {
        self.term.set(i64::try_from(summary.term.0).unwrap_or(i64::MAX));
        self.ready.set(i64::from(summary.ready));
        self.running.set(i64::from(summary.running));
        self.gate_open.set(i64::from(summary.gate_open));
        self.streaming.set(i64::from(summary.replication == Replication::InBound));
        self.behind.set(summary.behind.map_or(0, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)));
        self.topology_reached.set(i64::from(summary.topology_reached));
        self.starts.set(i64::try_from(summary.starts).unwrap_or(i64::MAX));
    }

    pub(crate) fn counted(&self, kind: EffectKind, outcome: &Outcome) {
        let failed = matches!(outcome, Outcome::Failed { .. } | Outcome::Conflict(_));
        let outcome = if failed { "failed" } else { "done" };
        self.effects.get_or_create(&EffectLabels { effect: kind.label(), outcome }).inc();
    }

    pub(crate) fn talked(&self, way: Way, message: &Message) {
        let labels = MessageLabels { way: way.label(), message: label(message) };
        self.messages.get_or_create(&labels).inc();
    }
}
