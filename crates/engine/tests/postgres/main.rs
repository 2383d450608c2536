//! The PostgreSQL adapter with real PostgreSQL 17: three members on loopback, with mTLS between them.
//!
//! Each scenario runs in a process of its own inside the root filesystem of the `postgres:17` image, as its user, so that
//! programs, paths and rights are those of a pod. Needs root for the namespaces; see [`inside`].

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and shows the servers' logs then"
)]

mod detach;
mod full;
mod inside;
mod promote;
mod rewind;
mod world;

use berth_core::topology::{Access, Identity};
use berth_core::{ClaimUid, LogPosition, Term, Timeline};
use berth_engine::logs::LogLevel;
use berth_engine::{Boot, Engine, EngineError, Peer, Quorum, Settings, TermRow, Volume};
use inside::inside;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use world::{Blocked, Cluster, eventually, settings, signal};

/// A verifier of the password "secret".
const VERIFIER: &str = "SCRAM-SHA-256$4096:YmVydGgtdGVzdC1zYWx0IQ==$XjY/KkWI+9NdmH5hHcqVELuEsJ4O4DkKJsGES7dbyu4=:NQP2lHs7b22hmm0Obs8X3RhwpG+9VKYXEd61BlkzEJ0=";

fn access() -> Access {
    Access { database: "app".to_owned(), owner: "app".to_owned() }
}

#[test]
fn a_new_database_is_whole_or_not_there() {
    inside("a_new_database_is_whole_or_not_there", async || {
        let cluster = Cluster::new();
        let member = &cluster.members[0];
        assert_eq!(member.engine.inspect().await.unwrap(), Volume::Empty);
        // What an interrupted attempt left counts for nothing and is in nobody's way.
        std::fs::create_dir_all(member.data.join("pgdata.unfinished/base")).unwrap();
        assert_eq!(member.engine.inspect().await.unwrap(), Volume::Empty);
        member.engine.initialize().await.unwrap();
        let Volume::Present { system, timeline, .. } = member.engine.inspect().await.unwrap() else {
            panic!("no database")
        };
        assert_eq!(timeline, Timeline(1));
        assert!(system.parse::<u64>().is_ok(), "{system}");
        assert!(!member.data.join("pgdata.unfinished").exists());
        let again = member.engine.initialize().await.unwrap_err();
        assert!(matches!(again, EngineError::Volume(_)) && !again.retryable(), "{again}");
        std::fs::remove_file(member.data.join("pgdata/PG_VERSION")).unwrap();
        assert!(matches!(member.engine.inspect().await, Err(EngineError::Volume(_))));
    });
}

#[test]
fn a_server_starts_as_a_standby_and_is_promoted_onto_the_allocated_timeline() {
    inside("a_server_starts_as_a_standby_and_is_promoted_onto_the_allocated_timeline", async || {
        let mut cluster = Cluster::new();
        cluster.members[0].engine.initialize().await.unwrap();
        let member = &mut cluster.members[0];
        member.start(&Boot::Alone, &settings(1), &Quorum::None).await;
        let status = member.engine.status().await.unwrap();
        assert!(status.in_recovery && !status.receiving);
        assert_eq!(status.timeline, Timeline(1));
        assert!(member.engine.promote(Timeline(1)).await.is_err(), "a number is never used twice");
        assert!(member.engine.status().await.unwrap().in_recovery, "and nothing has happened");
        // Not the next free one: two terms were won by somebody who never served.
        let begin = member.engine.promote(Timeline(4)).await.unwrap();
        let status = member.engine.status().await.unwrap();
        assert_eq!((status.in_recovery, status.timeline), (false, Timeline(4)));
        assert!(begin > LogPosition(0) && begin <= status.position, "{begin} {}", status.position);
        assert_eq!(member.engine.promote(Timeline(4)).await.unwrap(), begin, "safe to repeat");
        assert!(member.engine.promote(Timeline(5)).await.is_err(), "a primary stays on its timeline");
        assert_eq!(member.superuser("SHOW berth.term").await, "1");
        assert_eq!(member.superuser("SHOW data_checksums").await, "on");
        assert_eq!(
            member
                .superuser(
                    "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'postgres'"
                )
                .await,
            "bC.UTF-8"
        );
        // And again after a crash: a crashed primary recovers as a standby, and goes on to exactly the next.
        member.kill();
        member.start(&Boot::Alone, &settings(2), &Quorum::None).await;
        assert_eq!(member.engine.status().await.unwrap().timeline, Timeline(4));
        member.engine.promote(Timeline(5)).await.unwrap();
        assert_eq!(member.superuser("SHOW berth.term").await, "2");
        member.stop();
    });
}

#[test]
fn a_cluster_forms_survives_a_crash_of_its_primary_and_loses_nothing() {
    inside("a_cluster_forms_survives_a_crash_of_its_primary_and_loses_nothing", async || {
        let mut cluster = Cluster::serving(Term(1)).await;
        cluster.join(1, Term(1)).await;
        cluster.join(2, Term(1)).await;
        let members = cluster.replicas();
        let [primary, first, second] = &mut cluster.members[..] else { panic!("three members") };
        eventually("both stream", async || {
            let standbys = primary.engine.status().await.unwrap().standbys;
            standbys.iter().filter(|s| s.streaming && s.term == Term(1) && !s.counted).count() == 2
        })
        .await;

        // Nobody: a commit waits for ever. Any: it goes on.
        primary.engine.set_quorum(&Quorum::Nobody).await.unwrap();
        let write = primary.write("nobody");
        write.is_blocked(Blocked::Waits).await;
        let any = Quorum::Any { acks: 1, members: members.clone(), term: Term(1) };
        primary.engine.set_quorum(&any).await.unwrap();
        write.is_blocked(Blocked::Goes).await;
        assert_eq!(primary.engine.status().await.unwrap().standbys.iter().filter(|s| s.counted).count(), 2);

        // Names of another term are not counted, though both stream.
        let other = Quorum::Any { acks: 1, members: members.clone(), term: Term(9) };
        primary.engine.set_quorum(&other).await.unwrap();
        let write = primary.write("wrong term");
        write.is_blocked(Blocked::Waits).await;
        assert!(primary.engine.status().await.unwrap().standbys.iter().all(|s| s.streaming && !s.counted));
        // Berth's own notes wait for nobody.
        let row = TermRow { term: Term(1), voters: BTreeSet::new(), acks: 1 };
        primary.engine.write_term(&row).await.unwrap();
        primary.engine.set_quorum(&any).await.unwrap();
        write.is_blocked(Blocked::Goes).await;

        // Crash. The same member serves on in the next term; the quorum of the new term's names is there before the promotion.
        let before = first.engine.inspect().await.unwrap();
        primary.kill();
        let next = Quorum::Any { acks: 1, members: members.clone(), term: Term(2) };
        primary.start(&Boot::Alone, &settings(2), &next).await;
        primary.engine.promote(Timeline(3)).await.unwrap();
        primary.engine.set_quorum(&next).await.unwrap();
        let write = primary.write("after the crash");
        write.is_blocked(Blocked::Waits).await;
        let voters = members
            .iter()
            .map(|member| Identity { member: member.clone(), claim: ClaimUid::new("c").unwrap() });
        let row = TermRow { term: Term(2), voters: voters.collect(), acks: 1 };
        let position = primary.engine.write_term(&row).await.unwrap();
        let source = primary.peer(Term(2));
        for replica in [&*first, &*second] {
            replica.engine.follow(Some(&source)).await.unwrap();
        }
        write.is_blocked(Blocked::Goes).await;
        eventually("the voters have flushed the term's row", async || {
            let standbys = primary.engine.status().await.unwrap().standbys;
            standbys.iter().filter(|s| s.term == Term(2) && s.counted && s.flushed >= position).count() == 2
        })
        .await;
        eventually("the replicas show the row", async || {
            first.engine.read_term().await.unwrap().as_ref() == Some(&row)
        })
        .await;
        eventually("the replicas are on the new timeline", async || {
            second.engine.status().await.unwrap().timeline == Timeline(3)
        })
        .await;
        let (Volume::Present { system, .. }, Volume::Present { system: now, .. }) =
            (before, first.engine.inspect().await.unwrap())
        else {
            panic!("a database")
        };
        assert_eq!(system, now);
        let rows = first.superuser("SELECT string_agg(what, ',' ORDER BY n) FROM public.written").await;
        assert_eq!(rows, "nobody,wrong term,after the crash");
        let lag = first.engine.status().await.unwrap();
        assert!(lag.receiving && lag.behind.is_some_and(|bytes| bytes < 1 << 20), "{lag:?}");

        // Pointed at nobody, it stops, also after a start of its own configuration.
        second.engine.follow(None).await.unwrap();
        assert!(!second.engine.status().await.unwrap().receiving);
        for member in &mut cluster.members {
            member.stop();
        }
    });
}

#[test]
fn who_waited_for_nobody_goes_on_when_there_is_a_quorum_and_not_when_a_standby_next_reports() {
    inside(
        "who_waited_for_nobody_goes_on_when_there_is_a_quorum_and_not_when_a_standby_next_reports",
        async || {
            let mut cluster = Cluster::serving(Term(1)).await;
            cluster.join(1, Term(1)).await;
            let quorum = Quorum::Any { acks: 1, members: cluster.replicas(), term: Term(1) };
            let [primary, replica, ..] = &mut cluster.members[..] else { panic!("two members") };
            primary.engine.set_quorum(&Quorum::Nobody).await.unwrap();
            let write = primary.write("waits");
            write.is_blocked(Blocked::Waits).await;
            let reported = "SELECT flush_lsn = pg_current_wal_flush_lsn() FROM pg_stat_replication";
            eventually("all is reported", async || primary.superuser(reported).await == "t").await;
            // What a standby has said already releases nobody; something new is there for it to report, and nobody else writes it.
            let mut idle = primary.processes("background writer").await;
            idle.extend(primary.processes("autovacuum launcher").await);
            signal("STOP", &idle);
            let before = primary.superuser("SELECT pg_current_wal_flush_lsn()").await;
            primary.engine.set_quorum(&quorum).await.unwrap();
            let new = format!("SELECT pg_current_wal_flush_lsn() > '{before}'");
            assert_eq!(primary.superuser(&new).await, "t");
            write.is_blocked(Blocked::Goes).await;
            signal("CONT", &idle);
            primary.stop();
            replica.stop();
        },
    );
}

#[test]
fn a_quorum_changes_under_load_and_never_lets_an_unreplicated_commit_through() {
    inside("a_quorum_changes_under_load_and_never_lets_an_unreplicated_commit_through", async || {
        let mut cluster = Cluster::serving(Term(1)).await;
        cluster.join(1, Term(1)).await;
        cluster.join(2, Term(1)).await;
        let members: Vec<_> = cluster.replicas().into_iter().collect();
        let any = |acks, of: &[_]| Quorum::Any { acks, members: of.iter().cloned().collect(), term: Term(1) };
        let primary = &cluster.members[0];
        primary.engine.set_quorum(&any(1, &members)).await.unwrap();
        primary.engine.set_quorum(&any(2, &members)).await.unwrap();
        let write = primary.write("two");
        write.is_blocked(Blocked::Goes).await;
        // One of the two is gone: two acknowledgements cannot be had, one can.
        cluster.members[2].stop();
        let primary = &cluster.members[0];
        eventually("one is gone", async || primary.engine.status().await.unwrap().standbys.len() == 1).await;
        let write = primary.write("waits for both");
        write.is_blocked(Blocked::Waits).await;
        primary.engine.set_quorum(&any(1, &members[..1])).await.unwrap();
        write.is_blocked(Blocked::Goes).await;
        // Only the absent one counts: waits; nobody counts: goes.
        primary.engine.set_quorum(&any(1, &members[1..])).await.unwrap();
        let write = primary.write("waits for the absent one");
        write.is_blocked(Blocked::Waits).await;
        primary.engine.set_quorum(&Quorum::None).await.unwrap();
        write.is_blocked(Blocked::Goes).await;
        for member in &mut cluster.members[..2] {
            member.stop();
        }
    });
}

#[test]
fn a_copy_demands_the_name_of_its_source() {
    inside("a_copy_demands_the_name_of_its_source", async || {
        let mut cluster = Cluster::serving(Term(1)).await;
        let mut source = cluster.members[0].peer(Term(1));
        // The right address, and somebody else's name: a recycled pod address.
        source.member = cluster.members[2].id.clone();
        let error = cluster.members[1].engine.clone_from(&source).await.unwrap_err();
        assert!(error.to_string().contains("does not match host name"), "{error}");
        assert_eq!(cluster.members[1].engine.inspect().await.unwrap(), Volume::Empty);
        // A certificate of the same authority that names another cluster is no replica of this one.
        let stranger = Cluster::other(&cluster);
        let source = Peer { member: cluster.members[0].id.clone(), ..cluster.members[0].peer(Term(1)) };
        let error = stranger.members[1].engine.clone_from(&source).await.unwrap_err();
        assert!(
            error.to_string().contains("host name") || error.to_string().contains("authentication failed"),
            "{error}"
        );
        cluster.members[0].stop();
    });
}

#[test]
fn the_gate_keeps_tenants_out_and_ends_those_that_are_in() {
    inside("the_gate_keeps_tenants_out_and_ends_those_that_are_in", async || {
        let mut cluster = Cluster::serving(Term(1)).await;
        let primary = &cluster.members[0];
        let shut = primary.tenant("app", "secret", "SELECT 1").await;
        assert!(shut.unwrap_err().contains("no pg_hba.conf entry"));
        primary.engine.open_gate().await.unwrap();
        assert_eq!(primary.tenant("app", "secret", "SELECT current_user").await.unwrap(), "app");
        let wrong = primary.tenant("app", "guess", "SELECT 1").await.unwrap_err();
        assert!(wrong.contains("password authentication failed"), "{wrong}");
        // The log tells it as a record, with the server's real prefix.
        eventually("the refused login in the log", async || {
            primary.log_records().iter().any(|record| {
                let field =
                    |name| record.fields.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str());
                record.level == LogLevel::Error
                    && record.message.contains("password authentication failed")
                    && record.time.as_ref().is_some_and(|time| time.ends_with('Z'))
                    && (field("sqlstate"), field("user"), field("database"))
                        == (Some("28P01"), Some("app"), Some("app"))
                    && field("client").is_some()
                    && field("detail").is_some()
            })
        })
        .await;
        for role in ["berth", "berth_replication", "berth_proxy"] {
            let refused = primary.tenant(role, "secret", "SELECT 1").await.unwrap_err();
            assert!(refused.contains("pg_hba.conf rejects"), "{role}: {refused}");
            assert!(primary.tenant("app", "secret", &format!("SET ROLE {role}")).await.is_err(), "{role}");
        }
        for closed in [
            "TABLE berth.term",
            "SELECT * FROM berth.lookup('app')",
            "ALTER SYSTEM SET fsync = off",
            "COPY (SELECT 1) TO PROGRAM 'true'",
        ] {
            assert!(primary.tenant("app", "secret", closed).await.is_err(), "{closed}");
        }
        assert!(
            primary.tenant_in("postgres", "app", "secret", "SELECT 1").await.is_err(),
            "Berth's database is closed"
        );
        let session = primary.tenant_session("app", "secret");
        eventually("the tenant's session", async || {
            primary.superuser("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'").await == "1"
        })
        .await;
        primary.engine.close_gate().await.unwrap();
        assert_eq!(
            primary.superuser("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'").await,
            "0"
        );
        session.has_ended();
        assert!(
            primary.tenant("app", "secret", "SELECT 1").await.unwrap_err().contains("no pg_hba.conf entry")
        );
        primary.engine.close_gate().await.unwrap();
        cluster.members[0].stop();
    });
}

#[test]
fn the_lookup_answers_for_plain_roles_only() {
    inside("the_lookup_answers_for_plain_roles_only", async || {
        let mut cluster = Cluster::serving(Term(1)).await;
        let primary = &cluster.members[0];
        for sql in [
            "CREATE ROLE boss LOGIN SUPERUSER PASSWORD 'x'",
            "CREATE ROLE copier LOGIN REPLICATION PASSWORD 'x'",
            "CREATE ROLE team NOLOGIN PASSWORD 'x'",
            "CREATE ROLE open LOGIN",
            "CREATE ROLE temp LOGIN PASSWORD 'x' VALID UNTIL '2001-01-01'",
        ] {
            primary.superuser(sql).await;
        }
        let ask = async |role: &str| {
            primary
                .proxy(&format!("SELECT count(*) || coalesce(min(verifier), '') FROM berth.lookup('{role}')"))
                .await
                .unwrap()
        };
        assert_eq!(ask("app").await, format!("1{VERIFIER}"));
        assert!(ask("temp").await.starts_with("1SCRAM-SHA-256$"));
        assert_eq!(
            primary.proxy("SELECT valid_until < pg_catalog.now() FROM berth.lookup('temp')").await.unwrap(),
            "t"
        );
        for role in ["boss", "copier", "team", "open", "berth", "berth_proxy", "berth_replication", "nobody"]
        {
            assert_eq!(ask(role).await, "0", "{role}");
        }
        for closed in
            ["TABLE berth.term", "SELECT rolpassword FROM pg_catalog.pg_authid", "CREATE TABLE public.x ()"]
        {
            assert!(primary.proxy(closed).await.is_err(), "{closed}");
        }
        // Asked again: nothing changes. Another verifier: it counts.
        let members = cluster.members.iter().map(|member| member.id.clone()).collect();
        primary.engine.ensure_access(&access(), VERIFIER, &members).await.unwrap();
        let other = VERIFIER.replace("4096", "5000");
        // Not even a user who logs every statement finds a verifier in the log.
        let parameters = BTreeMap::from([("log_statement".to_owned(), "all".to_owned())]);
        primary.engine.apply(&Settings { parameters, ..settings(1) }).await.unwrap();
        assert_eq!(primary.superuser("SHOW log_statement").await, "all");
        primary.engine.ensure_access(&access(), &other, &members).await.unwrap();
        assert_eq!(ask("app").await, format!("1{other}"));
        assert!(
            primary
                .log_records()
                .iter()
                .any(|record| record.message.contains("statement: SHOW log_statement"))
        );
        assert!(
            !primary.log_records().iter().any(|record| format!("{record:?}").contains("SCRAM-SHA-256$5000"))
        );
        assert_eq!(
            primary
                .superuser("SELECT string_agg(slot_name, ',' ORDER BY slot_name) FROM pg_replication_slots")
                .await,
            "berth_bbbbb,berth_ccccc"
        );
        // A member that left takes its slot along.
        let left = [cluster.members[0].id.clone(), cluster.members[1].id.clone()].into();
        primary.engine.ensure_access(&access(), &other, &left).await.unwrap();
        assert_eq!(
            primary.superuser("SELECT string_agg(slot_name, ',') FROM pg_replication_slots").await,
            "berth_bbbbb"
        );
        cluster.members[0].stop();
    });
}

#[test]
fn a_bad_parameter_is_reported_and_never_keeps_the_server_from_starting() {
    inside("a_bad_parameter_is_reported_and_never_keeps_the_server_from_starting", async || {
        let mut cluster = Cluster::serving(Term(1)).await;
        let primary = &mut cluster.members[0];
        let with = |pairs: &[(&str, &str)]| Settings {
            parameters: pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..settings(1)
        };
        let outcome =
            primary.engine.apply(&with(&[("work_mem", "7MB"), ("max_connections", "123")])).await.unwrap();
        assert_eq!(
            (outcome.refused, outcome.pending_restart),
            (BTreeMap::new(), vec!["max_connections".to_owned()])
        );
        assert_eq!(primary.superuser("SHOW work_mem").await, "7MB");

        let bad = with(&[
            ("work_mem", "8MB"),
            ("maintenance_work_mem", "12 parsecs"),
            ("no_such_setting", "1"),
            ("fsync", "off"),
            ("shared_buffers", "900TB"),
            ("shared_preload_libraries", "no_such_library"),
            ("restart_after_crash", "on"),
        ]);
        let outcome = primary.engine.apply(&bad).await.unwrap();
        assert_eq!(primary.superuser("SHOW work_mem").await, "8MB", "the good one is in force");
        for name in ["maintenance_work_mem", "no_such_setting", "fsync", "restart_after_crash"] {
            assert!(outcome.refused.contains_key(name), "{name}: {outcome:?}");
        }
        assert!(outcome.refused["maintenance_work_mem"].contains("parsecs"), "{outcome:?}");
        // What only a start can tell is told at the start, which works.
        primary.kill();
        primary.start(&Boot::Alone, &bad, &Quorum::None).await;
        let outcome = primary.engine.apply(&bad).await.unwrap();
        for name in ["shared_buffers", "shared_preload_libraries"] {
            assert!(outcome.refused.contains_key(name), "{name}: {outcome:?}");
        }
        assert_eq!(outcome.pending_restart, Vec::<String>::new());
        assert_eq!(primary.superuser("SELECT string_agg(setting, ',' ORDER BY name) FROM pg_settings WHERE name IN ('fsync', 'restart_after_crash', 'work_mem')").await, "on,off,8192");
        // Each is good alone, together they are not: more connections kept back than there are.
        primary.kill();
        primary
            .start(
                &Boot::Alone,
                &with(&[("max_connections", "10"), ("reserved_connections", "9"), ("work_mem", "8MB")]),
                &Quorum::None,
            )
            .await;
        assert_eq!(primary.superuser("SHOW work_mem").await, "8MB");
        primary.stop();
    });
}

#[test]
fn questions_about_a_server_that_is_not_there_end_in_time_and_may_be_asked_again() {
    inside("questions_about_a_server_that_is_not_there_end_in_time_and_may_be_asked_again", async || {
        let mut cluster = Cluster::new();
        let member = &mut cluster.members[0];
        member.engine.initialize().await.unwrap();
        let error = member.engine.status().await.unwrap_err();
        assert!(matches!(error, EngineError::NotAnswering(_)) && error.retryable(), "{error}");
        member.start(&Boot::Alone, &settings(1), &Quorum::None).await;
        member.engine.status().await.unwrap();
        // Frozen: the question ends, and the next one after the thaw is answered.
        member.signal("STOP");
        let asked = tokio::time::timeout(Duration::from_secs(20), member.engine.status()).await;
        member.signal("CONT");
        assert!(matches!(asked, Ok(Err(EngineError::NotAnswering(_)) | Ok(_))), "{asked:?}");
        eventually("an answer", async || member.engine.status().await.is_ok()).await;
        member.kill();
        let gone = member.engine.status().await.unwrap_err();
        assert!(gone.retryable(), "{gone}");
        member.start(&Boot::Alone, &settings(1), &Quorum::None).await;
        member.stop();
    });
}

#[test]
fn a_checkpoint_before_a_stop_writes_what_is_dirty_and_is_not_waited_for_without_end() {
    inside("a_checkpoint_before_a_stop_writes_what_is_dirty_and_is_not_waited_for_without_end", async || {
        let cluster = Cluster::serving(Term(1)).await;
        let member = &cluster.members[0];
        let checkpoint = async || {
            let at = "SELECT (redo_lsn - '0/0')::bigint::text FROM pg_control_checkpoint()";
            member.superuser(at).await.parse::<u64>().unwrap()
        };
        let before = checkpoint().await;
        member.superuser("CREATE TABLE dirty AS SELECT generate_series(1, 100000) AS n").await;
        member.engine.checkpoint(Duration::from_mins(1)).await.unwrap();
        let after = checkpoint().await;
        assert!(after > before, "{before} {after}");
        // Whoever has no time goes on at once; the checkpoint is made all the same.
        member.superuser("CREATE TABLE more AS SELECT generate_series(1, 100000) AS n").await;
        member.engine.checkpoint(Duration::ZERO).await.unwrap();
        assert!(member.engine.status().await.is_ok(), "the other sessions are whole");
    });
}
