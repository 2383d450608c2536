//! Who may read and write what.

use crate::fixture::Cluster;
use crate::watching::Ears;
use crate::world::World;
use berth_topology::{Change, Scope, TopologyError, User, WatchEvent};
use std::fmt::Debug;

fn assert_denied<T: Debug>(result: &Result<T, TopologyError>) {
    assert!(matches!(result, Err(TopologyError::Denied { .. })), "{result:?}");
}

pub(crate) async fn another_clusters_user_is_refused(world: &dyn World) {
    let (orders, stock) = (Cluster::orders(), Cluster::stock());
    for cluster in [&orders, &stock] {
        world.admit(&cluster.name, &cluster.uid).await;
    }
    let operator = world.operator();
    let at = operator.swap_rule(&orders.uid, &orders.rule(1), &orders.route(1), None).await.unwrap();

    let stranger = world.topology(&stock.members());
    assert_denied(&stranger.read(&orders.uid).await);
    assert_denied(&stranger.swap_rule(&orders.uid, &orders.rule(2), &orders.route(2), Some(at)).await);
    assert_denied(&stranger.put_route(&orders.uid, &orders.route(1), at).await);
    assert_denied(&stranger.put_member(&orders.uid, &orders.record("7k2qd", 1)).await);
    assert_denied(&stranger.remove_member(&orders.uid, &orders.member("7k2qd")).await);
    assert_denied(&stranger.remove_cluster(&orders.uid, &orders.name).await);
    // Its own rule, but the route of a name that is not its own.
    let mut stolen = stock.route(1);
    stolen.cluster = orders.name.clone();
    assert_denied(&stranger.swap_rule(&stock.uid, &stock.rule(1), &stolen, None).await);
    assert!(stranger.read(&stock.uid).await.unwrap().rule.is_none());
}

pub(crate) async fn members_read_the_intent_and_write_their_own(world: &dyn World) {
    let orders = Cluster::orders();
    world.admit(&orders.name, &orders.uid).await;
    let operator = world.operator();
    let intent = operator.put_intent(&orders.uid, &orders.intent(1), None).await.unwrap();

    let member = world.topology(&orders.members());
    assert!(member.read(&orders.uid).await.unwrap().intent.is_some());
    assert_denied(&member.put_intent(&orders.uid, &orders.intent(2), Some(intent)).await);
    assert_denied(&member.remove_cluster(&orders.uid, &orders.name).await);
    let at = member.swap_rule(&orders.uid, &orders.rule(1), &orders.route(1), None).await.unwrap();
    member.put_route(&orders.uid, &orders.route(1), at).await.unwrap();
    member.put_member(&orders.uid, &orders.record("7k2qd", 1)).await.unwrap();
    member.remove_member(&orders.uid, &orders.member("7k2qd")).await.unwrap();
    assert!(Ears::on(&*member, Scope::Cluster(orders.uid.clone())).listed().await.len() == 2);
}

pub(crate) async fn a_proxy_reads_routes_and_writes_nothing(world: &dyn World) {
    let orders = Cluster::orders();
    let operator = world.operator();
    let at = operator.swap_rule(&orders.uid, &orders.rule(1), &orders.route(1), None).await.unwrap();
    let proxy = world.topology(&User::Proxy);
    assert_denied(&proxy.put_route(&orders.uid, &orders.route(1), at).await);
    assert_denied(&proxy.read(&orders.uid).await);
    let listed = Ears::on(&*proxy, Scope::Routes).listed().await;
    assert!(matches!(listed.as_slice(), [Change::Route(..)]), "{listed:?}");
}

pub(crate) async fn a_denied_watch_says_so_and_begins_when_it_may(world: &dyn World) {
    let orders = Cluster::orders();
    let operator = world.operator();
    operator.put_intent(&orders.uid, &orders.intent(1), None).await.unwrap();
    // The pod may be quicker than the operator's word to the store.
    let member = world.topology(&orders.members());
    let mut watch = Ears::on(&*member, Scope::Cluster(orders.uid.clone()));
    let told = watch.next().await;
    assert!(matches!(&told, WatchEvent::Away { .. }), "{told:?}");
    world.admit(&orders.name, &orders.uid).await;
    assert_eq!(watch.listed().await.len(), 1);
    assert_eq!(watch.next().await, WatchEvent::Back);
}
