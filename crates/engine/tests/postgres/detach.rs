//! Where a standby's log ends, and that nothing is added to it after that was said.

use crate::inside::inside;
use crate::world::{Blocked, Cluster, Member, eventually, settings, signal};
use berth_core::{LogPosition, Term, Timeline};
use berth_engine::{Boot, Engine, EngineError, LogEnd, Quorum};
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

/// A position as SQL tells it.
async fn position(member: &Member, expression: &str) -> LogPosition {
    let sql = format!("SELECT ({expression} - '0/0'::pg_lsn)::int8");
    LogPosition(member.superuser(&sql).await.parse().unwrap())
}

async fn replayed(member: &Member) -> LogPosition {
    position(member, "pg_last_wal_replay_lsn()").await
}

async fn flushed(member: &Member) -> LogPosition {
    position(member, "pg_current_wal_flush_lsn()").await
}

async fn caught_up(member: &Member, at: LogPosition) {
    eventually("it has all", async || replayed(member).await >= at).await;
}

#[test]
fn a_detached_standby_tells_its_exact_end_and_receives_nothing_more() {
    inside("detach::a_detached_standby_tells_its_exact_end_and_receives_nothing_more", async || {
        let mut cluster = Cluster::serving(Term(1)).await;
        cluster.join(1, Term(1)).await;
        let [primary, standby, _] = &mut cluster.members[..] else { panic!("three members") };
        primary.superuser("INSERT INTO public.written (what) VALUES ('before')").await;
        let written = flushed(primary).await;
        eventually("it is on the standby", async || {
            standby.engine.status().await.unwrap().position >= written
        })
        .await;
        let end = standby.engine.detach().await.unwrap();
        assert_eq!(end.timeline, Timeline(2));
        assert!(end.position >= written, "{end:?} {written}");
        assert_eq!(end.position, replayed(standby).await);
        assert_eq!(standby.rows().await, "before", "all of it is replayed");
        assert!(primary.engine.status().await.unwrap().standbys.is_empty());

        // More than a try to reconnect would take.
        let after = primary.run("INSERT INTO public.written (what) VALUES ('after')");
        after.is_blocked(Blocked::Goes).await;
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(500) {
            assert!(primary.engine.status().await.unwrap().standbys.is_empty(), "it came back");
        }
        assert_eq!(standby.engine.detach().await.unwrap(), end, "safe to repeat");
        assert!(primary.engine.detach().await.is_err(), "a primary has nothing to be detached from");

        // Killed and started anew, where it receives nothing at all.
        standby.kill();
        standby.start(&Boot::Alone, &settings(1), &Quorum::Nobody).await;
        assert_eq!(standby.engine.detach().await.unwrap(), end);
        // Stopped in order, the same.
        standby.stop();
        standby.start(&Boot::Alone, &settings(1), &Quorum::Nobody).await;
        assert_eq!(standby.engine.detach().await.unwrap(), end);

        // It can go on from there, and then tells another end.
        let source = primary.peer(Term(1));
        standby.engine.follow(Some(&source)).await.unwrap();
        let written = flushed(primary).await;
        caught_up(standby, written).await;
        let later = standby.engine.detach().await.unwrap();
        assert!(later.position >= written && later.position > end.position);
        assert_eq!(standby.engine.promote(Timeline(3)).await.unwrap(), later.position, "there it forks");
        primary.stop();
        standby.stop();
    });
}

#[test]
fn the_end_is_on_the_timeline_of_its_last_record_and_not_of_the_one_asked_for() {
    inside(
        "detach::the_end_is_on_the_timeline_of_its_last_record_and_not_of_the_one_asked_for",
        async || {
            let mut cluster = Cluster::serving(Term(1)).await;
            cluster.join(1, Term(1)).await;
            cluster.join(2, Term(1)).await;
            let [old, first, second] = &mut cluster.members[..] else { panic!("three members") };
            caught_up(first, flushed(old).await).await;
            caught_up(second, flushed(old).await).await;
            old.kill();
            let end = first.engine.detach().await.unwrap();
            assert_eq!(
                end.timeline,
                Timeline(2),
                "the source is dead, and its tries to reconnect change nothing"
            );
            // A moment after the switch: the control file does not know of it, and nothing but the first record is there.
            let members = BTreeSet::from([first.id.clone(), second.id.clone()]);
            first.engine.welcome(&members).await.unwrap();
            first.engine.set_quorum(&Quorum::Any { acks: 1, members, term: Term(2) }).await.unwrap();
            let begin = first.engine.promote(Timeline(3)).await.unwrap();
            second.engine.follow(Some(&first.peer(Term(2)))).await.unwrap();
            let written = flushed(first).await;
            caught_up(second, written).await;
            let end = second.engine.detach().await.unwrap();
            assert_eq!(end, LogEnd { timeline: Timeline(3), position: replayed(second).await });
            assert!(end.position >= written && written > begin, "{end:?} {written} {begin}");
            // Started anew, the timeline is found again, though its checkpoint is of the one before.
            second.kill();
            second.start(&Boot::Alone, &settings(2), &Quorum::Nobody).await;
            assert_eq!(second.engine.detach().await.unwrap(), end);
            first.stop();
            second.stop();
        },
    );
}

#[test]
fn a_record_whose_rest_never_came_is_not_waited_for() {
    inside("detach::a_record_whose_rest_never_came_is_not_waited_for", async || {
        let mut cluster = Cluster::serving(Term(1)).await;
        cluster.join(1, Term(1)).await;
        let [primary, standby, _] = &mut cluster.members[..] else { panic!("three members") };
        caught_up(standby, flushed(primary).await).await;
        let before = standby.engine.status().await.unwrap().position;
        // One record of 300 MB, of which the standby has a part when its source dies.
        let write = primary.run("SELECT pg_logical_emit_message(false, 'berth', repeat('x', 300000000))");
        eventually("a part has come", async || {
            standby.engine.status().await.unwrap().position.0 > before.0 + (20 << 20)
        })
        .await;
        primary.kill();
        drop(write);
        let start = Instant::now();
        let end = standby.engine.detach().await.unwrap();
        let took = start.elapsed();
        let received = position(standby, "pg_last_wal_receive_lsn()").await;
        assert_eq!(end, LogEnd { timeline: Timeline(2), position: replayed(standby).await });
        assert!(received.0 > end.position.0 + (20 << 20), "{received} {end:?}");
        // Far from the deadline of a replay that is only slow.
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert_eq!(standby.engine.detach().await.unwrap(), end);
        assert_eq!(standby.engine.promote(Timeline(3)).await.unwrap(), end.position);
        standby.stop();
    });
}

#[test]
fn a_reader_does_not_hold_an_election_up() {
    inside("detach::a_reader_does_not_hold_an_election_up", async || {
        let mut cluster = Cluster::serving(Term(1)).await;
        cluster.join(1, Term(1)).await;
        let [primary, standby, _] = &mut cluster.members[..] else { panic!("three members") };
        primary.engine.open_gate().await.unwrap();
        standby.engine.open_gate().await.unwrap();
        let tenant = async |sql: &str| primary.tenant("app", "secret", sql).await.unwrap();
        tenant("CREATE TABLE public.things AS SELECT generate_series(1, 100) AS n").await;
        caught_up(standby, flushed(primary).await).await;
        let session = standby.tenant_session("app", "secret");
        eventually("it reads", async || {
            standby
                .superuser("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state = 'active'")
                .await
                == "1"
        })
        .await;
        tenant("DELETE FROM public.things").await;
        tenant("VACUUM public.things").await;
        tenant("CREATE TABLE public.later ()").await;
        let written = flushed(primary).await;
        let stuck = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'startup' AND wait_event LIKE 'RecoveryConflict%'";
        eventually("replay waits for it", async || standby.superuser(stuck).await == "1").await;
        let end = standby.engine.detach().await.unwrap();
        assert!(end.position >= written, "{end:?} {written}");
        session.has_ended();
        primary.stop();
        standby.stop();
    });
}

#[test]
fn a_standby_that_does_not_answer_is_given_up_and_asked_again() {
    inside("detach::a_standby_that_does_not_answer_is_given_up_and_asked_again", async || {
        let mut cluster = Cluster::serving(Term(1)).await;
        cluster.join(1, Term(1)).await;
        let [primary, standby, _] = &mut cluster.members[..] else { panic!("three members") };
        caught_up(standby, flushed(primary).await).await;
        let startup = standby.processes("startup").await;
        signal("STOP", &startup);
        let start = Instant::now();
        let error = standby.engine.detach().await.unwrap_err();
        assert!(error.retryable() && start.elapsed() < Duration::from_secs(15), "{error}");
        signal("CONT", &startup);
        let end = standby.engine.detach().await.unwrap();
        assert_eq!(end.timeline, Timeline(2));
        // It was left neither paused nor attached.
        let source = primary.peer(Term(1));
        primary.superuser("INSERT INTO public.written (what) VALUES ('later')").await;
        standby.engine.follow(Some(&source)).await.unwrap();
        eventually("it goes on", async || standby.rows().await == "later").await;
        primary.stop();
        standby.stop();
    });
}

#[test]
fn what_others_tell_of_their_timelines_leads_nobody_astray() {
    inside("detach::what_others_tell_of_their_timelines_leads_nobody_astray", async || {
        let mut cluster = Cluster::serving(Term(1)).await;
        cluster.join(1, Term(1)).await;
        let [primary, standby, _] = &mut cluster.members[..] else { panic!("three members") };
        caught_up(standby, flushed(primary).await).await;
        let end = standby.engine.detach().await.unwrap();
        let folder = standby.data.join("pgdata/pg_wal");
        let history = |number: u32| folder.join(format!("{number:08X}.history"));
        let ancestor = fs::read_to_string(history(2)).unwrap();
        let text = |position: LogPosition| format!("{:X}/{:X}", position.0 >> 32, position.0 & 0xFFFF_FFFF);

        // One that left before the end: the standby stays where it is, and takes the next number.
        fs::write(history(3), format!("{ancestor}2\t{}\tx\n", text(LogPosition(0x100_0000)))).unwrap();
        assert_eq!(standby.engine.detach().await.unwrap(), end);
        assert!(standby.engine.promote(Timeline(3)).await.is_err(), "the number is used");
        // It would keep the server from starting, if it stayed.
        standby.kill();
        standby.start(&Boot::Alone, &settings(1), &Quorum::Nobody).await;
        assert!(!history(3).exists());
        assert_eq!(standby.engine.detach().await.unwrap(), end);

        // One that leaves at the end, and of which nothing has come: the server may have turned to it.
        let later = format!("{ancestor}2\t{}\tx\n", text(end.position));
        fs::write(history(3), &later).unwrap();
        for refused in
            [standby.engine.detach().await.map(drop), standby.engine.promote(Timeline(4)).await.map(drop)]
        {
            let error = refused.unwrap_err();
            assert!(matches!(error, EngineError::Step { .. }), "{error}");
            assert!(error.to_string().contains("waits for timeline 3"), "{error}");
        }
        assert!(standby.engine.status().await.unwrap().in_recovery, "nothing has happened");
        standby.stop();
        standby.start(&Boot::Alone, &settings(1), &Quorum::Nobody).await;
        assert_eq!(standby.engine.detach().await.unwrap(), end);

        // A promotion that died between its preparation and its beginning.
        fs::write(history(3), b"").unwrap();
        standby.kill();
        standby.start(&Boot::Alone, &settings(1), &Quorum::Nobody).await;
        assert_eq!(standby.engine.detach().await.unwrap(), end);
        assert_eq!(standby.engine.promote(Timeline(5)).await.unwrap(), end.position);
        assert!(!fs::read_to_string(history(5)).unwrap().contains("\n3\t"));
        primary.stop();
        standby.stop();
    });
}
