//! What members do together, told as it happens in a cluster.

use crate::cluster::{Cluster, DEADLINE, identity, member};
use berth_core::Term;
use berth_core::topology::{Activity, Phase, Replication, Switchover};
use berth_testkit::engine::Answer;
use berth_testkit::eventually;
use berth_topology::Topology;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_comes_up_primary_first_and_lets_tenants_in_when_a_replica_acknowledges() {
    let mut cluster = Cluster::new("abc", 1).await;
    cluster.pod('a');
    cluster.until_rule("the first member to serve", |rule| rule.phase == Phase::Serving).await;
    eventually(DEADLINE, "the primary to say what it waits for", || async {
        cluster.trouble('a').await.filter(|trouble| trouble.contains("clients are let in when"))
    })
    .await
    .unwrap();
    assert!(cluster.fleet.open().is_empty(), "nobody is let in yet");
    cluster.pod('b');
    cluster.pod('c');
    let rule = cluster.until_rule("both to vote", |rule| rule.voters.len() == 2 && rule.acks == 1).await;
    assert_eq!((rule.term, rule.primary.member), (Term(1), member('a')));
    let route = cluster.until_open().await;
    assert_eq!(route.primary.unwrap().address, "a1:5432");
    cluster.write().await;
    cluster.nothing_is_lost().await;
    eventually(DEADLINE, "both replicas to be in the route", || async {
        cluster.route().await.is_some_and(|route| route.replicas.len() == 2)
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_one_serves_alone() {
    let mut cluster = Cluster::serving("a", 0).await;
    cluster.write().await;
    cluster.kill_server('a');
    cluster.until_rule("a new term", |rule| rule.term == Term(2) && rule.phase == Phase::Serving).await;
    cluster.write().await;
    cluster.nothing_is_lost().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_primary_is_followed_by_a_replica_with_all_that_was_acknowledged() {
    let mut cluster = Cluster::serving("abc", 1).await;
    for term in 2..5 {
        for _ in 0..5 {
            cluster.write().await;
        }
        let old = cluster.primary().await;
        cluster.kill_server(old);
        let rule = cluster
            .until_rule("the next term", |rule| rule.term == Term(term) && rule.phase == Phase::Serving)
            .await;
        assert_ne!(rule.primary.member, member(old), "a standby is ready sooner than a recovery");
        assert_eq!(rule.acks, 1);
        cluster.write().await;
        cluster.until_rule("the old primary to vote", |rule| rule.voters.contains(&identity(old))).await;
        cluster.nothing_is_lost().await;
    }
    assert_eq!(
        (cluster.fleet.copies(&member('b')), cluster.fleet.copies(&member('c'))),
        (1, 1),
        "no new copies"
    );
    let row = cluster.fleet.newest_term(&member('b')).unwrap();
    assert_eq!(row.term, Term(4), "the term stands in the data itself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_pod_that_is_lost_is_failed_over_and_one_that_ends_hands_over() {
    let mut cluster = Cluster::serving("abc", 1).await;
    cluster.write().await;
    cluster.lose_pod('a');
    let rule = cluster
        .until_rule("the next term", |rule| rule.term == Term(2) && rule.phase == Phase::Serving)
        .await;
    assert_ne!(rule.primary.member, member('a'));
    cluster.write().await;
    cluster.pod('a');
    cluster.until_rule("the old primary to vote", |rule| rule.voters.contains(&identity('a'))).await;

    let old = cluster.primary().await;
    cluster.end_pod(old).await;
    let rule = cluster
        .until_rule("the term after", |rule| rule.term == Term(3) && rule.phase == Phase::Serving)
        .await;
    assert_ne!(rule.primary.member, member(old));
    cluster.write().await;
    cluster.pod(old);
    cluster.until_rule("the old primary to vote", |rule| rule.voters.contains(&identity(old))).await;
    cluster.nothing_is_lost().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_one_voter_alone_cannot_hear_keeps_its_term() {
    let mut cluster = Cluster::serving("abc", 1).await;
    cluster.write().await;
    cluster.wires.cut(&member('a'), &member('b'));
    let before = cluster.revision().await;
    // Longer than a voter's patience and a lease.
    cluster.until_quiet(Duration::from_secs(5)).await;
    assert_eq!(cluster.revision().await, before, "nothing was written");
    assert_eq!(cluster.rule().await.unwrap().term, Term(1));
    cluster.wires.mend();
    cluster.write().await;
    cluster.nothing_is_lost().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switchover_that_was_asked_for_goes_where_it_was_asked_to() {
    let mut cluster = Cluster::serving("abc", 1).await;
    cluster.write().await;
    let nonce = berth_core::Nonce::new("s1").unwrap();
    cluster
        .intend(|intent| intent.switchover = Some(Switchover { nonce: nonce.clone(), to: Some(member('c')) }))
        .await;
    let rule = cluster
        .until_rule("the next term", |rule| rule.term == Term(2) && rule.phase == Phase::Serving)
        .await;
    assert_eq!((rule.primary, rule.switched), (identity('c'), Some(nonce)));
    cluster.write().await;
    cluster.until_rule("the old primary to vote", |rule| rule.voters.contains(&identity('a'))).await;
    cluster.nothing_is_lost().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_dies_alone_costs_no_term() {
    let mut cluster = Cluster::serving("abc", 1).await;
    cluster.kill_agent('a');
    cluster.write().await;
    cluster.agent('a');
    let before = cluster.revision().await;
    cluster.ask_members("abc", 2).await;
    let rule = cluster.until_rule("the new agent to act", |rule| rule.acks == 2).await;
    assert_eq!(rule.term, Term(1));
    assert!(cluster.revision().await > before);
    cluster.write().await;
    cluster.nothing_is_lost().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_comes_back_without_a_copy_and_an_emptied_one_with_one() {
    let mut cluster = Cluster::serving("abc", 2).await;
    cluster.lose_pod('b');
    let row = 1_000_000;
    assert_eq!(cluster.fleet.write(&member('a'), row), Answer::Waits, "two must have it");
    cluster.pod('b');
    cluster.write().await;
    assert_eq!(cluster.fleet.copies(&member('b')), 1);
    assert!(cluster.fleet.rows(&member('b')).contains(&row));

    cluster.lose_pod('b');
    cluster.fleet.wipe(&member('b'));
    cluster.pod('b');
    cluster.write().await;
    assert_eq!(cluster.fleet.copies(&member('b')), 2);
    cluster.nothing_is_lost().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_and_go_while_it_serves() {
    let mut cluster = Cluster::serving("a", 0).await;
    cluster.write().await;
    cluster.ask_members("abc", 2).await;
    cluster.pod('b');
    cluster.pod('c');
    cluster.until_rule("both to vote", |rule| rule.voters.len() == 2 && rule.acks == 2).await;
    cluster.write().await;
    cluster.nothing_is_lost().await;

    cluster.ask_members("ab", 1).await;
    let rule = cluster.until_rule("one to leave", |rule| rule.voters.len() == 1).await;
    assert_eq!((rule.voters.first().unwrap().member.clone(), rule.acks), (member('b'), 1));
    cluster.lose_pod('c');
    cluster.write().await;
    cluster.nothing_is_lost().await;
    assert_eq!(rule.term, Term(1), "nobody was elected for it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_topology_is_away_it_serves_on_and_a_crash_waits_for_it() {
    let mut cluster = Cluster::serving("abc", 1).await;
    cluster.store.go_away();
    assert_eq!(cluster.fleet.write(&member('a'), 77), Answer::Acknowledged);
    cluster.kill_server('a');
    eventually(DEADLINE, "the server to be gone", || async { cluster.fleet.open().is_empty() })
        .await
        .unwrap();
    assert!(!cluster.fleet.writes(&member('a')), "no term, no primary");
    cluster.store.come_back();
    cluster.until_rule("the next term", |rule| rule.term == Term(2) && rule.phase == Phase::Serving).await;
    cluster.write().await;
    assert!(cluster.fleet.rows(&member('b')).contains(&77));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_whose_answer_was_lost_is_found_by_reading() {
    let mut cluster = Cluster::serving("abc", 1).await;
    cluster.store.lose_next_answer();
    cluster.kill_server('a');
    let rule =
        cluster.until_rule("the next term", |rule| rule.phase == Phase::Serving && rule.term > Term(1)).await;
    assert_eq!(rule.term, Term(2), "one crash is one term");
    cluster.write().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_topology_is_never_taken_for_a_new_cluster() {
    let mut cluster = Cluster::serving("abc", 1).await;
    cluster.store.replace();
    cluster.lose_pod('a');
    cluster.intend(|_| ()).await;
    cluster.pod('a');
    eventually(DEADLINE, "the member to say that the topology is lost", || async {
        cluster.trouble('a').await.filter(|trouble| trouble.contains("knows of no such cluster"))
    })
    .await
    .unwrap();
    assert_eq!(cluster.rule().await, None);
    assert!(!cluster.fleet.writes(&member('a')));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_rest_nothing_is_written() {
    let cluster = Cluster::serving("abc", 1).await;
    eventually(DEADLINE, "all members to say that they are in their places", || async {
        let snapshot = cluster.store.topology().read(&cluster.uid).await.ok()?;
        let streaming =
            snapshot.members.values().filter(|record| record.value.replication == Replication::InBound);
        let primary = snapshot.members.get(&member('a'))?.value.activity == Activity::Primary;
        let untroubled = snapshot.members.values().all(|record| record.value.trouble.is_none());
        let routed = cluster.route().await?.replicas.len() == 2;
        (streaming.count() == 2 && primary && untroubled && routed).then_some(())
    })
    .await
    .unwrap();
    // What waits for a moment before it is told is longer in coming than a write at rest could be.
    cluster.until_quiet(Duration::from_secs(7)).await;
}
