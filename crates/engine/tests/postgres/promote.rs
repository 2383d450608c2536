//! What a standby is made ready with before its promotion, and that it holds from the first commit on.

use crate::inside::inside;
use crate::world::{Blocked, Cluster, eventually, settings, signal};
use berth_core::{Term, Timeline};
use berth_engine::{Boot, Engine, Quorum, Volume};
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn the_first_commit_after_a_promotion_waits_for_the_new_names() {
    inside("promote::the_first_commit_after_a_promotion_waits_for_the_new_names", async || {
        let mut cluster = Cluster::serving(Term(1)).await;
        cluster.join(1, Term(1)).await;
        cluster.join(2, Term(1)).await;
        let members: BTreeSet<_> = cluster.members.iter().map(|member| member.id.clone()).collect();
        let quorum = Quorum::Any { acks: 1, members: members.clone(), term: Term(2) };
        let [old, candidate, follower] = &mut cluster.members[..] else { panic!("three members") };
        old.kill();
        candidate.engine.detach().await.unwrap();
        follower.engine.detach().await.unwrap();
        candidate.engine.welcome(&members).await.unwrap();
        candidate.engine.set_quorum(&quorum).await.unwrap();
        assert_eq!(
            candidate.superuser("SHOW synchronous_standby_names").await,
            r#"ANY 1 ("aaaaa_t2", "bbbbb_t2", "ccccc_t2")"#
        );
        // Whoever is to acknowledge must be able to come at once.
        assert_eq!(
            candidate
                .superuser("SELECT string_agg(slot_name, ',' ORDER BY slot_name) FROM pg_replication_slots")
                .await,
            "berth_aaaaa,berth_ccccc"
        );
        // The checkpointer may come late: what it does not do any more was done before.
        let checkpointer = candidate.processes("checkpointer").await;
        signal("STOP", &checkpointer);
        let hammer = candidate.hammer();
        candidate.engine.promote(Timeline(3)).await.unwrap();
        let write = candidate.write("at once");
        write.is_blocked(Blocked::Waits).await;
        assert_eq!(hammer.acknowledged(), "");
        signal("CONT", &checkpointer);
        // Asked for again, it is in force.
        candidate.engine.set_quorum(&quorum).await.unwrap();
        follower.engine.follow(Some(&candidate.peer(Term(2)))).await.unwrap();
        write.is_blocked(Blocked::Goes).await;
        candidate.stop();
        follower.stop();
    });
}

#[test]
fn a_follower_that_attached_before_the_promotion_counts_after_it() {
    inside("promote::a_follower_that_attached_before_the_promotion_counts_after_it", async || {
        let mut cluster = Cluster::serving(Term(1)).await;
        cluster.join(1, Term(1)).await;
        cluster.join(2, Term(1)).await;
        let followers = cluster.replicas();
        let quorum = Quorum::Any { acks: 1, members: followers.clone(), term: Term(2) };
        let [old, candidate, follower] = &mut cluster.members[..] else { panic!("three members") };
        old.stop();
        candidate.engine.detach().await.unwrap();
        candidate.engine.welcome(&followers).await.unwrap();
        candidate.engine.set_quorum(&quorum).await.unwrap();
        follower.engine.follow(Some(&candidate.peer(Term(2)))).await.unwrap();
        candidate.engine.promote(Timeline(3)).await.unwrap();
        candidate.engine.set_quorum(&quorum).await.unwrap();
        let write = candidate.write("acknowledged");
        write.is_blocked(Blocked::Goes).await;
        eventually("it is counted", async || {
            candidate.engine.status().await.unwrap().standbys.iter().any(|standby| standby.counted)
        })
        .await;
        candidate.stop();
        follower.stop();
    });
}

#[test]
fn a_standby_that_waited_for_nobody_arms_the_wait_before_it_says_so() {
    inside("promote::a_standby_that_waited_for_nobody_arms_the_wait_before_it_says_so", async || {
        let mut cluster = Cluster::new();
        let members = cluster.replicas();
        let quorum = Quorum::Any { acks: 1, members, term: Term(1) };
        let member = &mut cluster.members[0];
        member.engine.initialize().await.unwrap();
        member.start(&Boot::Alone, &settings(1), &Quorum::None).await;
        member.engine.set_quorum(&quorum).await.unwrap();
        member.engine.promote(Timeline(2)).await.unwrap();
        member.run("CREATE TABLE public.waits ()").is_blocked(Blocked::Waits).await;
        member.kill();
        // The trap: with a checkpointer that is late, the setting shows the names and a commit waits for none of them.
        member.start(&Boot::Alone, &settings(2), &Quorum::None).await;
        let checkpointer = member.processes("checkpointer").await;
        signal("STOP", &checkpointer);
        let set = member.engine.set_quorum(&quorum);
        assert!(tokio::time::timeout(Duration::from_secs(2), set).await.is_err(), "nothing has armed it");
        assert_eq!(
            member.superuser("SHOW synchronous_standby_names").await,
            "ANY 1 (\"bbbbb_t1\", \"ccccc_t1\")"
        );
        member.superuser("SELECT pg_promote()").await;
        member.run("CREATE TABLE public.goes ()").is_blocked(Blocked::Goes).await;
        signal("CONT", &checkpointer);
        member.engine.set_quorum(&quorum).await.unwrap();
        member.run("CREATE TABLE public.waits_again ()").is_blocked(Blocked::Waits).await;
        member.kill();
    });
}

#[test]
fn a_standby_keeps_no_log_for_others_and_a_little_for_everybody() {
    inside("promote::a_standby_keeps_no_log_for_others_and_a_little_for_everybody", async || {
        let mut cluster = Cluster::serving(Term(1)).await;
        cluster.join(1, Term(1)).await;
        let followers = cluster.replicas();
        let source = cluster.members[0].peer(Term(1));
        let standby = &mut cluster.members[1];
        let slots = "SELECT count(*) FROM pg_replication_slots";
        assert_eq!(standby.superuser(slots).await, "0");
        // An election that it lost leaves none behind.
        standby.engine.detach().await.unwrap();
        standby.engine.welcome(&followers).await.unwrap();
        assert_eq!(standby.superuser(slots).await, "1");
        standby.engine.follow(Some(&source)).await.unwrap();
        assert_eq!(standby.superuser(slots).await, "0");
        standby.engine.detach().await.unwrap();
        standby.engine.welcome(&followers).await.unwrap();
        standby.kill();
        standby.start(&Boot::Following(source), &settings(2), &Quorum::Nobody).await;
        assert_eq!(standby.superuser(slots).await, "0");
        let kept: u32 = standby
            .superuser("SELECT setting FROM pg_settings WHERE name = 'wal_keep_size'")
            .await
            .parse()
            .unwrap();
        assert!((64..=2048).contains(&kept), "{kept} MB");
        for member in &mut cluster.members[..2] {
            member.stop();
        }
    });
}

#[test]
fn a_primary_tells_how_many_tenants_are_in_the_middle_of_something() {
    inside("promote::a_primary_tells_how_many_tenants_are_in_the_middle_of_something", async || {
        let mut cluster = Cluster::serving(Term(1)).await;
        cluster.join(1, Term(1)).await;
        let [primary, standby, _] = &mut cluster.members[..] else { panic!("three members") };
        primary.engine.open_gate().await.unwrap();
        standby.engine.open_gate().await.unwrap();
        // Berth's own work is none of theirs.
        let own = primary.run("SELECT pg_sleep(1000)");
        assert_eq!(primary.engine.status().await.unwrap().transactions, 0);
        let _sessions = [(); 2].map(|()| primary.tenant_session("app", "secret"));
        let _reader = standby.tenant_session("app", "secret");
        eventually("both are counted", async || primary.engine.status().await.unwrap().transactions == 2)
            .await;
        // A session that waits for its client between transactions.
        primary.tenant("app", "secret", "SELECT 1").await.unwrap();
        assert_eq!(primary.engine.status().await.unwrap().transactions, 2);
        eventually("the reader", async || {
            standby.superuser("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'").await == "1"
        })
        .await;
        assert_eq!(standby.engine.status().await.unwrap().transactions, 0, "a standby has none that matter");
        primary.engine.close_gate().await.unwrap();
        assert_eq!(primary.engine.status().await.unwrap().transactions, 0);
        primary.stop();
        standby.stop();
        drop(own);
    });
}

#[test]
fn only_a_primary_that_was_stopped_in_order_tells_where_it_ended() {
    inside("promote::only_a_primary_that_was_stopped_in_order_tells_where_it_ended", async || {
        let mut cluster = Cluster::serving(Term(1)).await;
        cluster.join(1, Term(1)).await;
        let [primary, standby, _] = &mut cluster.members[..] else { panic!("three members") };
        let closed = async |member: &crate::world::Member| match member.engine.inspect().await.unwrap() {
            Volume::Present { closed, .. } => closed,
            Volume::Empty => panic!("a database"),
        };
        assert_eq!(closed(primary).await, None, "it runs");
        // A fast stop sends all to those that stream.
        primary.stop();
        let at = closed(primary).await.expect("where it ended");
        let end = standby.engine.detach().await.unwrap();
        assert!(end.position > at, "whoever holds more than that holds all: {end:?} {at}");
        assert!(end.position.0 < at.0 + 256, "and there is nothing after it");
        standby.stop();
        assert_eq!(closed(standby).await, None, "a standby");
        primary.start(&Boot::Alone, &settings(2), &Quorum::None).await;
        primary.engine.promote(Timeline(3)).await.unwrap();
        primary.kill();
        assert_eq!(closed(primary).await, None, "killed");
    });
}
