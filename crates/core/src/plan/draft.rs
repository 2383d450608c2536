//! A plan in the making: what its parts write into.

use super::desired::Wish;
use super::membership::Membership;
use super::observed::Observed;
use super::step::{Chain, Plan, Step};
use super::summary;
use super::waiting::Awaited;
use std::collections::BTreeSet;

/// A plan in the making.
pub(super) struct Draft<'a> {
    /// What it is made from.
    pub(super) observed: &'a Observed,
    /// The chains so far.
    pub(super) chains: Vec<Chain>,
    /// What is awaited so far; a set, because two parts may come upon the same.
    pub(super) waiting: BTreeSet<Awaited>,
    /// Whether a step that patches the cluster itself is in it. A second one's resourceVersion would no longer hold.
    patches_cluster: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn new(observed: &'a Observed) -> Self {
        Self { observed, chains: Vec::new(), waiting: BTreeSet::new(), patches_cluster: false }
    }

    /// A step on its own.
    pub(super) fn step(&mut self, step: Step) {
        self.chains.push(Chain(vec![step]));
    }

    /// Steps in order.
    pub(super) fn chain(&mut self, steps: Vec<Step>) {
        if !steps.is_empty() {
            self.chains.push(Chain(steps));
        }
    }

    /// A step that patches the cluster itself. At most one is in a plan; false if there is one already, and the next plan has this one.
    pub(super) fn on_cluster(&mut self, step: impl FnOnce(String) -> Step) -> bool {
        self.first_on_cluster(step, Vec::new())
    }

    /// As [`Self::on_cluster`], with steps that follow it.
    pub(super) fn first_on_cluster(&mut self, step: impl FnOnce(String) -> Step, then: Vec<Step>) -> bool {
        if self.patches_cluster {
            return false;
        }
        self.patches_cluster = true;
        let first = step(self.observed.cluster.resource_version.clone());
        self.chain(std::iter::once(first).chain(then).collect());
        true
    }

    /// Notes what is awaited.
    pub(super) fn wait(&mut self, on: Awaited) {
        self.waiting.insert(on);
    }

    /// Whether the plan has such a step.
    pub(super) fn has(&self, which: impl Fn(&Step) -> bool) -> bool {
        self.chains.iter().flat_map(|chain| &chain.0).any(which)
    }

    /// The plan with its report.
    pub(super) fn finish(self, wish: &Wish, membership: &Membership) -> Plan {
        let report = summary::report(&self, wish, membership);
        Plan { chains: self.chains, report }
    }
}
