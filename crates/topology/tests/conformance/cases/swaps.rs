//! Compare-and-swap: what makes the topology the one place that says who is primary.

use crate::fixture::Cluster;
use crate::watching::Ears;
use crate::world::World;
use berth_core::topology::{Admission, Phase};
use berth_topology::{Change, Revision, Scope, Topology, TopologyError};
use futures::future::join_all;
use std::fmt::Debug;
use std::sync::Arc;

fn assert_conflict<T: Debug>(result: &Result<T, TopologyError>) {
    assert!(matches!(result, Err(TopologyError::Conflict { .. })), "{result:?}");
}

pub(crate) async fn a_swap_expects_what_was_read(world: &dyn World) {
    let orders = Cluster::orders();
    let topology = world.operator();
    let swap = |term, expected| {
        let (topology, orders) = (Arc::clone(&topology), orders.clone());
        async move { topology.swap_rule(&orders.uid, &orders.rule(term), &orders.route(term), expected).await }
    };
    assert_conflict(&swap(1, Some(Revision(1))).await);
    let first = swap(1, None).await.unwrap();
    assert_conflict(&swap(2, None).await);
    let second = swap(2, Some(first)).await.unwrap();
    assert_conflict(&swap(3, Some(first)).await);
    let snapshot = topology.read(&orders.uid).await.unwrap();
    assert_eq!(snapshot.rule.map(|rule| (rule.value.term.0, rule.revision)), Some((2, second)));
}

pub(crate) async fn a_lower_term_never_replaces_a_higher(world: &dyn World) {
    let orders = Cluster::orders();
    let topology = world.operator();
    let at = topology.swap_rule(&orders.uid, &orders.rule(5), &orders.route(5), None).await.unwrap();
    assert_conflict(&topology.swap_rule(&orders.uid, &orders.rule(4), &orders.route(4), Some(at)).await);
    // Within a term the phase and the voters change.
    let mut rule = orders.rule(5);
    rule.acks = 1;
    let later = topology.swap_rule(&orders.uid, &rule, &orders.route(5), Some(at)).await.unwrap();
    assert!(later > at);
}

pub(crate) async fn of_concurrent_swaps_one_wins(world: &dyn World) {
    let orders = Cluster::orders();
    let first = world.operator();
    let at = first.swap_rule(&orders.uid, &orders.rule(1), &orders.route(1), None).await.unwrap();
    let clients: Vec<Arc<dyn Topology>> = (0..8).map(|_| world.operator()).collect();
    let swaps = clients.iter().enumerate().map(|(number, client)| {
        let orders = orders.clone();
        async move {
            let mut rule = orders.rule(2);
            rule.acks = u32::try_from(number).unwrap();
            (number, client.swap_rule(&orders.uid, &rule, &orders.route(2), Some(at)).await)
        }
    });
    let (won, lost): (Vec<_>, Vec<_>) =
        join_all(swaps).await.into_iter().partition(|(_, result)| result.is_ok());
    assert_eq!(won.len(), 1, "{won:?}");
    for (_, result) in &lost {
        assert_conflict(result);
    }
    let rule = first.read(&orders.uid).await.unwrap().rule.unwrap().value;
    assert_eq!(usize::try_from(rule.acks).unwrap(), won[0].0);
}

pub(crate) async fn rule_and_route_change_at_one_revision(world: &dyn World) {
    let orders = Cluster::orders();
    let topology = world.operator();
    let mut routes = Ears::on(&*topology, Scope::Routes);
    routes.listed().await;
    let mut expected = None;
    for term in 1..=3 {
        let mut route = orders.route(term);
        route.phase = if term == 2 { Phase::Electing } else { Phase::Serving };
        let at = topology.swap_rule(&orders.uid, &orders.rule(term), &route, expected).await.unwrap();
        expected = Some(at);
        let change = routes.changed().await;
        let Change::Route(name, uid, Some(stored)) = change else {
            panic!("expected a route, not {change:?}")
        };
        assert_eq!((name, uid), (orders.name.clone(), orders.uid.clone()));
        assert_eq!((stored.revision, stored.value), (at, route));
    }
    // A refused swap leaves the route alone too.
    assert_conflict(&topology.swap_rule(&orders.uid, &orders.rule(9), &orders.route(9), None).await);
    routes.silent().await;
}

pub(crate) async fn a_route_is_fenced_by_the_rule(world: &dyn World) {
    let orders = Cluster::orders();
    let topology = world.operator();
    let mut shut = orders.route(1);
    shut.admission = Admission::Closed;
    assert_conflict(&topology.put_route(&orders.uid, &shut, Revision(1)).await);
    let first = topology.swap_rule(&orders.uid, &orders.rule(1), &shut, None).await.unwrap();
    topology.put_route(&orders.uid, &orders.route(1), first).await.unwrap();
    topology.put_route(&orders.uid, &shut, first).await.unwrap();
    let second =
        topology.swap_rule(&orders.uid, &orders.rule(2), &orders.route(2), Some(first)).await.unwrap();
    assert_conflict(&topology.put_route(&orders.uid, &orders.route(1), first).await);

    let listed = Ears::on(&*topology, Scope::Routes).listed().await;
    match listed.as_slice() {
        [Change::Route(_, _, Some(route))] => assert_eq!((route.value.term.0, route.revision), (2, second)),
        other => panic!("expected one route, not {other:?}"),
    }
}

pub(crate) async fn an_older_generation_never_replaces_a_newer(world: &dyn World) {
    let orders = Cluster::orders();
    let topology = world.operator();
    let at = topology.put_intent(&orders.uid, &orders.intent(7), None).await.unwrap();
    assert_conflict(&topology.put_intent(&orders.uid, &orders.intent(6), Some(at)).await);
    assert_conflict(&topology.put_intent(&orders.uid, &orders.intent(8), None).await);
    // The grant is added within a generation.
    topology.put_intent(&orders.uid, &orders.intent(7), Some(at)).await.unwrap();
}

pub(crate) async fn a_swap_on_a_restored_store_is_refused(world: &dyn World) {
    let orders = Cluster::orders();
    let topology = world.operator();
    let first = topology.swap_rule(&orders.uid, &orders.rule(1), &orders.route(1), None).await.unwrap();
    world.back_up().await;
    let second =
        topology.swap_rule(&orders.uid, &orders.rule(2), &orders.route(2), Some(first)).await.unwrap();
    world.restore().await;
    // What was read before the restore is not believed, not even where the numbers still fit.
    assert_conflict(&topology.swap_rule(&orders.uid, &orders.rule(3), &orders.route(3), Some(first)).await);
    assert_conflict(&topology.swap_rule(&orders.uid, &orders.rule(3), &orders.route(3), Some(second)).await);
    let rule = topology.read(&orders.uid).await.unwrap().rule.unwrap();
    assert_eq!((rule.value.term.0, rule.revision), (1, first));
    topology.swap_rule(&orders.uid, &orders.rule(3), &orders.route(3), Some(rule.revision)).await.unwrap();
}
