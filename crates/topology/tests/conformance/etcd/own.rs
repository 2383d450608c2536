//! What only etcd can show: its users and roles, certificates that change, members that freeze or are gone.

use super::{OPERATOR, PROXY, RealEtcd};
use crate::fixture::Cluster;
use crate::watching::Ears;
use crate::world::World;
use berth_testkit::eventually;
use berth_topology::etcd::Administration;
use berth_topology::{EtcdTopology, Scope, Topology, TopologyError, User, WatchEvent};
use std::time::Duration;

/// What etcd counts up with every change of users and roles.
fn auth_revision(etcd: &RealEtcd) -> String {
    let status = etcd.control(&["auth", "status"]);
    status.lines().find(|line| line.starts_with("AuthRevision")).expect("a revision").to_owned()
}

#[tokio::test]
async fn users_in_order_are_not_written_again() {
    let etcd = RealEtcd::start().await;
    let orders = Cluster::orders();
    etcd.admit(&orders.name, &orders.uid).await;
    let before = auth_revision(&etcd);
    etcd.administration().enable().await.unwrap();
    etcd.administration().ensure_cluster(&orders.name, &orders.uid).await.unwrap();
    etcd.administration().remove_cluster(&Cluster::stock().uid).await.unwrap();
    assert_eq!(auth_revision(&etcd), before);
}

#[tokio::test]
async fn a_role_that_allows_too_much_or_too_little_is_put_right() {
    let etcd = RealEtcd::start().await;
    let (orders, stock) = (Cluster::orders(), Cluster::stock());
    for cluster in [&orders, &stock] {
        etcd.admit(&cluster.name, &cluster.uid).await;
    }
    let role = format!("cluster-{}", orders.uid);
    etcd.control(&["role", "grant-permission", &role, "readwrite", "--prefix=true", "/berth/v1/"]);
    let key = berth_topology::key::rule(&orders.uid);
    etcd.control(&["role", "revoke-permission", &role, &key]);
    let member = etcd.topology(&orders.members());
    member.read(&stock.uid).await.unwrap();

    etcd.administration().ensure_cluster(&orders.name, &orders.uid).await.unwrap();
    assert!(matches!(member.read(&stock.uid).await, Err(TopologyError::Denied { .. })));
    member.swap_rule(&orders.uid, &orders.rule(1), &orders.route(1), None).await.unwrap();
}

#[tokio::test]
async fn a_removed_clusters_certificate_opens_nothing() {
    let etcd = RealEtcd::start().await;
    let orders = Cluster::orders();
    etcd.admit(&orders.name, &orders.uid).await;
    let member = etcd.topology(&orders.members());
    member.read(&orders.uid).await.unwrap();
    etcd.administration().remove_cluster(&orders.uid).await.unwrap();
    etcd.administration().remove_cluster(&orders.uid).await.unwrap();
    assert!(matches!(member.read(&orders.uid).await, Err(TopologyError::Denied { .. })));
}

#[tokio::test]
async fn only_the_operator_manages_users() {
    let etcd = RealEtcd::start().await;
    let (orders, stock) = (Cluster::orders(), Cluster::stock());
    etcd.admit(&orders.name, &orders.uid).await;
    for user in [orders.uid.as_str(), PROXY] {
        let usurper = Administration::new(etcd.options(user), OPERATOR, PROXY);
        let refused = usurper.ensure_cluster(&stock.name, &stock.uid).await.unwrap_err();
        assert!(!refused.retryable(), "{refused:?}");
    }
}

#[tokio::test]
async fn writes_go_on_while_users_are_made() {
    let etcd = RealEtcd::start().await;
    let orders = Cluster::orders();
    etcd.admit(&orders.name, &orders.uid).await;
    let member = etcd.topology(&orders.members());
    let administration = etcd.administration();
    let making = async {
        for number in 0..20 {
            let other = Cluster::new("shop/other", &format!("uid-{number}"));
            administration.ensure_cluster(&other.name, &other.uid).await.unwrap();
        }
    };
    let writing = async {
        let mut at = None;
        for term in 1..=100 {
            at = Some(
                member.swap_rule(&orders.uid, &orders.rule(term), &orders.route(term), at).await.unwrap(),
            );
            member.put_member(&orders.uid, &orders.record("7k2qd", term)).await.unwrap();
        }
    };
    tokio::join!(making, writing);
}

#[tokio::test]
async fn a_certificate_of_another_authority_and_none_at_all_are_refused() {
    let etcd = RealEtcd::start().await;
    let elsewhere = RealEtcd::start().await;
    let mut foreign = etcd.options(OPERATOR);
    foreign.identity = elsewhere.authority.identity(OPERATOR);
    let read = EtcdTopology::new(foreign).read(&Cluster::orders().uid).await;
    assert!(matches!(read, Err(TopologyError::Unavailable { .. })), "{read:?}");

    let mut absent = etcd.options(OPERATOR);
    absent.identity = etcd.directory.path().join("nowhere");
    let read = EtcdTopology::new(absent).read(&Cluster::orders().uid).await.unwrap_err();
    assert!(read.to_string().contains("ca.crt"), "{read}");
}

#[tokio::test]
async fn a_new_certificate_is_used_without_a_restart() {
    let etcd = RealEtcd::start().await;
    let orders = Cluster::orders();
    etcd.admit(&orders.name, &orders.uid).await;
    let mut options = etcd.options(OPERATOR);
    options.identity = etcd.directory.path().join("rotating");
    etcd.authority.issue("a-stranger", &options.identity);
    let topology = EtcdTopology::new(options.clone());
    assert!(matches!(topology.read(&orders.uid).await, Err(TopologyError::Denied { .. })));

    let mut watch = Ears::on(&topology, Scope::Cluster(orders.uid.clone()));
    assert!(matches!(watch.next().await, WatchEvent::Away { .. }));

    etcd.authority.issue(orders.uid.as_str(), &options.identity);
    assert!(watch.listed().await.is_empty());
    topology.read(&orders.uid).await.unwrap();
}

#[tokio::test]
async fn a_dead_member_costs_no_call() {
    let etcd = RealEtcd::start().await;
    let orders = Cluster::orders();
    let mut options = etcd.options(OPERATOR);
    // Nothing listens on the discard port of loopback.
    options.endpoints.insert(0, "https://127.0.0.1:9".to_owned());
    let topology = EtcdTopology::new(options);
    topology.put_intent(&orders.uid, &orders.intent(1), None).await.unwrap();
    assert!(topology.read(&orders.uid).await.unwrap().intent.is_some());
}

#[tokio::test]
async fn a_member_that_does_not_answer_is_left_in_time_to_read_the_rule_from_another() {
    let etcd = RealEtcd::start().await;
    let orders = Cluster::orders();
    // The system takes the connection, and nobody ever reads from it.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = etcd.options(OPERATOR);
    options.endpoints.insert(0, format!("https://{}", mute.local_addr().unwrap()));
    (options.connect, options.attempt) = (Duration::from_hours(1), Duration::from_hours(1));
    let topology = EtcdTopology::new(options);
    let read = tokio::time::timeout(Duration::from_secs(20), topology.read_rule(&orders.uid)).await;
    assert!(matches!(read, Ok(Ok(None))), "{read:?}");
}

#[tokio::test]
async fn a_frozen_store_is_noticed_and_found_again() {
    let etcd = RealEtcd::start().await;
    let orders = Cluster::orders();
    let mut options = etcd.options(OPERATOR);
    options.attempt = Duration::from_millis(500);
    // Long enough that only the silence of the watch can tell.
    options.keepalive = Duration::from_hours(1);
    options.silence = Duration::from_secs(1);
    options.patience = Duration::from_secs(1);
    let topology = EtcdTopology::new(options);
    topology.put_intent(&orders.uid, &orders.intent(1), None).await.unwrap();
    let mut watch = Ears::on(&topology, Scope::Cluster(orders.uid.clone()));
    watch.listed().await;

    etcd.process.freeze();
    let told = watch.next().await;
    assert!(matches!(told, WatchEvent::Away { .. }), "{told:?}");
    etcd.process.thaw();
    assert_eq!(watch.next().await, WatchEvent::Back);
    let written = || async { topology.put_member(&orders.uid, &orders.record("7k2qd", 1)).await };
    eventually(Duration::from_secs(20), "a write after the thaw", written).await.unwrap();
    assert!(matches!(watch.changed().await, berth_topology::Change::Member(..)));
}

#[tokio::test]
async fn a_quiet_watch_is_asked_and_stays_open() {
    let etcd = RealEtcd::start().await;
    let orders = Cluster::orders();
    etcd.admit(&orders.name, &orders.uid).await;
    let mut options = etcd.options(orders.uid.as_str());
    options.silence = Duration::from_millis(50);
    let topology = EtcdTopology::new(options);
    let mut watch = Ears::on(&topology, Scope::Cluster(orders.uid.clone()));
    watch.listed().await;
    // Asked several times meanwhile; each answer moves the point to resume from past what others wrote.
    let others = etcd.topology(&User::Operator);
    for count in 1..=3 {
        others.put_member(&Cluster::stock().uid, &Cluster::stock().record("7k2qd", count)).await.unwrap();
        watch.silent().await;
    }
    etcd.compact().await;
    etcd.stop().await;
    etcd.start().await;
    // Nothing was told that could be compared, so that a list is the only truth.
    assert!(watch.listed_at_last().await.is_empty());
}
