//! Pods: made on their members' own claims, replaced when they ended, released when their processes did.

use super::bootstrap::Origin;
use super::desired::Desired;
use super::draft::Draft;
use super::membership::Membership;
use super::observed::{ContainerState, NodeState, Observed, Pod, Processes};
use super::secrets;
use super::step::{DeletePod, Ended, Step, Why};
use super::volumes;
use super::waiting::Awaited;
use crate::ids::MemberId;
use crate::topology::Identity;

impl DeletePod {
    /// The deletion of a pod as it was seen.
    pub(super) fn of(pod: &Pod, observed: &Observed, why: Why) -> Self {
        Self {
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            resource_version: pod.resource_version.clone(),
            term: observed.rule().map(|rule| rule.term),
            why,
        }
    }
}

/// Takes the finalizer off pods that are being deleted and whose processes have ended.
///
/// A claim that somebody deletes goes when its pod does; so the pod waits until the claim's volume is kept.
pub(super) fn release(draft: &mut Draft<'_>) {
    let observed = draft.observed;
    for (member, pod) in observed.own_pods().filter(|(_, pod)| pod.deleting && pod.finalizer) {
        let volume_goes = observed.claims.values().any(|claim| {
            observed.owns_claim(claim)
                && claim.member.as_ref() == Some(member)
                && claim.deleting
                && claim.volume.as_ref().is_some_and(|volume| !volume.retained)
        });
        match ended(pod) {
            Some(because) if !volume_goes => draft.step(Step::ReleasePod {
                name: pod.name.clone(),
                uid: pod.uid.clone(),
                resource_version: pod.resource_version.clone(),
                because,
            }),
            Some(_) => draft.wait(Awaited::Termination { member: member.clone() }),
            None => match &pod.node {
                Some(node) if node.state == NodeState::NotReady => {
                    draft.wait(Awaited::SilentNode { member: member.clone(), node: node.name.clone() });
                }
                Some(_) | None => draft.wait(Awaited::Termination { member: member.clone() }),
            },
        }
    }
}

/// How it is known that a pod's processes have ended; none if they may run.
pub(super) fn ended(pod: &Pod) -> Option<Ended> {
    match pod.node.as_ref().map(|node| node.state) {
        None => Some(Ended::NeverBound),
        Some(NodeState::Gone) => Some(Ended::NodeGone),
        Some(NodeState::OutOfService) => Some(Ended::NodeOutOfService),
        Some(NodeState::Ready | NodeState::NotReady) => {
            (pod.processes() == Processes::Ended).then_some(Ended::Reported)
        }
    }
}

/// Keeps the pod of every member that stays, and of those that leave until they have left the rule.
pub(super) fn keep(draft: &mut Draft<'_>, desired: &Desired, membership: &Membership, origin: Origin) {
    let observed = draft.observed;
    let mut old = Vec::new();
    for identity in membership.keep.iter().chain(&membership.voting) {
        match observed.pods.get(identity.member.as_str()) {
            None => create(draft, identity, origin),
            Some(pod) if !observed.owns_pod(pod) => {}
            Some(pod) if pod.deleting => {}
            Some(pod) => {
                let outdated = pod.revision.as_deref() != Some(&desired.revision);
                match replaceable(observed, identity, pod, outdated) {
                    Some(why) => draft.step(Step::DeletePod(DeletePod::of(pod, observed, why))),
                    None if outdated => old.push(identity.member.clone()),
                    None => {}
                }
            }
        }
    }
    if !old.is_empty() {
        draft.wait(Awaited::OldRevision { members: old });
    }
}

/// Why a pod may be replaced at once; none if it is to stay. Nothing that serves is taken down: what runs on an older revision goes on.
fn replaceable(observed: &Observed, identity: &Identity, pod: &Pod, outdated: bool) -> Option<Why> {
    let leads = observed.leads(&identity.member);
    match pod.processes() {
        Processes::Ended => Some(Why::Ended),
        Processes::NeverStarted => outdated.then_some(Why::NeverStarted),
        Processes::MayRun => (outdated && !leads && pod.failing()).then_some(Why::Failing),
    }
}

/// Makes a member's pod, once the topology names the member and a primary has served; the granted member's before that. Who is primary now, and
/// whether anybody is, does not matter: the members find their places by themselves.
fn create(draft: &mut Draft<'_>, identity: &Identity, origin: Origin) {
    let observed = draft.observed;
    let intended =
        observed.intent().and_then(|intent| intent.identity(&identity.member)).as_ref() == Some(identity);
    let named = intended || observed.rule().is_some_and(|rule| rule.named().any(|named| named == identity));
    let claim_stays = observed.member_claims().any(|(of, claim)| of == *identity && !claim.deleting);
    let granted = observed.cluster.grant.as_ref().is_some_and(|grant| grant.identity() == *identity);
    let turn = match origin {
        Origin::Ungranted => false,
        Origin::Granted => granted,
        Origin::Served => true,
    };
    if named && claim_stays && turn && secrets::there_for(observed, &identity.member) {
        draft.step(Step::CreatePod { identity: identity.clone() });
    }
}

/// Says what keeps pods from starting, where Kubernetes told.
pub(super) fn explain(draft: &mut Draft<'_>) {
    let observed = draft.observed;
    for (member, pod) in observed.own_pods().filter(|(_, pod)| !pod.deleting) {
        let claim =
            observed.claims.get(&volumes::claim_name(member)).filter(|claim| observed.owns_claim(claim));
        if let Some(claim) = claim.filter(|claim| claim.volume.is_none() && claim.problem.is_some()) {
            volumes::explain(draft, claim);
        } else if let Some(message) = &pod.unschedulable {
            draft.wait(Awaited::Node { member: member.clone(), message: message.clone() });
        }
        pod.containers.iter().for_each(|container| {
            if let ContainerState::Waiting { reason, message } = &container.state {
                container_waits(draft, member, &container.image, reason, message);
            }
        });
    }
    for (refused, refusal) in &observed.refused {
        draft.wait(Awaited::Admission {
            object: refused.to_string(),
            kind: refusal.kind,
            message: refusal.message.clone(),
        });
    }
}

/// The kubelet alternates between words for the same trouble; what is said here stays the same while the trouble does.
fn container_waits(draft: &mut Draft<'_>, member: &MemberId, image: &str, reason: &str, message: &str) {
    let member = member.clone();
    match reason {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "ErrImageNeverPull"
        | "InvalidImageName"
        | "ImageInspectError"
        | "RegistryUnavailable" => {
            let why = match reason {
                "ErrImageNeverPull" => "it is not on the node, and may not be pulled",
                "InvalidImageName" => "this is not the name of an image",
                _ if message.contains("not found") => "it was not found",
                _ if message.contains("denied") || message.contains("unauthorized") => "access was denied",
                _ => "it cannot be pulled",
            };
            draft.wait(Awaited::Image { member, image: image.to_owned(), message: why.to_owned() });
        }
        "CrashLoopBackOff" => {
            draft.wait(Awaited::Container { member, message: "a container ends again and again".to_owned() });
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            draft.wait(Awaited::Container {
                member,
                message: format!("a container cannot be made: {message}"),
            });
        }
        _ => {}
    }
}
