//! Members whose data volumes are full: said as what a person must see to, and nothing is begun for it.

use super::tables::{primary, reasons, replica};
use super::world::{World, wish};
use crate::disk::Space;
use crate::ids::MemberId;
use crate::plan::*;

fn with_full(member: impl Fn(&World) -> MemberId) -> (World, Plan, MemberId) {
    let mut world = World::settled(&wish(3));
    let full = member(&world);
    world.spaces.insert(full.clone(), Space::Full);
    world.turn();
    let plan = plan(&world.observe(), &wish(3));
    (world, plan, full)
}

fn condition(plan: &Plan, kind: ConditionType) -> (Truth, &str, &str) {
    let found = plan.report.conditions.iter().find(|condition| condition.kind == kind).unwrap();
    (found.holds, found.reason, &found.message)
}

#[test]
fn a_full_primary_refuses_writes_until_there_is_room() {
    let (mut world, full_plan, full) = with_full(primary);
    assert_eq!(full_plan.steps().count(), 0, "nothing is done to a member for it");
    assert_eq!(reasons(&full_plan), ["DiskFull"]);
    for kind in [ConditionType::Available, ConditionType::Ready] {
        let (holds, reason, message) = condition(&full_plan, kind);
        assert_eq!((holds, reason), (Truth::False, "DiskFull"), "{message}");
        assert!(
            message.contains(full.as_str()) && message.contains("refuses writes")
                || kind == ConditionType::Ready
        );
    }
    let (holds, reason, message) = condition(&full_plan, ConditionType::Blocked);
    assert_eq!((holds, reason), (Truth::True, "DiskFull"));
    assert!(message.contains("spec.storage.data.size"), "{message}");
    assert_eq!(full_plan.report.stage, Stage::Blocked);

    world.spaces.clear();
    world.turn();
    let after = plan(&world.observe(), &wish(3));
    assert_eq!(condition(&after, ConditionType::Available).0, Truth::True);
    assert_eq!(
        (condition(&after, ConditionType::Ready).0, after.report.stage),
        (Truth::True, Stage::Serving)
    );
}

#[test]
fn a_full_replica_is_told_and_writes_go_on() {
    let (_, plan, full) = with_full(replica);
    assert_eq!(reasons(&plan), ["DiskFull"]);
    assert!(plan.report.waiting[0].on.on().contains(full.as_str()));
    assert_eq!(condition(&plan, ConditionType::Available).0, Truth::True);
    assert_eq!(condition(&plan, ConditionType::Blocked).0, Truth::True);
    assert_eq!(plan.report.stage, Stage::Serving);
}
