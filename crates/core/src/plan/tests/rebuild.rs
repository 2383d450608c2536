//! A member whose data is beyond repair: another is made in its place, and nothing of it is lost.

use super::tables::{deletes, primary, reasons, replica};
use super::world::{World, wish};
use crate::plan::*;
use crate::topology::Phase;

fn claims_made(plan: &Plan) -> usize {
    plan.steps().filter(|step| matches!(step, Step::CreateClaim { .. })).count()
}

#[test]
fn a_new_member_takes_the_place_of_one_beyond_repair_and_the_old_claim_is_kept() {
    let mut world = World::settled(&wish(3));
    let spoilt = replica(&world);
    world.spoilt.insert(spoilt.clone());
    world.turn();
    let plan = plan(&world.observe(), &wish(3));
    assert_eq!(claims_made(&plan), 1);
    assert!(deletes(&plan).is_empty(), "the old one stays until the new one has its claim");
    assert_eq!(reasons(&plan), ["MemberRebuilt"]);
    world.settle(&wish(3));
    assert_eq!((world.pods.len(), world.claims.len()), (3, 4));
    assert!(!world.pods.contains_key(spoilt.as_str()));
    let kept = &world.claims[&format!("{spoilt}-data")];
    assert!(kept.retired.is_some() && kept.volume.as_ref().unwrap().retained);
}

#[test]
fn no_member_is_replaced_while_no_primary_is_in_place() {
    for electing in [true, false] {
        let mut world = World::settled(&wish(3));
        let (spoilt, primary) = (replica(&world), primary(&world));
        world.spoilt.insert(spoilt);
        world.turn();
        if electing {
            world.known.rule.as_mut().unwrap().value.phase = Phase::Electing;
        } else {
            world.pods.get_mut(primary.as_str()).unwrap().ready = false;
        }
        let plan = plan(&world.observe(), &wish(3));
        assert_eq!(claims_made(&plan), 0, "its volume may hold what nobody else has");
    }
}

#[test]
fn a_cause_that_spoils_each_copy_does_not_use_up_claim_after_claim() {
    let mut world = World::settled(&wish(3));
    for _ in 0..30 {
        let leader = primary(&world);
        let all = world.pods.values().filter_map(|pod| pod.member.clone()).filter(|member| *member != leader);
        world.spoilt.extend(all);
        world.reconcile(&wish(3), usize::MAX);
        world.turn();
    }
    assert!(
        world.claims.len() <= 5,
        "two are replaced at once, then nobody for a while: {}",
        world.claims.len()
    );
}

#[test]
fn what_a_member_said_on_another_claim_is_not_held_against_it() {
    let mut world = World::settled(&wish(3));
    let member = replica(&world);
    let record = world.known.members.get_mut(&member).unwrap();
    record.beyond_repair = Some("of another claim".to_owned());
    record.identity.claim = crate::ids::ClaimUid::new("before").unwrap();
    assert_eq!(claims_made(&plan(&world.observe(), &wish(3))), 0);
}
