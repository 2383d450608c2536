//! A data volume that really fills: writes are refused before PostgreSQL finds no room for its log, and go on when there is room again.
//!
//! The test looks and judges as the agent does, and leaves the doing to the adapter.

use crate::inside::inside_of;
use crate::world::{Cluster, Member, settings};
use crate::{VERIFIER, access};
use berth_core::Term;
use berth_core::disk::{Ballast, Space, Usage, judge};
use berth_engine::{Boot, Engine, Quorum, Settings, TermRow};
use std::collections::BTreeSet;

/// Eight megabytes that nothing compresses, and as much of the log.
const MORE: &str =
    "INSERT INTO heap SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 250000)";

/// What the agent knows of the room.
struct Guard(Space);

impl Guard {
    /// Looks, and has the adapter do what follows.
    async fn look(&mut self, member: &Member) -> Space {
        let volume = rustix::fs::statvfs(&member.data).unwrap();
        let usage = Usage {
            size: volume.f_blocks * volume.f_frsize,
            free: volume.f_bavail * volume.f_frsize,
            ballast: 0,
        };
        let judgement = judge(self.0, usage);
        assert_ne!(judgement.ballast, Ballast::Drop, "there is none in this test");
        if self.0 != judgement.space {
            self.0 = judgement.space;
            member.engine.apply(&of(self.0)).await.unwrap();
        }
        self.0
    }
}

fn of(space: Space) -> Settings {
    Settings { space, ..settings(1) }
}

async fn tenant(member: &Member, sql: &str) -> Result<String, String> {
    member.tenant("app", "secret", sql).await
}

#[test]
fn a_volume_that_fills_refuses_writes_before_the_server_ends_and_takes_them_with_room() {
    let name = "full::a_volume_that_fills_refuses_writes_before_the_server_ends_and_takes_them_with_room";
    inside_of("512m", name, async || {
        let mut cluster = Cluster::serving(Term(1)).await;
        let members: BTreeSet<_> = cluster.members.iter().map(|member| member.id.clone()).collect();
        let primary = &mut cluster.members[0];
        primary.engine.open_gate().await.unwrap();
        tenant(primary, "CREATE TABLE heap (what text); ALTER TABLE heap ALTER what SET STORAGE EXTERNAL")
            .await
            .unwrap();
        let mut guard = Guard(Space::Ample);
        let mut written = 0;
        let refused = loop {
            if let Err(refused) = tenant(primary, MORE).await {
                break refused;
            }
            written += 1;
            assert!(written < 100, "it must be full by now");
            guard.look(primary).await;
        };
        assert_eq!(guard.0, Space::Full, "{refused}");
        assert!(refused.contains("cannot execute INSERT in a read-only transaction"), "{refused}");
        let trouble = primary.log_records().into_iter().find(|record| {
            let record = format!("{record:?}");
            record.contains("PANIC") || record.contains("No space left")
        });
        assert_eq!(trouble, None, "refused in time");
        assert_eq!(
            tenant(primary, "SELECT count(*) FROM heap").await.unwrap(),
            written.to_string(),
            "reads go on"
        );

        // What Berth itself writes, and a checkpoint, go on.
        let row = TermRow { term: Term(2), voters: BTreeSet::new(), acks: 0 };
        primary.engine.write_term(&row).await.unwrap();
        primary.engine.ensure_access(&access(), VERIFIER, &members).await.unwrap();
        primary.engine.checkpoint(std::time::Duration::from_mins(1)).await.unwrap();

        // It outlives the server, and goes with the room, also at a start.
        primary.stop();
        primary.start(&Boot::Alone, &of(Space::Full), &Quorum::None).await;
        assert_eq!(primary.superuser("SHOW default_transaction_read_only").await, "on");
        primary.stop();
        primary.start(&Boot::Alone, &of(Space::Ample), &Quorum::None).await;
        assert_eq!(primary.superuser("SHOW default_transaction_read_only").await, "off");
        primary.engine.apply(&of(Space::Full)).await.unwrap();
        primary.engine.promote(berth_core::Timeline(3)).await.unwrap();
        primary.engine.open_gate().await.unwrap();
        assert!(
            tenant(primary, MORE).await.is_err(),
            "it was promoted full, and refuses from the first statement on"
        );

        tenant(primary, "BEGIN READ WRITE; TRUNCATE heap; COMMIT").await.unwrap();
        assert_eq!(guard.look(primary).await, Space::Ample);
        tenant(primary, MORE).await.unwrap();
        primary.stop();
    });
}
