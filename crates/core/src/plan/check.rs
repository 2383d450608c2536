//! The safety check of a plan: the dangerous questions in one place, asked of every plan before it is executed.
//!
//! It knows nothing of how plans are made, so that a mistake there is caught here. A plan that fails is not executed at all.
//!
//! *Invariants*, as long as the cluster is not being deleted:
//! 1. The pod of whoever leads the rule's term is never deleted while its processes may run.
//! 2. At most one available pod is deleted by one plan.
//! 3. A pod leaves only after its member has left the intent and the rule, and a claim is retired only after its pod is gone.
//! 4. Only one bootstrap grant is ever made, and it is noted before it is written.
//! 5. A pod is made only on a claim that is a member's, and a second one only after a primary has served.
//!
//! And always: no claim is ever deleted (there is no such step), no object of another owner is touched, a pod is released only
//! when its processes have ended, and the records go only after the pods.

use super::observed::{Known, NodeState, Observed, Pod, Processes};
use super::step::{DeletePod, Ended, Kept, Plan, Step, Why};
use crate::ids::MemberId;
use crate::topology::{Identity, Intent, Phase};
use serde::Serialize;

/// Why a plan is not executed. Always a mistake in Berth, never in a spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
pub enum Unsafe {
    /// An object was not observed, or changed since.
    #[error("{object} is not what was observed")]
    Unobserved {
        /// The object.
        object: String,
    },
    /// An object belongs to somebody else.
    #[error("{object} belongs to somebody else")]
    Foreign {
        /// The object.
        object: String,
    },
    /// Invariant 1.
    #[error("pod {pod} is the leader's and may run")]
    LeadersPod {
        /// The pod.
        pod: String,
    },
    /// Invariant 2.
    #[error("{count} available pods would be deleted at once")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// Invariant 3.
    #[error("{member} has not left yet: {why}")]
    NotLeft {
        /// The member.
        member: String,
        /// What it still is.
        why: &'static str,
    },
    /// The reason that a deletion gives does not hold.
    #[error("pod {pod} would be deleted as {why:?}, which it is not")]
    WrongReason {
        /// The pod.
        pod: String,
        /// The reason given.
        why: Why,
    },
    /// A pod's processes may run on its volume.
    #[error("the processes of pod {pod} may still run")]
    MayRun {
        /// The pod.
        pod: String,
    },
    /// Invariant 4.
    #[error("a bootstrap grant may not be given: {why}")]
    Grant {
        /// Why not.
        why: &'static str,
    },
    /// Invariant 5.
    #[error("a pod for {member} may not be made: {why}")]
    Pod {
        /// The member.
        member: String,
        /// Why not.
        why: &'static str,
    },
    /// An intent that goes back, or drops the primary.
    #[error("the intent may not be written: {why}")]
    Intent {
        /// Why not.
        why: &'static str,
    },
    /// The cluster is not being deleted, or something of it still runs.
    #[error("the cluster's records may not go: {why}")]
    Records {
        /// Why not.
        why: &'static str,
    },
}

impl Plan {
    /// Whether this plan may be executed in the world that it was made for.
    pub fn check(&self, observed: &Observed) -> Result<(), Unsafe> {
        let available = self
            .steps()
            .filter_map(|step| {
                if let Step::DeletePod(delete) = step { observed.pods.get(&delete.name) } else { None }
            })
            .filter(|pod| pod.ready && !pod.deleting)
            .count();
        if available > 1 && !observed.cluster.deleting {
            return Err(Unsafe::TooMany { count: available });
        }
        self.steps().try_for_each(|step| step.check(observed))
    }
}

impl Step {
    fn check(&self, observed: &Observed) -> Result<(), Unsafe> {
        match self {
            Self::DeletePod(delete) => delete_pod(delete, observed),
            Self::ReleasePod { name, uid, resource_version, because } => {
                release_pod(seen_pod(observed, name, uid, resource_version)?, *because)
            }
            Self::CreatePod { identity } => create_pod(identity, observed),
            Self::NoteGrant { .. } => note_grant(observed),
            Self::NoteGrantOnClaim { claim, nonce } => {
                seen_claim(observed, claim)?;
                match &observed.cluster.grant {
                    Some(noted) if noted.claim == claim.uid && noted.nonce == *nonce => Ok(()),
                    Some(_) => Err(Unsafe::Grant { why: "another one is noted on the cluster" }),
                    None => Err(Unsafe::Grant { why: "it is not noted on the cluster" }),
                }
            }
            Self::PutIntent { intent, expected: _ } => put_intent(intent, observed),
            Self::GrowClaim { claim, .. } => seen_claim(observed, claim),
            Self::RetireClaim { claim } => retire_claim(claim, observed),
            Self::RetainVolume { volume, claim } => {
                let bound = observed.claims.values().any(|c| {
                    observed.owns_claim(c)
                        && c.uid == *claim
                        && c.volume.as_ref().is_some_and(|v| v.name == *volume)
                });
                if bound { Ok(()) } else { Err(Unsafe::Unobserved { object: format!("volume {volume}") }) }
            }
            Self::NoteBootstrapped { .. } => {
                if observed.rule().is_some() {
                    Ok(())
                } else {
                    Err(Unsafe::Grant { why: "no rule was seen" })
                }
            }
            Self::RemoveMember { member } => {
                if observed.in_rule(member) {
                    Err(Unsafe::NotLeft { member: member.to_string(), why: "it is in the rule" })
                } else {
                    Ok(())
                }
            }
            Self::RemoveRecords | Self::RemoveFinalizer { .. } => {
                if !observed.cluster.deleting {
                    Err(Unsafe::Records { why: "the cluster is not being deleted" })
                } else if observed.own_pods().next().is_some() {
                    Err(Unsafe::Records { why: "it still has pods" })
                } else {
                    Ok(())
                }
            }
            Self::ChangeBudget { uid, .. } => match &observed.budget {
                Some(budget) if budget.uid != *uid => {
                    Err(Unsafe::Unobserved { object: "disruption budget".to_owned() })
                }
                Some(budget) if budget.owner.as_ref() == Some(&observed.cluster.uid) => Ok(()),
                Some(_) | None => Err(Unsafe::Foreign { object: "disruption budget".to_owned() }),
            },
            Self::AddFinalizer { .. }
            | Self::CreateBudget { .. }
            | Self::NoteCounter { .. }
            | Self::CreateClaim { .. }
            | Self::EnsureAccess
            | Self::EnsureCertificates { .. }
            | Self::EnsureUser => Ok(()),
        }
    }
}

fn seen_pod<'a>(
    observed: &'a Observed,
    name: &str,
    uid: &str,
    resource_version: &str,
) -> Result<&'a Pod, Unsafe> {
    let pod = observed
        .pods
        .get(name)
        .filter(|pod| pod.uid == uid && pod.resource_version == resource_version)
        .ok_or_else(|| Unsafe::Unobserved { object: format!("pod {name}") })?;
    if observed.owns_pod(pod) { Ok(pod) } else { Err(Unsafe::Foreign { object: format!("pod {name}") }) }
}

fn seen_claim(observed: &Observed, kept: &Kept) -> Result<(), Unsafe> {
    let claim = observed
        .claims
        .get(&kept.name)
        .filter(|claim| claim.uid == kept.uid && claim.resource_version == kept.resource_version)
        .ok_or_else(|| Unsafe::Unobserved { object: format!("claim {}", kept.name) })?;
    if observed.owns_claim(claim) {
        Ok(())
    } else {
        Err(Unsafe::Foreign { object: format!("claim {}", kept.name) })
    }
}

fn delete_pod(delete: &DeletePod, observed: &Observed) -> Result<(), Unsafe> {
    let DeletePod { name, uid, resource_version, term, why } = delete;
    let pod = seen_pod(observed, name, uid, resource_version)?;
    if *why == Why::ClusterDeleted {
        return if observed.cluster.deleting {
            Ok(())
        } else {
            Err(Unsafe::WrongReason { pod: name.clone(), why: *why })
        };
    }
    let rule = observed.rule();
    if rule.map(|rule| rule.term) != *term {
        return Err(Unsafe::WrongReason { pod: name.clone(), why: *why });
    }
    let processes = pod.processes();
    let leads = pod.member.as_ref().is_some_and(|member| observed.leads(member));
    if leads && processes == Processes::MayRun {
        return Err(Unsafe::LeadersPod { pod: name.clone() });
    }
    let holds = match why {
        Why::Ended => processes == Processes::Ended,
        Why::NeverStarted => processes == Processes::NeverStarted,
        Why::Failing => !leads && pod.failing(),
        Why::Left => {
            if let Some(member) = &pod.member {
                has_left(member, observed)?;
            }
            true
        }
        Why::ClusterDeleted => observed.cluster.deleting,
    };
    if holds { Ok(()) } else { Err(Unsafe::WrongReason { pod: name.clone(), why: *why }) }
}

/// Whether a member is out of the intent and of the rule, by a topology that could be read.
fn has_left(member: &MemberId, observed: &Observed) -> Result<(), Unsafe> {
    let not = |why| Err(Unsafe::NotLeft { member: member.to_string(), why });
    let Some(Known { intent, .. }) = observed.known() else {
        return not("the topology could not be read");
    };
    if intent.as_ref().is_none_or(|i| i.value.members.contains_key(member)) {
        return not("the intent names it, or there is none");
    }
    if observed.in_rule(member) { not("it is in the rule") } else { Ok(()) }
}

fn release_pod(pod: &Pod, because: Ended) -> Result<(), Unsafe> {
    let node = pod.node.as_ref().map(|node| node.state);
    let ended = match because {
        Ended::Reported => pod.processes() == Processes::Ended,
        Ended::NeverBound => node.is_none(),
        Ended::NodeGone => node == Some(NodeState::Gone),
        Ended::NodeOutOfService => node == Some(NodeState::OutOfService),
    };
    if pod.deleting && ended { Ok(()) } else { Err(Unsafe::MayRun { pod: pod.name.clone() }) }
}

fn create_pod(identity: &Identity, observed: &Observed) -> Result<(), Unsafe> {
    let not = |why| Err(Unsafe::Pod { member: identity.member.to_string(), why });
    if observed.cluster.deleting {
        return not("the cluster is being deleted");
    }
    if !observed.member_claims().any(|(of, claim)| of == *identity && !claim.deleting) {
        return not("its claim is not there, or is no member's");
    }
    let Some(known) = observed.known() else {
        return not("the topology could not be read");
    };
    let intended = observed.intent().and_then(|i| i.identity(&identity.member)).as_ref() == Some(identity);
    if !intended && observed.rule().is_none_or(|rule| rule.named().all(|named| named != identity)) {
        return not("neither the intent nor the rule names it");
    }
    let granted = observed.cluster.grant.as_ref().is_some_and(|grant| grant.identity() == *identity);
    let rebuilding = observed.intent().is_some_and(|intent| intent.rebuild.is_some());
    let served = match &known.rule {
        Some(rule) => rule.value.phase != Phase::Bootstrapping,
        // Members do nothing without a rule but what a person's word asks of them.
        None if rebuilding => true,
        None if observed.cluster.bootstrapped => return not("the topology has lost its rule"),
        None => false,
    };
    if granted || served { Ok(()) } else { not("no primary has served yet") }
}

fn note_grant(observed: &Observed) -> Result<(), Unsafe> {
    let Some(Known { intent, rule, .. }) = observed.known() else {
        return Err(Unsafe::Grant { why: "the topology could not be read" });
    };
    if observed.cluster.bootstrapped || rule.is_some() {
        Err(Unsafe::Grant { why: "the cluster was initialised" })
    } else if observed.cluster.grant.is_some() || intent.as_ref().is_some_and(|i| i.value.grant.is_some()) {
        Err(Unsafe::Grant { why: "one was made before" })
    } else {
        Ok(())
    }
}

fn put_intent(intent: &Intent, observed: &Observed) -> Result<(), Unsafe> {
    if let Some(stored) = observed.intent()
        && stored.generation > intent.generation
    {
        return Err(Unsafe::Intent { why: "a newer one is stored" });
    }
    let stays = |identity: &Identity| intent.identity(&identity.member).as_ref() == Some(identity);
    if observed.served_last().is_some_and(|primary| !stays(primary)) {
        return Err(Unsafe::Intent { why: "the primary would leave" });
    }
    if let (Some(leader), Some(stored)) = (observed.leader(), observed.intent())
        && stored.identity(&leader.member).as_ref() == Some(leader)
        && !stays(leader)
    {
        return Err(Unsafe::Intent { why: "who is about to be primary would leave" });
    }
    let to = intent.switchover.as_ref().and_then(|switchover| switchover.to.as_ref());
    if to.is_some_and(|to| !intent.members.contains_key(to)) {
        return Err(Unsafe::Intent { why: "it asks for a switchover to nobody" });
    }
    match (&intent.grant, &observed.cluster.grant) {
        (None, _) => Ok(()),
        (Some(written), Some(noted)) if written.to == noted.identity() && written.nonce == noted.nonce => {
            Ok(())
        }
        (Some(_), _) => Err(Unsafe::Grant { why: "it is not the one noted on the cluster" }),
    }
}

fn retire_claim(kept: &Kept, observed: &Observed) -> Result<(), Unsafe> {
    seen_claim(observed, kept)?;
    let Some(member) = observed.claims.get(&kept.name).and_then(|claim| claim.member.as_ref()) else {
        return Ok(());
    };
    if observed.pod_of(member).is_some() {
        return Err(Unsafe::NotLeft { member: member.to_string(), why: "it has a pod" });
    }
    if observed.cluster.deleting { Ok(()) } else { has_left(member, observed) }
}
