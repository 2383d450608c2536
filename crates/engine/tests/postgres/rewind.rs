//! Former primaries and standbys whose log went another way than the rule's.

use crate::inside::inside;
use crate::world::{Blocked, Cluster, Member, eventually, settings, signal};
use berth_core::{Term, Timeline};
use berth_engine::{Boot, Engine, EngineError, Peer, Quorum, Volume};
use std::collections::BTreeSet;
use std::fs;

/// The second member leads term 2 on timeline 3. The first was killed with rows that nobody acknowledged; the third has them too, and
/// was killed as well. The leader has made no checkpoint on its timeline, and makes none before the returned process goes on.
async fn parted() -> (Cluster, Vec<String>) {
    let mut cluster = Cluster::serving(Term(1)).await;
    cluster.join(1, Term(1)).await;
    cluster.join(2, Term(1)).await;
    let members: BTreeSet<_> = cluster.members.iter().map(|member| member.id.clone()).collect();
    let quorum = Quorum::Any { acks: 1, members: members.clone(), term: Term(2) };
    let [old, new, third] = &mut cluster.members[..] else { panic!("three members") };
    old.superuser("CREATE TABLE public.shrinks AS SELECT i FROM generate_series(1, 20000) i").await;
    old.superuser("DELETE FROM public.shrinks WHERE i > 1000").await;
    // Its last blocks are empty, and are there.
    old.superuser("VACUUM (TRUNCATE false) public.shrinks").await;
    // All that any rewind here replaces was changed after it.
    old.superuser("CHECKPOINT").await;
    old.superuser("INSERT INTO public.written (what) VALUES ('before')").await;
    eventually("it is there", async || new.rows().await == "before").await;
    new.superuser("CHECKPOINT").await;
    new.engine.detach().await.unwrap();
    old.superuser("INSERT INTO public.written (what) SELECT 'tail' FROM generate_series(1, 20000)").await;
    old.superuser("CREATE TABLE public.tail AS SELECT generate_series(1, 20000)").await;
    old.superuser("VACUUM public.shrinks").await;
    assert_eq!(old.superuser("SELECT pg_relation_size('public.shrinks') < 100000").await, "t");
    let tail = "SELECT to_regclass('public.tail') IS NOT NULL";
    eventually("the tail is there, too", async || third.superuser(tail).await == "t").await;
    old.kill();
    third.kill();
    new.engine.welcome(&members).await.unwrap();
    new.engine.set_quorum(&quorum).await.unwrap();
    let checkpointer = new.processes("checkpointer").await;
    signal("STOP", &checkpointer);
    new.engine.promote(Timeline(3)).await.unwrap();
    (cluster, checkpointer)
}

/// The processes of rewinds, in this scenario's world.
fn rewinding() -> Vec<String> {
    let rewinds = |process: &fs::DirEntry| {
        fs::read_link(process.path().join("exe")).is_ok_and(|program| program.ends_with("pg_rewind"))
    };
    let found = fs::read_dir("/proc").unwrap().flatten().filter(rewinds);
    found.map(|process| process.file_name().to_string_lossy().into_owned()).collect()
}

async fn torn(member: &Member) -> bool {
    matches!(member.engine.inspect().await.unwrap(), Volume::Present { torn: true, .. })
}

/// Starts the member as a follower of term 2, and sees that it follows and holds what the leader holds.
async fn follows(leader: &Member, member: &mut Member) {
    member.start(&Boot::Following(leader.peer(Term(2))), &settings(2), &Quorum::Nobody).await;
    eventually("it streams", async || member.engine.status().await.unwrap().receiving).await;
    let what = format!("from {}", member.id);
    leader.write(&what).is_blocked(Blocked::Goes).await;
    let rows = leader.rows().await;
    assert!(rows.starts_with("before,from ") && !rows.contains("tail"), "{rows}");
    eventually("it has the same rows", async || member.rows().await == rows).await;
    assert_eq!(member.superuser("SELECT to_regclass('public.tail') IS NULL").await, "t");
    assert_eq!(member.engine.status().await.unwrap().timeline, Timeline(3));
    assert_eq!(member.superuser("SELECT count(*) FROM pg_replication_slots").await, "0", "it keeps none");
}

#[test]
fn a_killed_primary_loses_its_tail_and_follows() {
    inside("rewind::a_killed_primary_loses_its_tail_and_follows", async || {
        let (mut cluster, checkpointer) = parted().await;
        let [old, new, third] = &mut cluster.members[..] else { panic!("three members") };
        // Before any checkpoint of the new timeline: versions before 16 took it for the old one then, and rewound nothing.
        assert_eq!(new.superuser("SELECT timeline_id FROM pg_control_checkpoint()").await, "2");
        let source = new.peer(Term(2));
        old.engine.rewind(&source).await.unwrap();
        assert!(torn(old).await, "it is whole only with what the new one's log goes on with");
        old.engine.rewind(&source).await.unwrap();
        follows(new, old).await;
        assert!(!torn(old).await);
        signal("CONT", &checkpointer);
        // A standby that was ahead of the one that leads now, and that was killed too.
        third.engine.rewind(&source).await.unwrap();
        follows(new, third).await;
        for member in &mut cluster.members {
            member.stop();
        }
    });
}

#[test]
fn a_primary_that_was_stopped_in_order_needs_no_rewind() {
    inside("rewind::a_primary_that_was_stopped_in_order_needs_no_rewind", async || {
        let mut cluster = Cluster::serving(Term(1)).await;
        cluster.join(1, Term(1)).await;
        let members: BTreeSet<_> = cluster.members.iter().map(|member| member.id.clone()).collect();
        let quorum = Quorum::Any { acks: 1, members: members.clone(), term: Term(2) };
        let [old, new, _] = &mut cluster.members[..] else { panic!("three members") };
        old.superuser("INSERT INTO public.written (what) VALUES ('before')").await;
        old.stop();
        let control = fs::read(old.data.join("pgdata/global/pg_control")).unwrap();
        new.engine.detach().await.unwrap();
        new.engine.welcome(&members).await.unwrap();
        new.engine.set_quorum(&quorum).await.unwrap();
        new.engine.promote(Timeline(3)).await.unwrap();
        old.engine.rewind(&new.peer(Term(2))).await.unwrap();
        assert_eq!(
            fs::read(old.data.join("pgdata/global/pg_control")).unwrap(),
            control,
            "nothing was written"
        );
        follows(new, old).await;
        new.stop();
        old.stop();
    });
}

#[test]
fn rewound_data_goes_on_with_the_next_leader_and_not_for_ever() {
    inside("rewind::rewound_data_goes_on_with_the_next_leader_and_not_for_ever", async || {
        let (mut cluster, checkpointer) = parted().await;
        signal("CONT", &checkpointer);
        let [old, new, third] = &mut cluster.members[..] else { panic!("three members") };
        let source = new.peer(Term(2));
        third.engine.rewind(&source).await.unwrap();
        follows(new, third).await;
        old.engine.rewind(&source).await.unwrap();
        // It has not been started when its leader is lost.
        new.kill();
        leads_next(third, old).await;
        let next = third.peer(Term(3));
        old.engine.rewind(&next).await.unwrap();
        assert!(torn(old).await, "not before it answers");

        let note = old.data.join("rewind/source.json");
        let written = fs::read_to_string(&note).unwrap();
        assert!(written.contains("\"tries\":1"), "{written}");
        fs::write(&note, written.replace("\"tries\":1", "\"tries\":5")).unwrap();
        let error = old.engine.rewind(&next).await.unwrap_err();
        assert!(!error.retryable() && error.to_string().contains("new claim"), "{error}");
        fs::write(&note, written).unwrap();

        old.start(&Boot::Following(next), &settings(3), &Quorum::Nobody).await;
        eventually("it streams", async || old.engine.status().await.is_ok_and(|status| status.receiving))
            .await;
        assert!(!torn(old).await);
        third.write("in the third term").is_blocked(Blocked::Goes).await;
        third.stop();
        old.stop();
    });
}

/// Has the third member lead term 3 on timeline 4.
async fn leads_next(third: &mut Member, follower: &Member) {
    third.engine.detach().await.unwrap();
    let followers = BTreeSet::from([follower.id.clone()]);
    third.engine.welcome(&followers).await.unwrap();
    let quorum = Quorum::Any { acks: 1, members: followers, term: Term(3) };
    third.engine.set_quorum(&quorum).await.unwrap();
    third.engine.promote(Timeline(4)).await.unwrap();
}

#[test]
fn a_rewind_that_is_broken_off_goes_on_with_the_next_leader() {
    inside("rewind::a_rewind_that_is_broken_off_goes_on_with_the_next_leader", async || {
        let (mut cluster, checkpointer) = parted().await;
        signal("CONT", &checkpointer);
        let [old, new, third] = &mut cluster.members[..] else { panic!("three members") };
        let source = new.peer(Term(2));
        third.engine.rewind(&source).await.unwrap();
        follows(new, third).await;
        // What the leader alone has, and loses: in blocks that the tail took away, and in those of a new table.
        third.engine.detach().await.unwrap();
        new.superuser("INSERT INTO public.shrinks SELECT generate_series(30000, 40000)").await;
        new.superuser("CREATE TABLE public.lost AS SELECT generate_series(1, 20000)").await;
        new.superuser("CHECKPOINT").await;
        // Broken off before the last that a rewind writes.
        let control = old.data.join("pgdata/global/pg_control");
        let note = old.data.join("rewind/source.json");
        // Until it finds nobody, a rewind only ends the recovery of what was killed.
        old.engine.rewind(&Peer { address: "127.0.0.1:1".to_owned(), ..source.clone() }).await.unwrap_err();
        let before = fs::read(&control).unwrap();
        old.engine.rewind(&source).await.unwrap();
        fs::write(&control, before).unwrap();
        let written = fs::read_to_string(&note).unwrap();
        fs::write(&note, written.replace("\"done\":true", "\"done\":false")).unwrap();
        new.kill();
        leads_next(third, old).await;
        let next = third.peer(Term(3));
        old.engine.rewind(&next).await.unwrap();
        old.start(&Boot::Following(next), &settings(3), &Quorum::Nobody).await;
        eventually("it streams", async || old.engine.status().await.is_ok_and(|status| status.receiving))
            .await;
        assert!(!torn(old).await);
        // The numbers of the transactions that were lost are used again.
        for number in 0..5 {
            third.write(&format!("{number} in the third term")).is_blocked(Blocked::Goes).await;
        }
        let all = "SELECT count(*), sum(i), to_regclass('public.lost') IS NULL FROM public.shrinks";
        let rows = third.rows().await;
        eventually("it has the same rows", async || old.rows().await == rows).await;
        assert_eq!(old.superuser(all).await, third.superuser(all).await);
        third.stop();
        old.stop();
    });
}

#[test]
fn a_rewind_that_is_broken_off_is_ended_or_nothing_starts() {
    inside("rewind::a_rewind_that_is_broken_off_is_ended_or_nothing_starts", async || {
        let (mut cluster, checkpointer) = parted().await;
        signal("CONT", &checkpointer);
        let stranger = cluster.members[2].peer(Term(2));
        let [old, new, _] = &mut cluster.members[..] else { panic!("three members") };
        // Nobody there: nothing has happened, and the data is as usable as before.
        let error = old.engine.rewind(&stranger).await.unwrap_err();
        assert!(matches!(error, EngineError::Step { .. }), "{error}");
        assert!(!old.data.join("rewind/source.json").exists());

        let source = new.peer(Term(2));
        let note = old.data.join("rewind/source.json");
        let broken = async || {
            let mut rewind = Box::pin(old.engine.rewind(&source));
            eventually("it writes", async || {
                tokio::select! {
                    biased;
                    done = &mut rewind => panic!("it was not broken off: {done:?}"),
                    () = tokio::task::yield_now() => note.exists(),
                }
            })
            .await;
            // As an agent that is killed: what it started goes on, and here it takes its time.
            signal("STOP", &rewinding());
            std::mem::forget(rewind);
        };
        broken().await;
        let Volume::Present { closed, .. } = old.engine.inspect().await.unwrap() else {
            panic!("a database")
        };
        assert_eq!(closed, None);
        assert!(torn(old).await);
        // What it reads of its own log is truncated sooner or later.
        let folder = old.data.join("pgdata/pg_wal");
        let kept = fs::read_dir(old.data.join("rewind/log")).unwrap().flatten();
        let kept: Vec<_> = kept.map(|entry| entry.file_name()).collect();
        assert!(kept.iter().any(|name| name == "00000002.history") && kept.len() > 1, "{kept:?}");
        for name in &kept {
            fs::write(folder.join(name), b"").unwrap();
        }
        assert!(!rewinding().is_empty(), "it is still at work");
        // With one that cannot be asked it stays as it is.
        let error = old.engine.rewind(&stranger).await.unwrap_err();
        assert!(matches!(error, EngineError::Step { .. }), "{error}");
        assert!(torn(old).await);
        assert!(rewinding().is_empty(), "and whoever takes over ends it");
        // Without the source nothing starts.
        let written = fs::read_to_string(&note).unwrap();
        fs::write(&note, written.replace(&source.address, "127.0.0.1:1")).unwrap();
        old.engine.server(&Boot::Alone, &settings(2), &Quorum::Nobody).await.unwrap_err();
        fs::write(&note, written).unwrap();
        // A start ends it first.
        follows(new, old).await;
        assert!(!old.data.join("rewind").exists());
        new.stop();
        old.stop();
    });
}
