//! A small world for the planner: an API with resource versions and finalizers, a topology, and members that do what members do.
//!
//! Deterministic: time is a count of turns. It refuses what the API would refuse, so that a plan which rests on an old view fails here too.

mod members;

use crate::disk::Space;
use crate::ids::{ClaimUid, ClusterName, ClusterRef, ClusterUid, MemberId, Namespace, Nonce};
use crate::plan::*;
use crate::term::Generation;
use crate::topology::{Access, Durability, DurabilityMode, EngineKind, Identity, OnLoss};
use std::collections::{BTreeMap, BTreeSet};

/// A precondition that did not hold, or a refusal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) String);

pub(crate) struct World {
    pub(crate) cluster: Option<Cluster>,
    pub(crate) claims: BTreeMap<String, Claim>,
    pub(crate) pods: BTreeMap<String, Pod>,
    pub(crate) budget: Option<Budget>,
    pub(crate) secrets: Secrets,
    pub(crate) known: Known,
    pub(crate) away: bool,
    /// Members whose data is of no use any more, by their own word.
    pub(crate) spoilt: BTreeSet<MemberId>,
    /// What members say of the room on their volumes; those that are not in it have some.
    pub(crate) spaces: BTreeMap<MemberId, Space>,
    counter: i64,
}

pub(crate) fn desired(members: u32) -> Desired {
    Desired {
        members,
        durability: Durability { mode: DurabilityMode::Quorum, acks: 1, on_loss: OnLoss::Block },
        engine: EngineKind::Postgres,
        parameters: BTreeMap::new(),
        access: Access { database: "app".to_owned(), owner: "app".to_owned() },
        size: Size { bytes: 1 << 30, text: "1Gi".to_owned() },
        revision: "r1".to_owned(),
        paused: false,
        switchover: None,
        accept_loss: None,
        rebuild: None,
    }
}

pub(crate) fn wish(members: u32) -> Wish {
    desired(members).checked()
}

impl World {
    pub(crate) fn new() -> Self {
        let name = ClusterRef {
            namespace: Namespace::new("shop").unwrap(),
            name: ClusterName::new("orders").unwrap(),
        };
        Self {
            cluster: Some(Cluster {
                name,
                uid: ClusterUid::new("uid-1").unwrap(),
                resource_version: "1".to_owned(),
                generation: Generation(1),
                counter: 0,
                grant: None,
                bootstrapped: false,
                finalizer: false,
                deleting: false,
            }),
            claims: BTreeMap::new(),
            pods: BTreeMap::new(),
            budget: None,
            secrets: Secrets { access: SecretState::Outdated, certificates: BTreeSet::new() },
            known: Known::default(),
            away: false,
            spoilt: BTreeSet::new(),
            spaces: BTreeMap::new(),
            counter: 1,
        }
    }

    /// A world in which a cluster of this wish has come to rest.
    pub(crate) fn settled(wish: &Wish) -> Self {
        let mut world = Self::new();
        world.settle(wish);
        world
    }

    pub(crate) fn observe(&self) -> Observed {
        Observed {
            now: Time(self.counter),
            fresh: Nonce::new(format!("nonce-{}", self.counter)).unwrap(),
            cluster: self.cluster.clone().expect("the cluster is there"),
            claims: self.claims.clone(),
            pods: self.pods.clone(),
            budget: self.budget.clone(),
            secrets: self.secrets.clone(),
            topology: if self.away {
                Topology::Away { reason: "no route to host".to_owned() }
            } else {
                Topology::Known(Box::new(self.known.clone()))
            },
            refused: BTreeMap::new(),
        }
    }

    fn next(&mut self) -> i64 {
        self.counter += 1;
        self.counter
    }

    fn touch_cluster(&mut self, expected: &str, change: impl FnOnce(&mut Cluster)) -> Result<(), Refusal> {
        let version = self.next().to_string();
        let cluster = self
            .cluster
            .as_mut()
            .filter(|c| c.resource_version == expected)
            .ok_or_else(|| gone("cluster"))?;
        change(cluster);
        cluster.resource_version = version;
        if cluster.deleting && !cluster.finalizer {
            self.cluster = None;
        }
        Ok(())
    }

    fn touch_claim(&mut self, kept: &Kept, change: impl FnOnce(&mut Claim)) -> Result<(), Refusal> {
        let version = self.next().to_string();
        let claim = self
            .claims
            .get_mut(&kept.name)
            .filter(|c| c.uid == kept.uid && c.resource_version == kept.resource_version)
            .ok_or_else(|| gone(&kept.name))?;
        change(claim);
        claim.resource_version = version;
        Ok(())
    }

    /// Does a step, as the operator's executor and the API together would.
    pub(crate) fn apply(&mut self, step: &Step) -> Result<(), Refusal> {
        match step {
            Step::AddFinalizer { resource_version } => {
                self.touch_cluster(resource_version, |c| c.finalizer = true)
            }
            Step::NoteCounter { counter, resource_version } => {
                self.touch_cluster(resource_version, |c| c.counter = *counter)
            }
            Step::NoteGrant { grant, resource_version } => {
                self.touch_cluster(resource_version, |c| c.grant = Some(grant.clone()))
            }
            Step::NoteBootstrapped { resource_version } => {
                self.touch_cluster(resource_version, |c| c.bootstrapped = true)
            }
            Step::RemoveFinalizer { resource_version } => {
                self.touch_cluster(resource_version, |c| c.finalizer = false)
            }
            Step::NoteGrantOnClaim { claim, nonce } => {
                self.touch_claim(claim, |c| c.grant = Some(nonce.clone()))
            }
            Step::GrowClaim { claim, .. } => self.touch_claim(claim, |c| c.requested = 2 << 30),
            Step::RetireClaim { claim } => {
                let now = Time(self.counter);
                self.touch_claim(claim, |c| c.retired = Some(now))
            }
            Step::CreateClaim { member, name } => self.create_claim(member, name),
            Step::RetainVolume { volume, claim } => {
                let bound =
                    self.claims.values_mut().find(|c| c.uid == *claim).and_then(|c| c.volume.as_mut());
                bound.filter(|v| v.name == *volume).map(|v| v.retained = true).ok_or_else(|| gone(volume))
            }
            Step::CreateBudget { min_available } => {
                let owner = self.cluster.as_ref().map(|c| c.uid.clone());
                let uid = format!("budget-{}", self.next());
                self.budget = Some(Budget { uid, owner, min_available: Some(*min_available) });
                Ok(())
            }
            Step::ChangeBudget { uid, min_available } => {
                let budget = self.budget.as_mut().filter(|b| b.uid == *uid).ok_or_else(|| gone("budget"))?;
                budget.min_available = Some(*min_available);
                Ok(())
            }
            Step::EnsureAccess => {
                self.secrets.access = SecretState::Current;
                Ok(())
            }
            Step::EnsureCertificates { members } => {
                self.secrets.certificates.extend(members.iter().cloned());
                Ok(())
            }
            Step::EnsureUser => self.reachable().map(|()| self.known.user = true),
            Step::PutIntent { intent, expected } => {
                self.reachable()?;
                if self.known.intent.as_ref().map(|stored| stored.revision) != *expected {
                    return Err(gone("intent"));
                }
                let revision = Revision(self.next());
                self.known.intent = Some(Stored { value: (**intent).clone(), revision });
                Ok(())
            }
            Step::CreatePod { identity } => self.create_pod(identity),
            Step::DeletePod(delete) => {
                let version = self.next().to_string();
                let pod = self
                    .pods
                    .get_mut(&delete.name)
                    .filter(|p| p.uid == delete.uid && p.resource_version == delete.resource_version)
                    .ok_or_else(|| gone(&delete.name))?;
                pod.deleting = true;
                pod.ready = false;
                pod.resource_version = version;
                Ok(())
            }
            Step::ReleasePod { name, uid, resource_version, .. } => {
                let pod =
                    self.pods.get(name).filter(|p| p.uid == *uid && p.resource_version == *resource_version);
                pod.ok_or_else(|| gone(name))?;
                self.pods.remove(name);
                Ok(())
            }
            Step::RemoveMember { member } => self.reachable().map(|()| {
                self.known.members.remove(member);
            }),
            Step::RemoveRecords => self.reachable().map(|()| self.known = Known::default()),
        }
    }

    fn reachable(&self) -> Result<(), Refusal> {
        if self.away { Err(Refusal("the topology is away".to_owned())) } else { Ok(()) }
    }

    fn create_claim(&mut self, member: &MemberId, name: &str) -> Result<(), Refusal> {
        let number = self.next();
        if self.claims.contains_key(name) {
            return Err(Refusal(format!("{name} exists")));
        }
        let cluster = self.cluster.as_ref().map(|c| c.uid.clone());
        let claim = Claim {
            name: name.to_owned(),
            uid: ClaimUid::new(format!("claim-{number}")).unwrap(),
            resource_version: number.to_string(),
            cluster,
            member: Some(member.clone()),
            created: Time(number),
            retired: None,
            grant: None,
            deleting: false,
            requested: 1 << 30,
            volume: None,
            problem: None,
        };
        self.claims.insert(name.to_owned(), claim);
        Ok(())
    }

    fn create_pod(&mut self, identity: &Identity) -> Result<(), Refusal> {
        let number = self.next();
        let name = identity.member.to_string();
        if self.pods.contains_key(&name) {
            return Err(Refusal(format!("{name} exists")));
        }
        let pod = Pod {
            name: name.clone(),
            uid: format!("pod-{number}"),
            resource_version: number.to_string(),
            owner: self.cluster.as_ref().map(|c| c.uid.clone()),
            member: Some(identity.member.clone()),
            created: Time(number),
            deleting: false,
            finalizer: true,
            revision: Some("r1".to_owned()),
            phase: PodPhase::Pending,
            ready: false,
            node: None,
            unschedulable: None,
            containers: vec![Container {
                name: "database".to_owned(),
                image: "postgres:17".to_owned(),
                state: ContainerState::Waiting {
                    reason: "PodInitializing".to_owned(),
                    message: String::new(),
                },
                restarted: false,
            }],
        };
        self.pods.insert(name, pod);
        Ok(())
    }

    /// Lets Kubernetes and the members do one turn; whether anything changed.
    pub(crate) fn turn(&mut self) -> bool {
        let before = (self.pods.clone(), self.claims.clone(), self.known.clone());
        self.kubelets();
        if !self.away {
            self.members();
        }
        let changed = before != (self.pods.clone(), self.claims.clone(), self.known.clone());
        if changed {
            self.next();
        }
        changed
    }

    fn kubelets(&mut self) {
        let version = self.next().to_string();
        let used: BTreeSet<String> = self.pods.values().map(|p| format!("{}-data", p.name)).collect();
        self.claims.retain(|name, claim| !claim.deleting || used.contains(name));
        for pod in self.pods.values_mut() {
            let old = pod.clone();
            let running = pod.containers[0].state == ContainerState::Running;
            match (&pod.node, pod.deleting, running) {
                (None, false, _) => {
                    pod.node = Some(Node { name: "node-1".to_owned(), state: NodeState::Ready });
                    if let Some(claim) = self.claims.get_mut(&format!("{}-data", pod.name)) {
                        claim
                            .volume
                            .get_or_insert(Volume { name: format!("volume-{}", claim.uid), retained: false });
                    }
                }
                (Some(node), false, false)
                    if node.state == NodeState::Ready && pod.phase == PodPhase::Pending =>
                {
                    pod.phase = PodPhase::Running;
                    pod.containers[0].state = ContainerState::Running;
                }
                (Some(node), true, _) if node.state == NodeState::Ready && pod.phase != PodPhase::Ended => {
                    pod.phase = PodPhase::Ended;
                    pod.containers[0].state = ContainerState::Terminated { reason: "Completed".to_owned() };
                    pod.ready = false;
                }
                (_, _, _) => {}
            }
            if *pod != old {
                pod.resource_version.clone_from(&version);
            }
        }
    }

    /// Plans once and does at most `most` steps of it, as an operator that is killed after them. Returns how many were done.
    pub(crate) fn reconcile(&mut self, wish: &Wish, most: usize) -> usize {
        if self.cluster.is_none() {
            return 0;
        }
        let observed = self.observe();
        self.reconcile_from(&observed, wish, most)
    }

    /// As [`Self::reconcile`], from a view that may be old: caches are.
    pub(crate) fn reconcile_from(&mut self, observed: &Observed, wish: &Wish, most: usize) -> usize {
        let plan = plan(observed, wish);
        if let Err(refused) = plan.check(observed) {
            panic!("the plan is not safe: {refused}\n{plan:#?}\n{observed:#?}");
        }
        let mut done = 0;
        for chain in &plan.chains {
            for step in &chain.0 {
                if done == most {
                    return done;
                }
                done += 1;
                if self.apply(step).is_err() {
                    break;
                }
            }
        }
        done
    }

    /// Goes on until nothing changes any more.
    pub(crate) fn settle(&mut self, wish: &Wish) {
        for _ in 0..300 {
            let done = self.reconcile(wish, usize::MAX);
            if !self.turn() && done == 0 {
                return;
            }
        }
        panic!("it does not come to rest: {:#?}", plan(&self.observe(), wish));
    }

    /// What an undisturbed run and a disturbed one must have in common: everything but ids and counters.
    pub(crate) fn normal(&self) -> Normal {
        let rule = self.known.rule.as_ref().map(|stored| &stored.value);
        Normal {
            finalizer: self.cluster.as_ref().is_some_and(|c| c.finalizer),
            bootstrapped: self.cluster.as_ref().is_some_and(|c| c.bootstrapped),
            members: self.claims.values().filter(|c| c.retired.is_none()).count(),
            ready: self.pods.values().filter(|p| p.ready).count(),
            pods: self.pods.len(),
            budget: self.budget.as_ref().and_then(|b| b.min_available),
            intended: self.known.intent.as_ref().map_or(0, |i| i.value.members.len()),
            records: self.known.members.len(),
            voters: rule.map_or(0, |r| r.voters.len()),
            acks: rule.map_or(0, |r| r.acks),
            unkept: self.claims.values().filter(|c| c.volume.as_ref().is_some_and(|v| !v.retained)).count(),
        }
    }
}

/// What is left of a world when ids and counters are taken away.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Normal {
    pub(crate) finalizer: bool,
    pub(crate) bootstrapped: bool,
    pub(crate) members: usize,
    pub(crate) ready: usize,
    pub(crate) pods: usize,
    pub(crate) budget: Option<u32>,
    pub(crate) intended: usize,
    pub(crate) records: usize,
    pub(crate) voters: usize,
    pub(crate) acks: u32,
    pub(crate) unkept: usize,
}

fn gone(what: &str) -> Refusal {
    Refusal(format!("{what} changed or is gone"))
}
