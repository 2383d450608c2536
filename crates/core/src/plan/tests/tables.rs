//! Single decisions: one world each, one thing wrong with it, and what the plan does about it.

use super::world::{World, desired, wish};
use crate::ids::{ClusterUid, MemberId, Nonce};
use crate::plan::*;
use crate::term::Term;
use crate::topology::{BootstrapGrant, Phase};
use rstest::rstest;

/// A settled cluster of three after a change, and its plan.
fn after(change: impl FnOnce(&mut World)) -> (Observed, Plan) {
    planned(&wish(3), change)
}

pub(super) fn planned(wish: &Wish, change: impl FnOnce(&mut World)) -> (Observed, Plan) {
    let mut world = World::settled(&super::world::wish(3));
    change(&mut world);
    let observed = world.observe();
    let plan = plan(&observed, wish);
    plan.check(&observed).unwrap();
    (observed, plan)
}

pub(super) fn primary(world: &World) -> MemberId {
    world.known.rule.as_ref().unwrap().value.primary.member.clone()
}

pub(super) fn replica(world: &World) -> MemberId {
    let primary = primary(world);
    world.pods.values().filter_map(|p| p.member.clone()).find(|m| *m != primary).unwrap()
}

pub(super) fn reasons(plan: &Plan) -> Vec<&'static str> {
    plan.report.waiting.iter().map(|w| w.on.reason()).collect()
}

pub(super) fn deletes(plan: &Plan) -> Vec<(&str, Why)> {
    plan.steps()
        .filter_map(|step| {
            if let Step::DeletePod(delete) = step { Some((delete.name.as_str(), delete.why)) } else { None }
        })
        .collect()
}

fn creates(plan: &Plan) -> usize {
    plan.steps().filter(|step| matches!(step, Step::CreatePod { .. })).count()
}

#[test]
fn a_deleted_pod_comes_back_on_its_own_claim() {
    let mut identity = None;
    let (_, plan) = after(|world| {
        let member = replica(world);
        identity = world.known.intent.as_ref().unwrap().value.identity(&member);
        world.pods.remove(member.as_str());
    });
    let steps: Vec<&Step> = plan.steps().collect();
    assert_eq!(steps, [&Step::CreatePod { identity: identity.unwrap() }]);
}

#[test]
fn the_primarys_pod_comes_back_too() {
    let (_, plan) = after(|world| {
        let member = primary(world);
        world.pods.remove(member.as_str());
    });
    assert_eq!(creates(&plan), 1);
    assert_eq!(plan.report.conditions[0].reason, "MemberDown");
}

#[rstest]
#[case::node_ready_and_running(NodeState::Ready, false, None)]
#[case::ended_by_the_kubelet(NodeState::Ready, true, Some(Ended::Reported))]
#[case::silent(NodeState::NotReady, false, None)]
#[case::silent_but_reported_before(NodeState::NotReady, true, Some(Ended::Reported))]
#[case::gone(NodeState::Gone, false, Some(Ended::NodeGone))]
#[case::out_of_service(NodeState::OutOfService, false, Some(Ended::NodeOutOfService))]
fn a_pod_is_released_only_when_its_processes_have_ended(
    #[case] node: NodeState,
    #[case] ended: bool,
    #[case] expect: Option<Ended>,
) {
    let (_, plan) = after(|world| {
        let member = replica(world);
        let pod = world.pods.get_mut(member.as_str()).unwrap();
        pod.deleting = true;
        pod.node.as_mut().unwrap().state = node;
        if ended {
            pod.phase = PodPhase::Ended;
            pod.containers[0].state = ContainerState::Terminated { reason: "Completed".to_owned() };
        }
    });
    let released: Vec<Ended> = plan
        .steps()
        .filter_map(|step| if let Step::ReleasePod { because, .. } = step { Some(*because) } else { None })
        .collect();
    assert_eq!(released, expect.into_iter().collect::<Vec<_>>());
    assert_eq!(creates(&plan), 0, "the old pod is still there");
    assert_eq!(reasons(&plan).contains(&"NodeSilent"), node == NodeState::NotReady && !ended);
}

#[test]
fn an_ended_phase_with_a_running_container_is_no_end() {
    let (_, plan) = after(|world| {
        let member = replica(world);
        let pod = world.pods.get_mut(member.as_str()).unwrap();
        pod.deleting = true;
        pod.phase = PodPhase::Ended;
    });
    assert!(!plan.steps().any(|step| matches!(step, Step::ReleasePod { .. })));
}

#[test]
fn a_pod_that_ended_is_replaced_on_its_own_claim() {
    let mut name = String::new();
    let (_, plan) = after(|world| {
        name = primary(world).to_string();
        let pod = world.pods.get_mut(&name).unwrap();
        pod.phase = PodPhase::Ended;
        pod.containers[0].state = ContainerState::Terminated { reason: "Evicted".to_owned() };
        pod.ready = false;
    });
    assert_eq!(deletes(&plan), [(name.as_str(), Why::Ended)]);
}

#[test]
fn a_pod_that_never_started_is_replaced_when_the_spec_changed() {
    let stuck = |world: &mut World| {
        let member = replica(world);
        let pod = world.pods.get_mut(member.as_str()).unwrap();
        pod.phase = PodPhase::Pending;
        pod.ready = false;
        pod.containers[0].state = ContainerState::Waiting {
            reason: "ImagePullBackOff".to_owned(),
            message: "not found".to_owned(),
        };
    };
    let (_, same) = after(stuck);
    assert_eq!(deletes(&same), []);
    assert_eq!(reasons(&same), ["ImageNotAvailable"]);
    let mut fixed = desired(3);
    fixed.revision = "r2".to_owned();
    let (_, new) = planned(&fixed.checked(), stuck);
    assert_eq!(deletes(&new).iter().map(|(_, why)| *why).collect::<Vec<_>>(), [Why::NeverStarted]);
    assert!(reasons(&new).contains(&"OldRevision"), "those that serve are reported, and left alone");
}

#[test]
fn a_failing_replica_is_replaced_when_the_spec_changed_and_a_failing_primary_is_not() {
    for (is_primary, expect) in [(false, vec![Why::Failing]), (true, vec![])] {
        let mut fixed = desired(3);
        fixed.revision = "r2".to_owned();
        let (_, plan) = planned(&fixed.checked(), |world| {
            let member = if is_primary { primary(world) } else { replica(world) };
            let pod = world.pods.get_mut(member.as_str()).unwrap();
            pod.ready = false;
            pod.containers[0].restarted = true;
            pod.containers[0].state =
                ContainerState::Waiting { reason: "CrashLoopBackOff".to_owned(), message: String::new() };
        });
        assert_eq!(deletes(&plan).iter().map(|(_, why)| *why).collect::<Vec<_>>(), expect);
    }
}

#[test]
fn a_pod_of_our_name_that_is_somebody_elses_is_reported_and_left_alone() {
    let (_, plan) = after(|world| {
        let member = replica(world);
        let pod = world.pods.get_mut(member.as_str()).unwrap();
        pod.owner = Some(ClusterUid::new("uid-2").unwrap());
        pod.deleting = true;
        pod.phase = PodPhase::Ended;
    });
    assert!(plan.is_empty(), "{plan:#?}");
    assert_eq!(plan.report.in_place(), 2);
}

#[test]
fn a_refused_object_is_reported_with_what_would_help() {
    let mut world = World::settled(&wish(3));
    let member = replica(&world);
    world.pods.remove(member.as_str());
    let mut observed = world.observe();
    observed.refused.insert(
        Refused::Pod(member.to_string()),
        super::super::Refusal {
            kind: RefusalKind::Quota,
            message: "exceeded quota: pods=2".to_owned(),
            since: Time(7),
        },
    );
    let plan = plan(&observed, &wish(3));
    let blocked: Vec<&Waiting> = plan.report.blocked().collect();
    assert_eq!(blocked.len(), 1);
    assert_eq!((blocked[0].on.reason(), blocked[0].since), ("QuotaExceeded", Time(7)));
    assert!(blocked[0].on.unblock().contains("ResourceQuota"));
    assert_eq!(creates(&plan), 1, "it is tried again");
}

#[test]
fn the_primary_never_leaves_and_the_youngest_goes_first() {
    let mut world = World::settled(&wish(3));
    let mut claims: Vec<(Time, MemberId)> =
        world.claims.values().map(|c| (c.created, c.member.clone().unwrap())).collect();
    claims.sort();
    // The youngest becomes the primary: it must stay, and the one made before it goes.
    let youngest = claims[2].1.clone();
    let intent = world.known.intent.as_ref().unwrap().value.clone();
    let rule = &mut world.known.rule.as_mut().unwrap().value;
    rule.voters.insert(rule.primary.clone());
    rule.primary = intent.identity(&youngest).unwrap();
    let primary = rule.primary.clone();
    rule.voters.remove(&primary);
    rule.term = Term(2);
    world.settle(&wish(2));
    let left: Vec<MemberId> =
        world.claims.values().filter(|c| c.retired.is_some()).map(|c| c.member.clone().unwrap()).collect();
    assert_eq!(left, [claims[1].1.clone()]);
}

#[test]
fn a_member_that_is_not_in_place_leaves_before_one_that_is() {
    let mut world = World::settled(&wish(3));
    let oldest_replica = {
        let primary = primary(&world);
        let mut claims: Vec<(Time, MemberId)> = world
            .claims
            .values()
            .map(|c| (c.created, c.member.clone().unwrap()))
            .filter(|(_, m)| *m != primary)
            .collect();
        claims.sort();
        claims[0].1.clone()
    };
    world.pods.get_mut(oldest_replica.as_str()).unwrap().ready = false;
    let plan = plan(&world.observe(), &wish(2));
    let intent = plan
        .steps()
        .find_map(|step| if let Step::PutIntent { intent, .. } = step { Some(intent) } else { None });
    assert!(!intent.unwrap().members.contains_key(&oldest_replica));
}

#[test]
fn a_topology_that_was_lost_never_gets_a_second_grant() {
    let (_, plan) = after(|world| world.known = Known::default());
    let steps: Vec<&Step> = plan.steps().collect();
    assert_eq!(steps, [&Step::EnsureUser], "a primary that serves on may write its rule back");
    assert_eq!(reasons(&plan)[0], "TopologyLost");
    assert_eq!(plan.report.stage, Stage::Blocked);
    let blocked = plan.report.conditions.iter().find(|c| c.kind == ConditionType::Blocked).unwrap();
    assert_eq!((blocked.holds, blocked.reason), (Truth::True, "TopologyLost"));
}

#[test]
fn another_grant_in_the_topology_stops_everything() {
    let (_, plan) = after(|world| {
        world.known.rule = None;
        let cluster = world.cluster.as_mut().unwrap();
        cluster.bootstrapped = false;
        let intent = &mut world.known.intent.as_mut().unwrap().value;
        let to = intent.grant.as_ref().unwrap().to.clone();
        intent.grant = Some(BootstrapGrant { to, nonce: Nonce::new("other").unwrap() });
    });
    assert!(plan.is_empty());
    assert_eq!(reasons(&plan)[0], "GrantMismatch");
}

#[test]
fn a_granted_claim_that_is_gone_is_a_persons_matter() {
    let (_, plan) = after(|world| {
        world.known.rule = None;
        let cluster = world.cluster.as_mut().unwrap();
        cluster.bootstrapped = false;
        let granted = cluster.grant.as_ref().unwrap().claim.clone();
        world.claims.retain(|_, claim| claim.uid != granted);
    });
    assert!(!plan.steps().any(|step| matches!(step, Step::NoteGrant { .. } | Step::CreatePod { .. })));
    assert_eq!(reasons(&plan)[0], "GrantedClaimLost");
}

#[test]
fn an_empty_topology_that_is_only_away_is_not_a_lost_one() {
    let (_, plan) = after(|world| world.away = true);
    assert!(plan.is_empty());
    assert_eq!(reasons(&plan), ["TopologyAway"]);
    assert_eq!(plan.report.stage, Stage::Unknown);
    assert!(plan.report.conditions.iter().filter(|c| c.holds == Truth::Unknown).count() >= 3);
}

#[test]
fn a_claim_that_somebody_deletes_is_replaced_by_a_new_member_in_one_change_of_the_intent() {
    let mut world = World::settled(&wish(3));
    let member = replica(&world);
    world.claims.get_mut(&format!("{member}-data")).unwrap().deleting = true;
    let first = plan(&world.observe(), &wish(3));
    assert!(
        !first.steps().any(|step| matches!(step, Step::PutIntent { .. })),
        "nobody waits for fewer meanwhile"
    );
    world.settle(&wish(3));
    assert!(!world.claims.contains_key(&format!("{member}-data")));
    assert_eq!(world.normal().ready, 3);
}

#[rstest]
#[case::nobody_else_has_every_commit(0, 0, true)]
#[case::every_commit_is_on_a_replica(1, 1, false)]
#[case::async_with_a_lease(0, 1, false)]
fn the_primarys_claim_is_a_persons_matter_if_nobody_could_take_its_place(
    #[case] acks: u32,
    #[case] grants: u32,
    #[case] alone: bool,
) {
    let (_, plan) = after(|world| {
        let member = primary(world);
        world.claims.get_mut(&format!("{member}-data")).unwrap().deleting = true;
        let rule = &mut world.known.rule.as_mut().unwrap().value;
        (rule.acks, rule.grants) = (acks, grants);
    });
    assert_eq!(reasons(&plan)[0], "PrimaryClaimLost");
    assert_eq!(plan.report.waiting[0].on.needs() == Needs::Person, alone);
    assert_eq!(plan.report.waiting[0].on.unblock().contains("berth switchover"), !alone);
    assert_eq!(deletes(&plan), []);
}

#[rstest]
#[case::none(None, vec!["let Kubernetes evict a pod only while 2 others are available"])]
#[case::as_asked(Some(("uid-1", Some(2))), vec![])]
#[case::otherwise(Some(("uid-1", Some(1))), vec!["let Kubernetes evict a pod only while 2 others are available"])]
#[case::in_percent(Some(("uid-1", None)), vec!["let Kubernetes evict a pod only while 2 others are available"])]
#[case::somebody_elses(Some(("uid-2", Some(1))), vec![])]
fn the_disruption_budget_leaves_one_member_to_a_drain(
    #[case] there: Option<(&str, Option<u32>)>,
    #[case] steps: Vec<&str>,
) {
    let (_, plan) = after(|world| {
        world.budget = there.map(|(owner, min_available)| Budget {
            uid: "budget-1".to_owned(),
            owner: Some(ClusterUid::new(owner).unwrap()),
            min_available,
        });
    });
    assert_eq!(plan.steps().map(ToString::to_string).collect::<Vec<_>>(), steps);
}

#[test]
fn a_single_member_may_be_evicted() {
    assert_eq!(World::settled(&wish(1)).budget.unwrap().min_available, Some(0));
}

#[test]
fn a_volume_is_kept_before_its_deleted_claim_may_go() {
    let (_, plan) = after(|world| {
        let member = replica(world);
        let claim = world.claims.get_mut(&format!("{member}-data")).unwrap();
        claim.deleting = true;
        claim.volume.as_mut().unwrap().retained = false;
        let pod = world.pods.get_mut(member.as_str()).unwrap();
        pod.deleting = true;
        pod.phase = PodPhase::Ended;
        pod.containers[0].state = ContainerState::Terminated { reason: "Completed".to_owned() };
    });
    assert!(plan.steps().any(|step| matches!(step, Step::RetainVolume { .. })));
    assert!(!plan.steps().any(|step| matches!(step, Step::ReleasePod { .. })));
}

#[test]
fn a_paused_cluster_begins_nothing_and_tells_its_members() {
    let mut paused = desired(5);
    paused.paused = true;
    let (_, plan) = planned(&paused.checked(), |world| {
        let member = replica(world);
        world.pods.remove(member.as_str());
    });
    let steps: Vec<&Step> = plan.steps().collect();
    assert!(
        matches!(steps[..], [Step::PutIntent { intent, .. }] if intent.paused && intent.members.len() == 3),
        "{steps:#?}"
    );
    assert_eq!(plan.report.stage, Stage::Paused);
}

#[rstest]
#[case::none(0, 1, "spec.members")]
#[case::too_many(17, 1, "spec.members")]
#[case::acks(3, 3, "spec.durability.acks")]
#[case::no_acks(3, 0, "spec.durability.acks")]
fn a_wish_that_cannot_be_is_reported_and_nothing_is_touched(
    #[case] members: u32,
    #[case] acks: u32,
    #[case] field: &str,
) {
    let mut wrong = desired(members);
    wrong.durability.acks = acks;
    let wish = wrong.checked();
    assert!(matches!(&wish, Wish::Invalid(problems) if problems[0].field == field));
    let (_, plan) = planned(&wish, |_| {});
    assert!(plan.is_empty());
    assert_eq!(plan.report.stage, Stage::Invalid);
    assert!(plan.report.conditions[0].message.contains(field));
}

#[test]
fn a_refused_claim_is_tried_again_under_the_same_id() {
    let mut world = World::new();
    let wish = wish(1);
    while world.cluster.as_ref().unwrap().counter == 0 {
        world.reconcile(&wish, 1);
    }
    assert!(world.claims.is_empty());
    let mut observed = world.observe();
    let member = crate::ids::allocation::member_id(&observed.cluster.name.name, &observed.cluster.uid, 0);
    observed.refused.insert(
        Refused::Claim(format!("{member}-data")),
        super::super::Refusal { kind: RefusalKind::Webhook, message: "denied".to_owned(), since: Time(1) },
    );
    let plan = plan(&observed, &wish);
    let claims: Vec<&Step> =
        plan.steps().filter(|s| matches!(s, Step::CreateClaim { .. } | Step::NoteCounter { .. })).collect();
    assert_eq!(claims, [&Step::CreateClaim { name: format!("{member}-data"), member }]);
}

#[test]
fn a_wait_keeps_its_beginning_while_the_words_about_it_change() {
    let report = |message: &str, now| {
        let mut world = World::settled(&wish(3));
        let member = replica(&world);
        world.pods.get_mut(member.as_str()).unwrap().unschedulable = Some(message.to_owned());
        let mut observed = world.observe();
        observed.now = now;
        plan(&observed, &wish(3)).report
    };
    let first = report("0/3 nodes: too little memory", Time(100));
    let before: Vec<Before> = first
        .waiting
        .iter()
        .map(|w| Before { reason: w.on.reason().to_owned(), on: w.on.on(), since: w.since })
        .collect();
    let second = report("0/4 nodes: too little cpu", Time(200)).since(&before);
    assert_eq!(second.waiting[0].since, Time(100));
}

#[test]
fn unsafe_plans_are_found_whoever_made_them() {
    let world = World::settled(&wish(3));
    let observed = world.observe();
    let good = plan(&observed, &wish(3));
    let refused = |step: Step| {
        Plan { chains: vec![Chain(vec![step])], report: good.report.clone() }.check(&observed).unwrap_err()
    };
    let pod = |member: &MemberId, why| {
        let pod = &observed.pods[member.as_str()];
        DeletePod {
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            resource_version: pod.resource_version.clone(),
            term: Some(Term(1)),
            why,
        }
    };
    let (first, other) = (primary(&world), replica(&world));
    assert!(matches!(refused(Step::DeletePod(pod(&first, Why::Ended))), Unsafe::LeadersPod { .. }));
    assert!(matches!(refused(Step::DeletePod(pod(&other, Why::Left))), Unsafe::NotLeft { .. }));
    assert!(matches!(refused(Step::DeletePod(pod(&other, Why::ClusterDeleted))), Unsafe::WrongReason { .. }));
    let mut stale = pod(&other, Why::Left);
    stale.resource_version = "0".to_owned();
    assert!(matches!(refused(Step::DeletePod(stale)), Unsafe::Unobserved { .. }));
    assert!(matches!(refused(Step::RemoveRecords), Unsafe::Records { .. }));
    let grant = observed.cluster.grant.clone().unwrap();
    assert!(matches!(
        refused(Step::NoteGrant { grant, resource_version: String::new() }),
        Unsafe::Grant { .. }
    ));
    let claim = observed.claims.values().next().unwrap();
    let kept = Kept {
        name: claim.name.clone(),
        uid: claim.uid.clone(),
        resource_version: claim.resource_version.clone(),
    };
    assert!(matches!(refused(Step::RetireClaim { claim: kept }), Unsafe::NotLeft { .. }));
    let mut intent = observed.intent().unwrap().clone();
    intent.members.remove(&first);
    assert!(matches!(
        refused(Step::PutIntent { intent: Box::new(intent), expected: None }),
        Unsafe::Intent { .. }
    ));
    let both = Plan {
        chains: observed
            .own_pods()
            .map(|(member, _)| Chain(vec![Step::DeletePod(pod(member, Why::Left))]))
            .collect(),
        report: good.report.clone(),
    };
    assert_eq!(both.check(&observed), Err(Unsafe::TooMany { count: 3 }));
    assert_eq!(observed.rule().unwrap().phase, Phase::Serving);
}

#[test]
fn a_persons_word_lets_a_lost_topology_be_rebuilt_by_all_who_have_a_claim() {
    let (observed, _) = after(|world| world.known = Known { user: true, ..Known::default() });
    let mut wished = wish(3);
    let Wish::Valid(desired) = &mut wished else { panic!("{wished:?}") };
    let given_up = observed.claims.values().find_map(|claim| claim.member.clone()).unwrap();
    desired.rebuild = Some(RebuildWord {
        token: "again".to_owned(),
        without: vec![given_up.to_string(), "nobody".to_owned()],
    });
    let plan = plan(&observed, &wished);
    let intent = plan
        .steps()
        .find_map(|step| if let Step::PutIntent { intent, .. } = step { Some(intent) } else { None });
    let rebuild = intent.unwrap().rebuild.clone().unwrap();
    let of: Vec<&MemberId> = rebuild.of.iter().map(|identity| &identity.member).collect();
    assert!(of.len() == 2 && !of.contains(&&given_up) && rebuild.of.contains(&rebuild.by), "{rebuild:?}");
    assert_eq!(reasons(&plan)[0], "TopologyLost", "until there is a rule again");
    assert_eq!(plan.check(&observed), Ok(()));
    let intent = Stored { value: (**intent.unwrap()).clone(), revision: Revision(1) };
    let known = Known { user: true, intent: Some(intent), ..Known::default() };
    let told = Observed {
        topology: Topology::Known(Box::new(known)),
        pods: std::collections::BTreeMap::new(),
        ..observed
    };
    let next = super::super::plan(&told, &wished);
    let pods = next.steps().filter(|step| matches!(step, Step::CreatePod { .. })).count();
    assert_eq!((pods, next.check(&told)), (3, Ok(())), "members that are gone come back to answer");
}

#[test]
fn the_same_word_says_nothing_while_the_topology_knows_the_cluster() {
    let (observed, _) = after(|_| ());
    let mut wished = wish(3);
    let Wish::Valid(desired) = &mut wished else { panic!("{wished:?}") };
    desired.rebuild = Some(RebuildWord { token: "again".to_owned(), without: Vec::new() });
    assert!(plan(&observed, &wished).is_empty());
}
