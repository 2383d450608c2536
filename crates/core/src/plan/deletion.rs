//! The end of a cluster: its pods, then its records. Its claims and volumes are kept, and marked as nobody's.

use super::draft::Draft;
use super::observed::Topology;
use super::step::{DeletePod, Kept, Step, Why};
use super::waiting::Awaited;

/// Plans the end.
pub(super) fn plan(draft: &mut Draft<'_>) {
    let observed = draft.observed;
    let mut pods = observed.own_pods().peekable();
    if pods.peek().is_some() {
        for (_, pod) in pods.filter(|(_, pod)| !pod.deleting) {
            draft.step(Step::DeletePod(DeletePod::of(pod, observed, Why::ClusterDeleted)));
        }
        return;
    }
    let kept: Vec<Step> = observed
        .member_claims()
        .filter(|(_, claim)| !claim.deleting)
        .map(|(_, claim)| Step::RetireClaim { claim: Kept::of(claim) })
        .collect();
    let volumes_kept = !draft.has(|step| matches!(step, Step::RetainVolume { .. }));
    if !kept.is_empty() || !volumes_kept {
        for step in kept {
            draft.step(step);
        }
        return;
    }
    if !observed.cluster.finalizer {
        return;
    }
    match &observed.topology {
        Topology::Known(_) => {
            let resource_version = observed.cluster.resource_version.clone();
            draft.chain(vec![Step::RemoveRecords, Step::RemoveFinalizer { resource_version }]);
        }
        Topology::Away { reason } => draft.wait(Awaited::Topology { reason: reason.clone() }),
    }
}
