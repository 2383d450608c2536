//! The operator's planner: from what was observed and what is desired to the steps that lead there, and a report of what is
//! awaited.
//!
//! Pure and deterministic: the time and a fresh nonce are part of what was observed. Level-triggered: every plan is made from the full
//! state, and nothing is remembered between two. It never talks to a database and never says who is primary; that is the
//! members' business, which it reads from the topology.
//!
//! Order comes from observation, not from waiting: a step whose ground is not there yet is not in the plan, and the next plan
//! has it. So a crash between any two steps loses nothing but time.

mod bootstrap;
mod budget;
mod check;
mod conditions;
mod deletion;
mod desired;
mod draft;
mod electing;
mod intent;
mod leaving;
mod loss;
mod lost;
mod membership;
mod observed;
mod pods;
mod rebuild;
mod report;
mod secrets;
mod step;
mod summary;
mod switchover;
mod volumes;
mod waiting;

pub use check::Unsafe;
pub use desired::{Desired, LossWord, Problem, RebuildWord, Request, Size, Wish};
pub use observed::{
    Budget, Claim, ClaimProblem, Cluster, Container, ContainerState, Known, Node, NodeState, NotedGrant,
    Observed, Pod, PodPhase, Processes, Refusal, RefusalKind, Refused, Revision, SecretState, Secrets,
    Stored, Time, Topology, Volume,
};
pub use report::{
    Before, Condition, ConditionType, LossReport, LossState, MemberReport, MemberState, Report, Role, Stage,
    Switched, SwitchoverReport, Truth,
};
pub use step::{Chain, DeletePod, Ended, Kept, Plan, Step, Why};
pub use waiting::{Awaited, Needs, Waiting};

use bootstrap::Origin;
use draft::Draft;
use membership::Membership;

/// Plans what to do now. [`Plan::check`] it before it is executed.
pub fn plan(observed: &Observed, wish: &Wish) -> Plan {
    let mut draft = Draft::new(observed);
    pods::release(&mut draft);
    volumes::retain(&mut draft);
    pods::explain(&mut draft);
    if observed.cluster.deleting {
        deletion::plan(&mut draft);
        return draft.finish(wish, &Membership::of_deleted(observed));
    }
    let desired = match wish {
        Wish::Valid(desired) => desired,
        Wish::Invalid(problems) => {
            let problems = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            draft.wait(Awaited::ValidSpec { problems });
            return draft.finish(wish, &Membership::as_it_is(observed));
        }
    };
    let membership = Membership::choose(observed, desired);
    if let Some(ready) = begin(&mut draft, desired, &membership) {
        carry_out(&mut draft, desired, &membership, ready);
    }
    draft.finish(wish, &membership)
}

/// Everything that must be so before a cluster is worked on; none while it is not.
fn begin(draft: &mut Draft<'_>, desired: &Desired, membership: &Membership) -> Option<Origin> {
    let observed = draft.observed;
    if let Topology::Away { reason } = &observed.topology {
        draft.wait(Awaited::Topology { reason: reason.clone() });
        return None;
    }
    if desired.paused {
        draft.wait(Awaited::Resume);
        if observed.rule().is_some() {
            intent::put(draft, desired, &Membership::as_it_is(observed));
        }
        return None;
    }
    if !observed.cluster.finalizer {
        draft.on_cluster(|resource_version| Step::AddFinalizer { resource_version });
        return None;
    }
    let origin = bootstrap::origin(draft, desired, membership)?;
    Some(origin)
}

/// The work on a cluster whose origin is clear.
fn carry_out(draft: &mut Draft<'_>, desired: &Desired, membership: &Membership, origin: Origin) {
    volumes::grow(draft, desired, membership);
    volumes::create(draft, membership);
    budget::keep(draft, desired);
    secrets::ensure(draft, membership);
    bootstrap::note(draft, membership, origin);
    if origin != Origin::Ungranted {
        intent::put(draft, desired, membership);
    }
    pods::keep(draft, desired, membership, origin);
    leaving::plan(draft, membership);
}

#[cfg(test)]
mod tests;
