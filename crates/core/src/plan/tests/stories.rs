//! Whole stories as the list of steps of each reconcile.

use super::world::{World, desired, wish};
use crate::plan::{Wish, plan};
use std::fmt::Write;

/// Goes on until nothing changes, and writes down what each plan does and what the primary's side of the world is then.
fn story(world: &mut World, wish: &Wish) -> String {
    let mut text = String::new();
    for _ in 0..100 {
        let Some(_) = world.cluster else { break };
        let plan = plan(&world.observe(), wish);
        plan.check(&world.observe()).unwrap();
        for step in plan.steps() {
            writeln!(text, "  {step}").unwrap();
        }
        let done = world.reconcile(wish, usize::MAX);
        if done > 0 {
            writeln!(text, "- {:?}", plan.report.stage).unwrap();
        }
        if !world.turn() && done == 0 {
            break;
        }
    }
    text
}

#[test]
fn a_cluster_of_three_comes_up() {
    insta::assert_snapshot!(story(&mut World::new(), &wish(3)));
}

#[test]
fn a_cluster_shrinks_to_one() {
    let mut world = World::settled(&wish(3));
    insta::assert_snapshot!(story(&mut world, &wish(1)));
    assert_eq!(world.claims.len(), 3, "claims are kept");
}

#[test]
fn a_cluster_is_deleted() {
    let mut world = World::settled(&wish(3));
    world.cluster.as_mut().unwrap().deleting = true;
    insta::assert_snapshot!(story(&mut world, &wish(3)));
    assert!(world.cluster.is_none());
    assert!(world.claims.values().all(|c| c.retired.is_some() && c.volume.as_ref().unwrap().retained));
}

#[test]
fn a_cluster_at_rest_plans_nothing_and_reports_that_all_is_well() {
    let world = World::settled(&wish(3));
    let plan = plan(&world.observe(), &wish(3));
    assert!(plan.is_empty());
    insta::assert_yaml_snapshot!(plan.report);
}

#[test]
fn a_cluster_at_rest_grows_its_volumes_first() {
    let mut world = World::settled(&wish(3));
    let mut larger = desired(3);
    larger.size = crate::plan::Size { bytes: 2 << 30, text: "2Gi".to_owned() };
    insta::assert_snapshot!(story(&mut world, &larger.checked()));
}
