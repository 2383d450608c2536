//! Records of other versions, and records that contradict themselves.

use crate::fixture::Cluster;
use crate::watching::Ears;
use crate::world::World;
use berth_topology::{Change, Scope, TopologyError, VERSION, WatchEvent, key};

/// The stored record as text, with one piece replaced.
async fn with(world: &dyn World, key: &str, from: &str, to: &str) -> String {
    let text = String::from_utf8(world.raw(key).await).unwrap();
    assert!(text.contains(from), "{text} does not contain {from}");
    text.replacen(from, to, 1)
}

fn version(number: u16) -> String {
    format!("\"version\":{number},")
}

pub(crate) async fn the_version_before_and_unknown_fields_are_read(world: &dyn World) {
    let orders = Cluster::orders();
    let topology = world.operator();
    topology.put_intent(&orders.uid, &orders.intent(1), None).await.unwrap();
    let key = key::intent(&orders.uid);

    let older = with(world, &key, &version(VERSION), &version(VERSION - 1)).await;
    world.put_raw(&key, older.as_bytes()).await;
    assert_eq!(topology.read(&orders.uid).await.unwrap().intent.unwrap().value, orders.intent(1));

    let more = with(world, &key, "\"body\":{", "\"later\":[1],\"body\":{\"newer\":{\"a\":1},").await;
    world.put_raw(&key, more.as_bytes()).await;
    assert_eq!(topology.read(&orders.uid).await.unwrap().intent.unwrap().value, orders.intent(1));
}

pub(crate) async fn a_rule_of_another_store_is_known_to_be_from_a_backup(world: &dyn World) {
    let orders = Cluster::orders();
    let topology = world.operator();
    topology.swap_rule(&orders.uid, &orders.rule(1), &orders.route(1), None).await.unwrap();
    let key = key::rule(&orders.uid);
    let written = topology.read(&orders.uid).await.unwrap().rule.unwrap();
    assert!(!written.restored);

    let elsewhere = with(world, &key, "\"store\":", "\"store\":987654321,\"was\":").await;
    world.put_raw(&key, elsewhere.as_bytes()).await;
    let restored = topology.read_rule(&orders.uid).await.unwrap().unwrap();
    assert!(restored.restored && restored.value == orders.rule(1));
    let mut watch = Ears::on(&*topology, Scope::Cluster(orders.uid.clone()));
    let listed = watch.listed().await;
    assert!(matches!(&listed[..], [Change::Rule(_, Some(stored))] if stored.restored), "{listed:?}");

    let back = Some(restored.revision);
    topology.swap_rule(&orders.uid, &orders.rule(1), &orders.route(1), back).await.unwrap();
    assert!(matches!(watch.changed().await, Change::Rule(_, Some(stored)) if !stored.restored));
}

pub(crate) async fn a_newer_version_is_told_and_the_others_go_on(world: &dyn World) {
    let (orders, stock) = (Cluster::orders(), Cluster::stock());
    let topology = world.operator();
    topology.put_intent(&orders.uid, &orders.intent(1), None).await.unwrap();
    topology.put_intent(&stock.uid, &stock.intent(1), None).await.unwrap();
    let mut live = Ears::on(&*topology, Scope::Clusters);
    assert_eq!(live.listed().await.len(), 2);

    let key = key::intent(&orders.uid);
    let newer = with(world, &key, &version(VERSION), &version(VERSION + 1)).await;
    world.put_raw(&key, newer.as_bytes()).await;
    topology.put_member(&stock.uid, &stock.record("7k2qd", 1)).await.unwrap();

    let read = topology.read(&orders.uid).await;
    assert!(matches!(&read, Err(TopologyError::Unreadable { key: at, .. }) if *at == key), "{read:?}");
    // Nobody overwrites what it cannot read.
    let overwrite = topology.put_intent(&orders.uid, &orders.intent(2), None).await;
    assert!(overwrite.is_err(), "{overwrite:?}");

    let told = live.next().await;
    assert!(matches!(&told, WatchEvent::Unreadable { key: at, .. } if *at == key), "{told:?}");
    assert!(matches!(live.changed().await, Change::Member(uid, ..) if uid == stock.uid));
    let mut late = Ears::on(&*topology, Scope::Clusters);
    assert_eq!(late.listed().await.len(), 2, "the other cluster's records");
    assert!(matches!(late.next().await, WatchEvent::Unreadable { .. }));
}

pub(crate) async fn a_record_under_another_key_is_refused(world: &dyn World) {
    let (orders, stock) = (Cluster::orders(), Cluster::stock());
    let topology = world.operator();
    topology.swap_rule(&orders.uid, &orders.rule(1), &orders.route(1), None).await.unwrap();
    let copied = world.raw(&key::rule(&orders.uid)).await;
    world.put_raw(&key::rule(&stock.uid), &copied).await;
    let read = topology.read(&stock.uid).await;
    assert!(matches!(read, Err(TopologyError::Unreadable { .. })), "{read:?}");
}
