//! What is written is read, and nothing else.

use crate::fixture::Cluster;
use crate::watching::Ears;
use crate::world::World;
use berth_topology::{Change, Revision, Scope, Stored, TopologyError, key};

pub(crate) async fn what_is_written_is_read(world: &dyn World) {
    let orders = Cluster::orders();
    let topology = world.operator();
    let empty = topology.read(&orders.uid).await.unwrap();
    assert!(empty.intent.is_none() && empty.rule.is_none() && empty.members.is_empty());

    let intent = topology.put_intent(&orders.uid, &orders.intent(1), None).await.unwrap();
    let rule = topology.swap_rule(&orders.uid, &orders.rule(1), &orders.route(1), None).await.unwrap();
    let member = topology.put_member(&orders.uid, &orders.record("7k2qd", 1)).await.unwrap();
    assert!(intent < rule && rule < member, "revisions grow with every write");

    let all = topology.read(&orders.uid).await.unwrap();
    assert_eq!(all.intent, Some(Stored { value: orders.intent(1), revision: intent, restored: false }));
    assert_eq!(all.rule, Some(Stored { value: orders.rule(1), revision: rule, restored: false }));
    let record = Stored { value: orders.record("7k2qd", 1), revision: member, restored: false };
    assert_eq!(all.members.into_iter().collect::<Vec<_>>(), [(orders.member("7k2qd"), record)]);
    assert_eq!(all.revision, member);

    topology.put_intent(&orders.uid, &orders.intent(2), Some(intent)).await.unwrap();
    topology.put_member(&orders.uid, &orders.record("7k2qd", 2)).await.unwrap();
    topology.put_member(&orders.uid, &orders.record("x9b4h", 1)).await.unwrap();
    topology.remove_member(&orders.uid, &orders.member("x9b4h")).await.unwrap();
    topology.remove_member(&orders.uid, &orders.member("x9b4h")).await.unwrap();
    let all = topology.read(&orders.uid).await.unwrap();
    assert_eq!(all.intent.unwrap().value.generation.0, 2);
    assert_eq!(all.members.len(), 1);
    assert_eq!(all.members[&orders.member("7k2qd")].value.starts, 2);
}

pub(crate) async fn the_rule_is_read_alone_as_it_is_now(world: &dyn World) {
    let (orders, stock) = (Cluster::orders(), Cluster::stock());
    for cluster in [&orders, &stock] {
        world.admit(&cluster.name, &cluster.uid).await;
    }
    // Two clients: what one wrote before, the other is shown.
    let (writer, reader) = (world.operator(), world.topology(&orders.members()));
    assert_eq!(reader.read_rule(&orders.uid).await.unwrap(), None);
    let mut at = None;
    for term in 1..=20 {
        let revision =
            writer.swap_rule(&orders.uid, &orders.rule(term), &orders.route(term), at).await.unwrap();
        let read = reader.read_rule(&orders.uid).await.unwrap();
        assert_eq!(read, Some(Stored { value: orders.rule(term), revision, restored: false }));
        at = Some(revision);
    }
    let stranger = world.topology(&stock.members()).read_rule(&orders.uid).await;
    assert!(matches!(stranger, Err(TopologyError::Denied { .. })), "{stranger:?}");

    let rule = key::rule(&orders.uid);
    let damaged =
        String::from_utf8(world.raw(&rule).await).unwrap().replacen("\"version\":", "\"version\":9", 1);
    world.put_raw(&rule, damaged.as_bytes()).await;
    let unreadable = reader.read_rule(&orders.uid).await;
    assert!(
        matches!(&unreadable, Err(TopologyError::Unreadable { key, .. }) if *key == rule),
        "{unreadable:?}"
    );
    world.stop().await;
    let unanswered = reader.read_rule(&orders.uid).await;
    assert!(matches!(unanswered, Err(TopologyError::Unavailable { .. })), "{unanswered:?}");
}

pub(crate) async fn a_removed_cluster_leaves_nothing_and_touches_no_other(world: &dyn World) {
    let topology = world.operator();
    // Created again under the same name: the old incarnation's end must not touch the new one.
    let (old, new) = (Cluster::new("shop/orders", "0a1b"), Cluster::new("shop/orders", "0a1c"));
    for cluster in [&old, &new] {
        topology.put_intent(&cluster.uid, &cluster.intent(1), None).await.unwrap();
        topology.swap_rule(&cluster.uid, &cluster.rule(1), &cluster.route(1), None).await.unwrap();
        topology.put_member(&cluster.uid, &cluster.record("7k2qd", 1)).await.unwrap();
    }
    topology.remove_cluster(&old.uid, &old.name).await.unwrap();
    topology.remove_cluster(&old.uid, &old.name).await.unwrap();

    let gone = topology.read(&old.uid).await.unwrap();
    assert!(gone.intent.is_none() && gone.rule.is_none() && gone.members.is_empty());
    let kept = topology.read(&new.uid).await.unwrap();
    assert!(kept.intent.is_some() && kept.rule.is_some() && kept.members.len() == 1);
    let routes = Ears::on(&*topology, Scope::Routes).listed().await;
    assert_eq!(routes.len(), 1);
    assert!(matches!(&routes[0], Change::Route(_, uid, Some(_)) if *uid == new.uid));
}

pub(crate) async fn names_that_begin_alike_do_not_mix(world: &dyn World) {
    let topology = world.operator();
    let (short, long) = (Cluster::new("shop/orders", "0a1b"), Cluster::new("shop/orders2", "0a1b2"));
    topology.put_intent(&long.uid, &long.intent(1), None).await.unwrap();
    topology.swap_rule(&long.uid, &long.rule(1), &long.route(1), None).await.unwrap();
    topology.put_member(&long.uid, &long.record("7k2qd", 1)).await.unwrap();

    let none = topology.read(&short.uid).await.unwrap();
    assert!(none.intent.is_none() && none.rule.is_none() && none.members.is_empty());
    topology.remove_cluster(&short.uid, &short.name).await.unwrap();
    let all = topology.read(&long.uid).await.unwrap();
    assert!(all.intent.is_some() && all.rule.is_some() && all.members.len() == 1);
}

pub(crate) async fn more_than_a_page_is_listed_whole(world: &dyn World) {
    const CLUSTERS: usize = 1203;
    let topology = world.operator();
    let first = Cluster::new("shop/orders", "uid-0");
    topology.put_intent(&first.uid, &first.intent(1), None).await.unwrap();
    let template = String::from_utf8(world.raw(&key::intent(&first.uid)).await).unwrap();
    for number in 1..CLUSTERS {
        let uid = Cluster::new("shop/orders", &format!("uid-{number}")).uid;
        let record = template.replace("\"uid-0\"", &format!("\"{uid}\""));
        world.put_raw(&key::intent(&uid), record.as_bytes()).await;
    }
    let listed = Ears::on(&*topology, Scope::Clusters).listed().await;
    let mut uids: Vec<String> = listed
        .into_iter()
        .map(|change| {
            let Change::Intent(uid, Some(Stored { revision: Revision(1..), .. })) = change else {
                panic!("expected an intent, not {change:?}")
            };
            uid.to_string()
        })
        .collect();
    uids.sort();
    uids.dedup();
    assert_eq!(uids.len(), CLUSTERS);
}
