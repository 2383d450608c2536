//! Watches that live through whatever happens to the store, and say what they cannot vouch for.

use crate::fixture::Cluster;
use crate::watching::Ears;
use crate::world::World;
use berth_core::ClusterUid;
use berth_topology::{Change, Scope, Topology, WatchEvent};

fn scope(cluster: &Cluster) -> Scope {
    Scope::Cluster(cluster.uid.clone())
}

/// The start counters of the members' records among the changes.
fn starts(changes: &[Change]) -> Vec<u64> {
    let of = |change: &Change| match change {
        Change::Member(_, _, Some(record)) => Some(record.value.starts),
        Change::Member(_, _, None) | Change::Intent(..) | Change::Rule(..) | Change::Route(..) => None,
    };
    changes.iter().filter_map(of).collect()
}

async fn write(topology: &dyn Topology, cluster: &Cluster, starts: u64) {
    topology.put_member(&cluster.uid, &cluster.record("7k2qd", starts)).await.unwrap();
}

pub(crate) async fn a_list_comes_first_and_changes_in_order(world: &dyn World) {
    let orders = Cluster::orders();
    let topology = world.operator();
    topology.put_intent(&orders.uid, &orders.intent(1), None).await.unwrap();
    write(&*topology, &orders, 1).await;
    let mut watch = Ears::on(&*topology, scope(&orders));
    let listed = watch.listed().await;
    assert_eq!(listed.len(), 2);
    assert_eq!(starts(&listed), [1]);

    for count in 2..=20 {
        write(&*topology, &orders, count).await;
    }
    topology.remove_member(&orders.uid, &orders.member("7k2qd")).await.unwrap();
    topology.swap_rule(&orders.uid, &orders.rule(1), &orders.route(1), None).await.unwrap();
    for count in 2..=20 {
        assert_eq!(starts(&[watch.changed().await]), [count]);
    }
    assert_eq!(watch.changed().await, Change::Member(orders.uid.clone(), orders.member("7k2qd"), None));
    assert!(matches!(watch.changed().await, Change::Rule(_, Some(_))));
    topology.remove_cluster(&orders.uid, &orders.name).await.unwrap();
    let gone = [watch.changed().await, watch.changed().await];
    assert!(gone.contains(&Change::Intent(orders.uid.clone(), None)), "{gone:?}");
    assert!(gone.contains(&Change::Rule(orders.uid.clone(), None)), "{gone:?}");
}

pub(crate) async fn a_scope_tells_nothing_of_others(world: &dyn World) {
    let (orders, stock) = (Cluster::new("shop/orders", "0a1b"), Cluster::new("shop/stock", "0a1b2"));
    let topology = world.operator();
    let mut own = Ears::on(&*topology, scope(&orders));
    let mut routes = Ears::on(&*topology, Scope::Routes);
    let mut all = Ears::on(&*topology, Scope::Clusters);
    for watch in [&mut own, &mut routes, &mut all] {
        assert!(watch.listed().await.is_empty());
    }
    topology.swap_rule(&stock.uid, &stock.rule(1), &stock.route(1), None).await.unwrap();
    topology.swap_rule(&orders.uid, &orders.rule(1), &orders.route(1), None).await.unwrap();
    let uid_of = |change| match change {
        Change::Intent(uid, _)
        | Change::Rule(uid, _)
        | Change::Member(uid, ..)
        | Change::Route(_, uid, _) => uid,
    };
    assert_eq!(uid_of(own.changed().await), orders.uid);
    own.silent().await;
    let both: [ClusterUid; 2] = [stock.uid, orders.uid];
    assert_eq!([uid_of(routes.changed().await), uid_of(routes.changed().await)], both);
    routes.silent().await;
    assert_eq!([uid_of(all.changed().await), uid_of(all.changed().await)], both);
    all.silent().await;
}

pub(crate) async fn a_restart_is_resumed_without_a_list(world: &dyn World) {
    let orders = Cluster::orders();
    let topology = world.operator();
    write(&*topology, &orders, 1).await;
    let mut watch = Ears::on(&*topology, scope(&orders));
    watch.listed().await;
    write(&*topology, &orders, 2).await;
    world.stop().await;
    world.start().await;
    // The client that was there before the restart goes on after it.
    write(&*topology, &orders, 3).await;
    write(&*topology, &orders, 4).await;
    for count in 2..=4 {
        assert_eq!(starts(&[watch.changed_but_outages().await]), [count]);
    }
}

pub(crate) async fn an_outage_is_told_once(world: &dyn World) {
    let orders = Cluster::orders();
    let topology = world.operator();
    write(&*topology, &orders, 1).await;
    let mut watch = Ears::on(&*topology, scope(&orders));
    watch.listed().await;
    for round in 2..=3 {
        world.stop().await;
        let told = watch.next().await;
        assert!(matches!(told, WatchEvent::Away { .. }), "{told:?}");
        watch.silent().await;
        assert!(topology.read(&orders.uid).await.unwrap_err().retryable());
        world.start().await;
        write(&*topology, &orders, round).await;
        assert_eq!(watch.next().await, WatchEvent::Back);
        assert_eq!(starts(&[watch.changed().await]), [round]);
    }
}

pub(crate) async fn a_watch_begun_in_an_outage_lists_after_it(world: &dyn World) {
    let orders = Cluster::orders();
    let topology = world.operator();
    write(&*topology, &orders, 1).await;
    world.stop().await;
    let mut watch = Ears::on(&*topology, scope(&orders));
    let told = watch.next().await;
    assert!(matches!(told, WatchEvent::Away { .. }), "{told:?}");
    world.start().await;
    assert_eq!(starts(&watch.listed().await), [1]);
    assert_eq!(watch.next().await, WatchEvent::Back);
}

pub(crate) async fn what_was_compacted_is_listed_anew(world: &dyn World) {
    let orders = Cluster::orders();
    let topology = world.operator();
    write(&*topology, &orders, 1).await;
    topology.put_intent(&orders.uid, &orders.intent(1), None).await.unwrap();
    let mut watch = Ears::on(&*topology, scope(&orders));
    assert_eq!(watch.listed().await.len(), 2);
    world.stop().await;
    world.start().await;
    write(&*topology, &orders, 2).await;
    topology.remove_cluster(&orders.uid, &orders.name).await.unwrap();
    write(&*topology, &orders, 3).await;
    world.compact().await;
    let listed = watch.listed_at_last().await;
    assert_eq!((listed.len(), starts(&listed)), (1, vec![3]), "what is not listed is gone");
    write(&*topology, &orders, 4).await;
    assert_eq!(starts(&[watch.changed_but_outages().await]), [4]);
}

pub(crate) async fn a_compaction_of_others_changes_is_survived(world: &dyn World) {
    let (orders, stock) = (Cluster::orders(), Cluster::stock());
    let topology = world.operator();
    write(&*topology, &orders, 1).await;
    let mut watch = Ears::on(&*topology, scope(&orders));
    watch.listed().await;
    world.stop().await;
    world.start().await;
    for count in 1..=5 {
        write(&*topology, &stock, count).await;
    }
    world.compact().await;
    // The watched record is as it was told, but the revisions after it are gone: nobody can say that nothing was missed.
    assert_eq!(starts(&watch.listed_at_last().await), [1]);
    write(&*topology, &orders, 2).await;
    assert_eq!(starts(&[watch.changed_but_outages().await]), [2]);
}

pub(crate) async fn a_restored_store_is_listed_anew(world: &dyn World) {
    let orders = Cluster::orders();
    let topology = world.operator();
    write(&*topology, &orders, 1).await;
    world.back_up().await;
    write(&*topology, &orders, 2).await;
    let mut watch = Ears::on(&*topology, scope(&orders));
    assert_eq!(starts(&watch.listed().await), [2]);
    world.restore().await;
    assert_eq!(starts(&watch.listed_of_another_store().await), [1]);
}

pub(crate) async fn a_restored_store_that_moved_on_is_listed_anew(world: &dyn World) {
    let (orders, stock) = (Cluster::orders(), Cluster::stock());
    let topology = world.operator();
    write(&*topology, &orders, 1).await;
    topology.put_intent(&orders.uid, &orders.intent(1), None).await.unwrap();
    world.back_up().await;
    write(&*topology, &orders, 2).await;
    let mut watch = Ears::on(&*topology, scope(&orders));
    assert_eq!(starts(&watch.listed().await), [2]);
    world.restore().await;
    // Now the revision is past the one that was told; only the record itself shows that the history is another.
    for count in 1..=5 {
        write(&*topology, &stock, count).await;
    }
    let listed = watch.listed_of_another_store().await;
    assert_eq!((listed.len(), starts(&listed)), (2, vec![1]));
}

pub(crate) async fn a_restored_store_is_listed_anew_though_nothing_of_it_changed(world: &dyn World) {
    let (orders, stock) = (Cluster::orders(), Cluster::stock());
    let topology = world.operator();
    write(&*topology, &orders, 1).await;
    world.back_up().await;
    for count in 1..=5 {
        write(&*topology, &stock, count).await;
    }
    let mut watch = Ears::on(&*topology, scope(&orders));
    assert_eq!(starts(&watch.listed().await), [1]);
    world.restore().await;
    // The record is as it was told, but the store counts from further back: resuming ahead of it would miss what comes next.
    assert_eq!(starts(&watch.listed_at_last().await), [1]);
    write(&*topology, &orders, 2).await;
    assert_eq!(starts(&[watch.changed_but_outages().await]), [2]);
}

pub(crate) async fn a_replaced_store_is_known_by_its_identity(world: &dyn World) {
    let orders = Cluster::orders();
    let topology = world.operator();
    write(&*topology, &orders, 1).await;
    let mut watch = Ears::on(&*topology, scope(&orders));
    assert_eq!(starts(&watch.listed().await), [1]);
    world.replace().await;
    // The very same record at the very same revision; only the store is another.
    write(&*topology, &orders, 1).await;
    assert_eq!(starts(&watch.listed_at_last().await), [1]);
}

pub(crate) async fn a_replaced_store_is_listed_anew(world: &dyn World) {
    let orders = Cluster::orders();
    let topology = world.operator();
    write(&*topology, &orders, 1).await;
    let mut watch = Ears::on(&*topology, scope(&orders));
    assert_eq!(watch.listed().await.len(), 1);
    world.replace().await;
    assert!(watch.listed_of_another_store().await.is_empty());
    // Nothing is written on the word of the store that is gone; the caller reads again first.
    assert!(topology.put_intent(&orders.uid, &orders.intent(1), None).await.is_err());
    assert!(topology.read(&orders.uid).await.unwrap().members.is_empty());
    topology.put_intent(&orders.uid, &orders.intent(1), None).await.unwrap();
    assert!(matches!(watch.changed_but_outages().await, Change::Intent(_, Some(_))));
}

pub(crate) async fn a_store_at_rest_is_not_written(world: &dyn World) {
    let orders = Cluster::orders();
    let topology = world.operator();
    write(&*topology, &orders, 1).await;
    let before = world.revision().await;
    let mut watch = Ears::on(&*topology, scope(&orders));
    watch.listed().await;
    watch.silent().await;
    topology.read(&orders.uid).await.unwrap();
    assert_eq!(world.revision().await, before);
}
