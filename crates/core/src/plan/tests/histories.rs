//! Properties: whatever happened before, and wherever the operator was killed, the same wish leads to the same world.

use super::world::{Normal, World, desired};
use crate::plan::*;
use crate::term::Generation;
use crate::topology::{Identity, Phase};
use proptest::prelude::*;

/// Something that happens to a cluster.
#[derive(Debug, Clone)]
enum Happening {
    /// A person asks for so many members.
    Scale(u32),
    /// The operator plans and is killed after so many steps.
    Killed(usize),
    /// The operator plans from a view as old as this many happenings.
    Stale(usize),
    /// Kubernetes and the members go on.
    Turn,
    /// A person deletes the pod at this place.
    DeletePod(usize),
    /// The pod at this place ends for good.
    EndPod(usize),
    /// The node of the pod at this place is deleted, with all that ran there.
    LoseNode(usize),
    /// A person deletes the claim at this place.
    DeleteClaim(usize),
    /// The data on the claim at this place is of no use any more, unless its member leads.
    Spoil(usize),
    /// A person asks for a switchover, to the member at this place if there is one.
    Switchover(u8, usize),
    /// The topology goes away or comes back.
    Away(bool),
    /// A person pauses or resumes.
    Pause(bool),
    /// What pods are rendered from changes.
    Revision(u8),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        2 => (1..=5_u32).prop_map(Happening::Scale),
        6 => (0..6_usize).prop_map(Happening::Killed),
        3 => (1..8_usize).prop_map(Happening::Stale),
        6 => Just(Happening::Turn),
        2 => (0..5_usize).prop_map(Happening::DeletePod),
        1 => (0..5_usize).prop_map(Happening::EndPod),
        1 => (0..5_usize).prop_map(Happening::LoseNode),
        2 => (0..5_usize).prop_map(Happening::DeleteClaim),
        2 => (0..6_usize).prop_map(Happening::Spoil),
        2 => (0..3_u8, 0..6_usize).prop_map(|(token, at)| Happening::Switchover(token, at)),
        1 => any::<bool>().prop_map(Happening::Away),
        1 => any::<bool>().prop_map(Happening::Pause),
        1 => (1..3_u8).prop_map(Happening::Revision),
    ]
}

/// The world and the wish as they are after some happenings.
struct History {
    world: World,
    wish: Desired,
    /// What was seen before each happening.
    seen: Vec<Observed>,
}

impl History {
    fn new() -> Self {
        Self { world: World::new(), wish: desired(3), seen: Vec::new() }
    }

    fn wish(&self) -> Wish {
        self.wish.clone().checked()
    }

    fn changed(&mut self) {
        let cluster = self.world.cluster.as_mut().expect("nobody deletes it here");
        cluster.generation = Generation(cluster.generation.0 + 1);
    }

    fn happen(&mut self, what: &Happening) {
        self.seen.push(self.world.observe());
        match what {
            Happening::Stale(age) => {
                let wish = self.wish();
                if let Some(old) = self.seen.len().checked_sub(1 + age).map(|at| self.seen[at].clone()) {
                    self.world.reconcile_from(&old, &wish, usize::MAX);
                }
            }
            Happening::Scale(members) => {
                self.wish.members = *members;
                self.changed();
            }
            Happening::Killed(after) => {
                self.world.reconcile(&self.wish(), *after);
            }
            Happening::Turn => {
                self.world.turn();
            }
            Happening::DeletePod(at) => {
                if let Some(pod) = self.world.pods.values_mut().nth(*at) {
                    pod.deleting = true;
                    pod.ready = false;
                    pod.resource_version.push('d');
                }
            }
            Happening::EndPod(at) => {
                if let Some(pod) = self.world.pods.values_mut().nth(*at) {
                    pod.phase = PodPhase::Ended;
                    pod.ready = false;
                    pod.containers[0].state = ContainerState::Terminated { reason: "Evicted".to_owned() };
                    pod.resource_version.push('e');
                }
            }
            Happening::LoseNode(at) => {
                if let Some(pod) = self.world.pods.values_mut().nth(*at)
                    && let Some(node) = &mut pod.node
                {
                    node.state = NodeState::Gone;
                    pod.ready = false;
                    // Kubernetes itself deletes pods whose node is gone; the finalizer keeps the object.
                    pod.deleting = true;
                    pod.resource_version.push('g');
                }
            }
            Happening::DeleteClaim(at) => {
                if self.may_lose_a_claim()
                    && let Some(claim) = self.world.claims.values_mut().nth(*at)
                {
                    claim.deleting = true;
                    claim.resource_version.push('d');
                }
            }
            Happening::Spoil(at) => {
                let member = self.world.claims.values().nth(*at).and_then(|claim| claim.member.clone());
                self.world.spoilt.extend(member.filter(|member| !self.world.observe().leads(member)));
            }
            Happening::Switchover(token, at) => {
                let to = self.world.claims.values().nth(*at).and_then(|claim| claim.member.as_ref());
                self.wish.switchover =
                    Some(Request { token: format!("s{token}"), to: to.map(ToString::to_string) });
                self.changed();
            }
            Happening::Away(away) => self.world.away = *away,
            Happening::Pause(paused) => {
                self.wish.paused = *paused;
                self.changed();
            }
            Happening::Revision(number) => {
                self.wish.revision = format!("r{number}");
                self.changed();
            }
        }
    }

    /// Whether one more claim may go without a commit that is nowhere else: nobody of the rule has lost his, and every commit is on a replica. Before that
    /// the claim of the primary, or of the granted member, is a person's matter and has a table of its own.
    fn may_lose_a_claim(&self) -> bool {
        let Some(rule) = self.world.known.rule.as_ref().map(|stored| &stored.value) else { return false };
        let whole = |identity: &Identity| {
            self.world.claims.values().any(|claim| claim.uid == identity.claim && !claim.deleting)
        };
        rule.phase != Phase::Bootstrapping && rule.acks > 0 && rule.named().all(whole)
    }

    /// Ends all trouble and goes on until nothing changes.
    fn calm(mut self, members: u32) -> World {
        self.world.away = false;
        self.world.spoilt.clear();
        self.wish = desired(members);
        self.changed();
        let wish = self.wish();
        self.world.settle(&wish);
        self.world
    }
}

fn undisturbed(members: u32) -> Normal {
    World::settled(&desired(members).checked()).normal()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_history_ends_where_an_undisturbed_one_does(
        happenings in proptest::collection::vec(happening(), 0..60),
        members in 1..=4_u32,
    ) {
        let mut history = History::new();
        for what in &happenings {
            let claims: Vec<_> = history.world.claims.values().filter(|c| !c.deleting).map(|c| c.uid.clone()).collect();
            history.happen(what);
            for uid in claims {
                prop_assert!(history.world.claims.values().any(|c| c.uid == uid), "a claim went without a person");
            }
        }
        let world = history.calm(members);
        prop_assert_eq!(world.normal(), undisturbed(members));
        prop_assert!(plan(&world.observe(), &desired(members).checked()).is_empty());
    }

    #[test]
    fn a_creation_killed_at_any_step_ends_like_an_undisturbed_one(kills in proptest::collection::vec(0..4_usize, 0..40)) {
        let mut history = History::new();
        for after in kills {
            history.happen(&Happening::Killed(after));
            history.happen(&Happening::Turn);
            let serves = history.world.known.rule.as_ref().is_some_and(|r| r.value.phase != Phase::Bootstrapping);
            prop_assert!(serves || history.world.pods.len() <= 1, "a replica's pod exists before the primary serves");
        }
        prop_assert_eq!(history.calm(3).normal(), undisturbed(3));
    }

    #[test]
    fn a_deletion_leaves_every_claim_and_volume(happenings in proptest::collection::vec(happening(), 0..40)) {
        let mut history = History::new();
        for what in &happenings {
            history.happen(what);
        }
        let volumes = history.world.claims.values().filter(|c| c.volume.is_some() && !c.deleting).count();
        history.world.away = false;
        history.world.cluster.as_mut().expect("nobody deleted it").deleting = true;
        let wish = history.wish();
        for _ in 0..100 {
            history.world.reconcile(&wish, usize::MAX);
            history.world.turn();
        }
        // Without a finalizer nothing outside the cluster's ownership was made yet, and the API removes the object itself.
        if history.world.cluster.as_ref().is_some_and(|c| c.finalizer) {
            prop_assert!(false, "it does not end: {:#?}", plan(&history.world.observe(), &wish));
        }
        prop_assert!(history.world.pods.is_empty());
        let kept = history.world.claims.values().filter(|c| c.volume.as_ref().is_some_and(|v| v.retained)).count();
        prop_assert!(kept >= volumes);
        prop_assert_eq!(history.world.known, Known::default());
    }
}
