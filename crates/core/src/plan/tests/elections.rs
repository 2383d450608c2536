//! Changed primaries: what the planner does and says while one is being elected, hands over, or is asked to.

use super::tables::{deletes, planned, primary, reasons, replica};
use super::world::{World, desired, wish};
use crate::ids::{ClaimUid, MemberId, Nonce};
use crate::plan::*;
use crate::term::Term;
use crate::topology::{Cause, DurabilityMode, Identity, Mishap, OnLoss, Phase, Proposal, Rule};
use rstest::rstest;
use std::collections::BTreeSet;

fn rule(world: &mut World) -> &mut Rule {
    &mut world.known.rule.as_mut().unwrap().value
}

fn identity(world: &World, member: &MemberId) -> Identity {
    world.known.intent.as_ref().unwrap().value.identity(member).unwrap()
}

/// A replica coordinates the election of term 2, and has chosen itself if `chosen`.
fn electing(world: &mut World, chosen: bool) {
    let candidate = identity(world, &replica(world));
    let rule = rule(world);
    (rule.term, rule.phase) = (Term(2), Phase::Electing);
    rule.coordinator = Some(candidate.clone());
    let voters: BTreeSet<Identity> = rule.voters.iter().filter(|v| **v != candidate).cloned().collect();
    rule.proposal = chosen.then_some(Proposal { candidate, voters, acks: 1, grants: 1, end: None });
}

/// One of the settled cluster's situations without a primary that serves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Moment {
    Serving,
    Switching,
    Voting,
    Chosen,
}

impl Moment {
    fn set(self, world: &mut World) {
        match self {
            Self::Serving => {}
            Self::Switching => rule(world).phase = Phase::Switching,
            Self::Voting => electing(world, false),
            Self::Chosen => electing(world, true),
        }
    }
}

fn intents(plan: &Plan) -> Vec<&crate::topology::Intent> {
    plan.steps()
        .filter_map(|step| if let Step::PutIntent { intent, .. } = step { Some(&**intent) } else { None })
        .collect()
}

fn condition(plan: &Plan, kind: ConditionType) -> (Truth, &'static str, &str) {
    let found = plan.report.conditions.iter().find(|c| c.kind == kind).unwrap();
    (found.holds, found.reason, &found.message)
}

/// A text with the members' ids by what they are to the settled cluster.
fn plain(world: &World, text: &str) -> String {
    let (first, next) = (primary(world), replica(world));
    let other = world.pods.values().filter_map(|p| p.member.clone()).find(|m| *m != first && *m != next);
    let mut text = text.replace(first.as_str(), "FIRST").replace(next.as_str(), "NEXT");
    if let Some(other) = other {
        text = text.replace(other.as_str(), "OTHER");
    }
    text
}

#[rstest]
fn a_lost_pod_is_made_again_at_once_whoever_is_primary_now(
    #[values(Moment::Serving, Moment::Switching, Moment::Voting, Moment::Chosen)] moment: Moment,
    #[values(0, 1, 2)] lost: usize,
) {
    let mut expected = None;
    let (_, plan) = planned(&wish(3), |world| {
        moment.set(world);
        let member = world.pods.values().nth(lost).unwrap().member.clone().unwrap();
        expected = Some(Step::CreatePod { identity: identity(world, &member) });
        world.pods.remove(member.as_str());
    });
    assert_eq!(plan.steps().collect::<Vec<_>>(), [&expected.unwrap()]);
}

#[rstest]
#[case(Moment::Serving, 1)]
#[case(Moment::Switching, 3)]
#[case(Moment::Voting, 3)]
#[case(Moment::Chosen, 3)]
fn nobody_is_chosen_to_leave_while_a_primary_is(#[case] moment: Moment, #[case] members: usize) {
    let (observed, plan) = planned(&wish(1), |world| moment.set(world));
    let told = intents(&plan).first().copied().or(observed.intent()).unwrap().members.clone();
    assert_eq!(told.len(), members);
    assert!(told.contains_key(&observed.leader().unwrap().member));
}

#[test]
fn the_new_primary_stays_when_the_cluster_shrinks() {
    let mut world = World::settled(&wish(3));
    let first = primary(&world);
    world.pods.remove(first.as_str());
    while primary(&world) == first {
        world.turn();
    }
    let second = primary(&world);
    world.settle(&wish(1));
    assert_eq!(primary(&world), second);
    let left = world.claims.values().filter(|c| c.retired.is_some()).count();
    assert_eq!((left, world.pods.keys().collect::<Vec<_>>()), (2, vec![&second.to_string()]));
}

#[test]
fn the_pod_of_a_member_that_leaves_is_kept_until_the_rule_has_let_go_of_it() {
    let lost = |named: bool| {
        planned(&wish(1), |world| {
            let member = replica(world);
            let first = primary(world);
            world.known.intent.as_mut().unwrap().value.members.retain(|m, _| *m == first);
            if !named {
                rule(world).voters.clear();
                rule(world).acks = 0;
            }
            world.pods.remove(member.as_str());
        })
        .1
    };
    let made = |plan: &Plan| plan.steps().filter(|step| matches!(step, Step::CreatePod { .. })).count();
    assert_eq!(made(&lost(true)), 1);
    assert_eq!(made(&lost(false)), 0);
}

#[test]
fn who_is_about_to_be_primary_stays_in_the_intent_though_its_claim_is_being_deleted() {
    let (_, plan) = planned(&wish(3), |world| {
        electing(world, true);
        let candidate = replica(world);
        let claim = world.claims.get_mut(&format!("{candidate}-data")).unwrap();
        claim.deleting = true;
        // Its replacement is there already, so that nothing else keeps it in the intent.
        let mut new = claim.clone();
        new.deleting = false;
        new.name = "orders-bbbbb-data".to_owned();
        new.member = Some(MemberId::new("orders-bbbbb").unwrap());
        new.uid = ClaimUid::new("claim-new").unwrap();
        world.claims.insert(new.name.clone(), new);
    });
    assert_eq!(intents(&plan), Vec::<&crate::topology::Intent>::new());
}

#[rstest]
#[case::chosen(true, 1)]
#[case::nobody_is_chosen_yet(false, 0)]
fn a_lost_primarys_successor_is_told_to_the_members_once_another_was_chosen(
    #[case] chosen: bool,
    #[case] told: usize,
) {
    let mut lost = None;
    let (_, plan) = planned(&wish(3), |world| {
        electing(world, chosen);
        let first = primary(world);
        lost = Some(first.clone());
        world.pods.remove(first.as_str());
        let mut new = world.claims.remove(&format!("{first}-data")).unwrap();
        new.name = "orders-bbbbb-data".to_owned();
        new.member = Some(MemberId::new("orders-bbbbb").unwrap());
        new.uid = ClaimUid::new("claim-new").unwrap();
        world.claims.insert(new.name.clone(), new);
    });
    let intents = intents(&plan);
    assert_eq!(intents.len(), told, "{plan:#?}");
    let first = lost.unwrap();
    for intent in intents {
        assert!(intent.members.contains_key(&MemberId::new("orders-bbbbb").unwrap()));
        assert!(!intent.members.contains_key(&first));
    }
}

#[rstest]
#[case::the_candidate(true, vec![])]
#[case::who_served_last(false, vec![Why::Failing])]
fn a_failing_pod_is_replaced_when_the_spec_changed_unless_its_member_leads(
    #[case] leads: bool,
    #[case] expect: Vec<Why>,
) {
    let mut fixed = desired(3);
    fixed.revision = "r2".to_owned();
    let (_, plan) = planned(&fixed.checked(), |world| {
        electing(world, true);
        let member = if leads { replica(world) } else { primary(world) };
        let pod = world.pods.get_mut(member.as_str()).unwrap();
        pod.ready = false;
        pod.containers[0].restarted = true;
        pod.containers[0].state =
            ContainerState::Waiting { reason: "CrashLoopBackOff".to_owned(), message: String::new() };
    });
    assert_eq!(deletes(&plan).iter().map(|(_, why)| *why).collect::<Vec<_>>(), expect);
}

#[rstest]
#[case::voting(Moment::Voting, &[], "Electing", "term 2 is being elected, and NEXT counts the votes; FIRST served last")]
#[case::chosen(Moment::Chosen, &[0], "Electing", "NEXT was chosen for term 2 and is being promoted; FIRST served last")]
#[case::without_the_last(Moment::Voting, &[0], "NoQuorum", "term 2 is being elected, and NEXT counts the votes; FIRST served last; it waits for FIRST or 2 of OTHER, NEXT: 1 of these run; if the others are lost for good, see berth accept-loss")]
#[case::with_the_last(Moment::Voting, &[1], "Electing", "term 2 is being elected, and NEXT counts the votes; FIRST served last")]
#[case::switching(Moment::Switching, &[], "Switching", "FIRST hands over in term 1")]
fn what_an_election_does_and_lacks_is_said(
    #[case] moment: Moment,
    #[case] lost: &[usize],
    #[case] reason: &str,
    #[case] message: &str,
) {
    let mut settled = None;
    let (_, plan) = planned(&wish(3), |world| {
        moment.set(world);
        settled = Some(World::settled(&wish(3)));
        let (first, next) = (primary(world), replica(world));
        let other = world.pods.values().filter_map(|p| p.member.clone()).find(|m| *m != first && *m != next);
        let gone = [vec![first, other.clone().unwrap()], vec![other.unwrap()]];
        for member in lost.iter().flat_map(|case| &gone[*case]) {
            world.pods.remove(member.as_str());
        }
    });
    let (holds, said, words) = condition(&plan, ConditionType::Available);
    assert_eq!((holds, said), (Truth::False, reason));
    let words = plain(&settled.unwrap(), words);
    // Voters are told in the order of their ids, which has nothing to do with what they are here.
    assert_eq!(words.replace("NEXT, OTHER", "OTHER, NEXT"), message);
    assert_eq!(plan.report.primary, None);
    let switching = moment == Moment::Switching;
    assert_eq!(plan.report.stage, if switching { Stage::Switching } else { Stage::Electing });
    let first = if switching { "Switching" } else { "Electing" };
    assert!(reasons(&plan).contains(&first), "{:?}", reasons(&plan));
}

#[rstest]
#[case::its_gate_is_shut(&[], "NoQuorum", "FIRST: it is the primary, and its gate is still shut")]
#[case::it_is_gone(&["FIRST"], "NoPrimary", "FIRST: it has no pod yet; the others elect another")]
#[case::too_many_are_gone(&["FIRST", "NEXT"], "NoQuorum", "FIRST: it has no pod yet; it waits for FIRST or 2 of NEXT, OTHER: 1 of these run; if the others are lost for good, see berth accept-loss")]
fn a_primary_that_does_not_serve_before_anybody_is_elected(
    #[case] lost: &[&str],
    #[case] reason: &str,
    #[case] message: &str,
) {
    let settled = World::settled(&wish(3));
    let (_, plan) = planned(&wish(3), |world| {
        let first = primary(world);
        world.pods.get_mut(first.as_str()).unwrap().ready = false;
        for who in lost {
            drop(world.pods.remove(&named(&settled, who)));
        }
    });
    let (holds, said, words) = condition(&plan, ConditionType::Available);
    assert_eq!((holds, said), (Truth::False, reason));
    assert_eq!(plain(&settled, words).replace("OTHER, NEXT", "NEXT, OTHER"), message);
}

#[test]
fn a_primary_that_alone_has_every_commit_is_waited_for() {
    let mut settled = None;
    let (_, plan) = planned(&wish(3), |world| {
        settled = Some(World::settled(&wish(3)));
        let first = primary(world);
        let rule = rule(world);
        (rule.phase, rule.coordinator) = (Phase::Electing, Some(rule.primary.clone()));
        (rule.acks, rule.grants) = (0, 0);
        world.pods.remove(first.as_str());
    });
    let (_, reason, words) = condition(&plan, ConditionType::Available);
    let words = plain(&settled.unwrap(), words);
    assert_eq!(reason, "NoPrimary");
    assert!(words.ends_with("it waits for FIRST, which alone has every commit and does not run; if it is lost for good, see berth accept-loss"), "{words}");
}

#[test]
fn roles_are_the_rules_word() {
    let roles = |moment: Moment| {
        let (observed, plan) = planned(&wish(3), |world| moment.set(world));
        let rule = observed.rule().unwrap().clone();
        let of =
            |identity: &Identity| plan.report.members.iter().find(|m| m.identity == *identity).unwrap().role;
        (of(&rule.primary), rule.proposal.map(|next| of(&next.candidate)))
    };
    assert_eq!(roles(Moment::Serving), (Role::Primary, None));
    assert_eq!(roles(Moment::Switching), (Role::Primary, None));
    assert_eq!(roles(Moment::Voting), (Role::Replica, None));
    assert_eq!(roles(Moment::Chosen), (Role::Replica, Some(Role::Candidate)));
}

fn asking(token: &str, to: Option<&str>) -> Desired {
    Desired { switchover: Some(Request { token: token.to_owned(), to: to.map(str::to_owned) }), ..desired(3) }
}

/// A member of the settled cluster, by what it is to it.
fn named(world: &World, who: &str) -> String {
    match who {
        "FIRST" => primary(world).to_string(),
        "NEXT" => replica(world).to_string(),
        other => other.to_owned(),
    }
}

#[rstest]
#[case::to_anybody(None, Moment::Serving, Switched::Asked, "FIRST is asked to hand over", Some("anybody"))]
#[case::to_a_replica(
    Some("NEXT"),
    Moment::Serving,
    Switched::Asked,
    "FIRST is asked to hand over",
    Some("NEXT")
)]
#[case::to_the_primary(
    Some("FIRST"),
    Moment::Serving,
    Switched::Done,
    "FIRST is the primary already",
    Some("FIRST")
)]
#[case::to_nobody(
    Some("orders-zzzzz"),
    Moment::Serving,
    Switched::Refused,
    "there is no member orders-zzzzz; name one of ",
    None
)]
#[case::to_no_id(
    Some("Noon!"),
    Moment::Serving,
    Switched::Refused,
    "there is no member Noon!; name one of ",
    None
)]
#[case::switching(None, Moment::Switching, Switched::UnderWay, "FIRST hands over", Some("anybody"))]
#[case::electing(None, Moment::Chosen, Switched::UnderWay, "term 2 is being elected", Some("anybody"))]
fn a_switchover_is_passed_on_if_it_can_be_done_and_reported_in_any_case(
    #[case] to: Option<&str>,
    #[case] moment: Moment,
    #[case] state: Switched,
    #[case] message: &str,
    #[case] told: Option<&str>,
) {
    let settled = World::settled(&wish(3));
    let to = to.map(|to| named(&settled, to));
    let (_, plan) = planned(&asking("a", to.as_deref()).checked(), |world| moment.set(world));
    let report = plan.report.switchover.clone().unwrap();
    assert_eq!((report.request.as_str(), report.state), ("a", state));
    assert!(plain(&settled, &report.message).starts_with(message), "{}", report.message);
    let asked = intents(&plan).first().and_then(|intent| intent.switchover.clone());
    let asked = asked.map(|asked| asked.to.map_or_else(|| "anybody".to_owned(), |to| to.to_string()));
    assert_eq!(asked, told.map(|to| named(&settled, to)));
}

#[test]
fn a_switchover_that_cannot_be_stops_nothing_else() {
    let (_, plan) = planned(&asking("a", Some("orders-zzzzz")).checked(), |world| {
        let member = replica(world);
        world.pods.remove(member.as_str());
    });
    assert_eq!(plan.steps().filter(|step| matches!(step, Step::CreatePod { .. })).count(), 1);
    assert_eq!(plan.report.stage, Stage::Serving);
    assert_eq!(condition(&plan, ConditionType::Blocked).0, Truth::False);
    // What a member waits for comes first, here and in what Ready says.
    assert_eq!(reasons(&plan), ["MemberNotInPlace", "SwitchoverRefused"]);
    assert_eq!(condition(&plan, ConditionType::Ready).1, "MemberDown");
    let blocked: Vec<&Waiting> = plan.report.blocked().collect();
    assert_eq!(blocked.len(), 1);
    assert!(blocked[0].on.unblock().contains("everything else goes on"));
}

#[test]
fn a_refused_switchover_alone_makes_the_cluster_not_ready_and_says_why() {
    let (_, plan) = planned(&asking("a", Some("orders-zzzzz")).checked(), |_| {});
    let (holds, reason, message) = condition(&plan, ConditionType::Ready);
    assert_eq!((holds, reason), (Truth::False, "Invalid"));
    assert!(message.starts_with("spec.failover.switchover: there is no member orders-zzzzz"), "{message}");
    assert_eq!(condition(&plan, ConditionType::Available).0, Truth::True);
}

/// Whoever waits for its end finds a primary then.
#[rstest]
#[case::while_clients_wait(Moment::Switching, Mishap::HandedOver, Switched::UnderWay, "FIRST hands over")]
#[case::while_the_next_is_elected(
    Moment::Chosen,
    Mishap::HandedOver,
    Switched::UnderWay,
    "term 2 is being elected"
)]
#[case::when_something_came_between(
    Moment::Chosen,
    Mishap::Silent,
    Switched::Done,
    "it has ended; term 2 is being elected"
)]
fn a_switchover_that_was_begun_is_done_when_somebody_serves(
    #[case] moment: Moment,
    #[case] what: Mishap,
    #[case] state: Switched,
    #[case] message: &str,
) {
    let settled = World::settled(&wish(3));
    let (_, plan) = planned(&asking("a", None).checked(), |world| {
        moment.set(world);
        let leader = primary(world);
        let rule = rule(world);
        rule.switched = Some(Nonce::new("a").unwrap());
        rule.cause = Some(Cause { leader, what });
    });
    let report = plan.report.switchover.as_ref().unwrap();
    assert_eq!((report.state, plain(&settled, &report.message).as_str()), (state, message));
}

#[rstest]
#[case::a_member_that_left(
    Some("orders-zzzzz"),
    "it has ended; FIRST is the primary of term 1, not orders-zzzzz"
)]
#[case::anybody(None, "it is done; FIRST is the primary of term 1")]
fn a_switchover_that_was_done_stays_done(#[case] to: Option<&str>, #[case] message: &str) {
    let settled = World::settled(&wish(3));
    let (_, plan) = planned(&asking("a", to).checked(), |world| {
        rule(world).switched = Some(Nonce::new("a").unwrap());
    });
    let report = plan.report.switchover.as_ref().unwrap();
    assert_eq!((report.state, plain(&settled, &report.message).as_str()), (Switched::Done, message));
    assert_eq!(reasons(&plan), Vec::<&str>::new());
}

#[test]
fn a_switchover_waits_for_a_replica_that_is_behind_and_for_the_end_of_a_pause() {
    let said = |pause: bool| {
        let mut settled = None;
        let mut asked = asking("a", None);
        asked.paused = pause;
        let (_, plan) = planned(&asked.checked(), |world| {
            settled = Some(World::settled(&wish(3)));
            world.pods.values_mut().for_each(|pod| pod.ready = false);
        });
        plain(&settled.unwrap(), &plan.report.switchover.unwrap().message)
    };
    assert_eq!(said(false), "it begins once a replica has caught up with FIRST");
    assert_eq!(said(true), "it begins once the cluster is not paused any more");
}

#[test]
fn a_single_member_has_nobody_to_hand_over_to() {
    let one = Desired { members: 1, ..asking("a", None) };
    let (_, plan) = planned(&one.checked(), |_| {});
    assert_eq!(plan.report.switchover.unwrap().state, Switched::Refused);
}

#[test]
fn a_switchover_asked_for_is_done_once_and_the_world_comes_to_rest() {
    let mut world = World::settled(&wish(3));
    let (first, next) = (primary(&world), replica(&world));
    let asked = asking("noon", Some(next.as_str())).checked();
    world.settle(&asked);
    assert_eq!(primary(&world), next);
    let report = plan(&world.observe(), &asked).report;
    assert_eq!(report.switchover.unwrap().message, format!("it is done; {next} is the primary of term 2"));
    // The same request again is none: the primary may change meanwhile without anybody switching back.
    world.pods.remove(next.as_str());
    world.settle(&asked);
    let third = primary(&world);
    assert_ne!(third, next);
    world.settle(&asking("evening", Some(first.as_str())).checked());
    assert_eq!(primary(&world), first);
}

#[rstest]
#[case::enough(
    OnLoss::Degrade,
    1,
    Truth::True,
    "Durable",
    "every commit is on the primary and 1 of 2 replicas"
)]
#[case::blocked(
    OnLoss::Block,
    0,
    Truth::False,
    "Degraded",
    "commits wait for 0 replicas, and 1 are asked for"
)]
#[case::degraded(
    OnLoss::Degrade,
    0,
    Truth::False,
    "Degraded",
    "commits wait for 0 replicas, and 1 are asked for: replicas are away, and spec.durability.onLoss is Degrade"
)]
fn durability_below_what_is_asked_for_is_said(
    #[case] on_loss: OnLoss,
    #[case] acks: u32,
    #[case] holds: Truth,
    #[case] reason: &str,
    #[case] message: &str,
) {
    let mut asked = desired(3);
    asked.durability.on_loss = on_loss;
    assert_eq!(asked.durability.mode, DurabilityMode::Quorum);
    let (_, plan) = planned(&asked.checked(), |world| {
        let rule = rule(world);
        rule.acks = acks;
        rule.term = Term(4);
    });
    assert_eq!(condition(&plan, ConditionType::Durable), (holds, reason, message));
    let told = intents(&plan).iter().any(|intent| intent.durability.on_loss == on_loss);
    assert_eq!(told, on_loss == OnLoss::Degrade, "what changed is told to the members");
}

#[test]
fn an_intent_that_drops_the_next_primary_or_asks_for_nobody_is_refused() {
    let mut world = World::settled(&wish(3));
    electing(&mut world, true);
    let observed = world.observe();
    let report = plan(&observed, &wish(3)).report;
    let refused = |change: &dyn Fn(&mut crate::topology::Intent)| {
        let mut intent = observed.intent().unwrap().clone();
        change(&mut intent);
        let step = Step::PutIntent { intent: Box::new(intent), expected: None };
        Plan { chains: vec![Chain(vec![step])], report: report.clone() }.check(&observed)
    };
    let (last, next) = (primary(&world), replica(&world));
    assert_eq!(refused(&|_| {}), Ok(()));
    let why = |result: Result<(), Unsafe>| {
        if let Err(Unsafe::Intent { why }) = result { why } else { panic!("{result:?}") }
    };
    assert_eq!(why(refused(&|i| drop(i.members.remove(&last)))), "the primary would leave");
    assert_eq!(why(refused(&|i| drop(i.members.remove(&next)))), "who is about to be primary would leave");
    let nobody = crate::topology::Switchover {
        nonce: Nonce::new("a").unwrap(),
        to: Some(MemberId::new("orders-zzzzz").unwrap()),
    };
    assert_eq!(why(refused(&|i| i.switchover = Some(nobody.clone()))), "it asks for a switchover to nobody");
}
