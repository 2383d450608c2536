//! Putting a quorum in force, provably.
//!
//! A name in the setting is not yet a wait. Two things lag behind a reload: the checkpointer, which arms the flag by which
//! commits know that they must wait at all, and each walsender, which goes on to release commits by the setting that it last read.
//! What proves them:
//! - A walsender shows a priority of 0 once it has read a setting without its name, and then releases nobody. So if any
//!   walsender counts, the way from one quorum to another leads over [`Quorum::Nobody`], in which commits wait for ever; when
//!   all show 0, the new quorum is written, and a walsender counts by that or not at all.
//! - A checkpoint is made by the checkpointer after it has read the setting of which it was told before. Needed only where
//!   nobody was waited for until now: the flag stays armed from one quorum to another.
//!
//! A quorum that was in the file when the server started needs neither, once the checkpointer has begun its work: it arms the
//! flag before that.
//!
//! On a standby nothing is released, because no walsender counts there; but what is put in force there holds from the first commit
//! after its promotion. The checkpointer runs on a standby too and arms the flag, which is shared memory that a promotion leaves as it is.
//! A standby that started with [`Quorum::Nobody`], as all followers do, is armed, and a reload is enough. One that started with none
//! needs a restart point, for which the same holds as for a checkpoint.

use super::place::PostgresPlace;
use super::reload::{self, until};
use super::settings::{self, Force, QUORUM, quorum_file, standby_names};
use super::sql::{Held, QUICK, SLOW};
use super::{files, place};
use crate::{EngineError, Quorum};
use std::time::Duration;

/// How long a walsender may take to read a setting.
const WALSENDERS: Duration = Duration::from_secs(10);

/// How long the checkpointer of a new server may take to be seen at work, before it is asked for a checkpoint.
const CHECKPOINTER: Duration = Duration::from_millis(500);

/// Whether the checkpointer is seen at its work: resting, pausing between writes, or writing. It does none of it before it has armed
/// the flag.
const CHECKPOINTER_WORKS: &str = "SELECT EXISTS (
    SELECT FROM pg_catalog.pg_stat_activity WHERE backend_type OPERATOR(pg_catalog.=) 'checkpointer'
        AND wait_event_type OPERATOR(pg_catalog.=) ANY ('{Activity,Timeout,IO}'))";

/// What is waited for, by the setting that this session sees, and whether the server is a standby.
const NOW: &str =
    "SELECT pg_catalog.current_setting('synchronous_standby_names'), pg_catalog.pg_is_in_recovery()";

/// Whether no walsender releases commits.
const NOBODY_COUNTS: &str = "SELECT NOT EXISTS (
    SELECT FROM pg_catalog.pg_stat_replication WHERE sync_priority OPERATOR(pg_catalog.>) 0)";

/// Whether this session sees the setting, and every named walsender that streams counts.
const IN_FORCE: &str =
    "SELECT pg_catalog.current_setting('synchronous_standby_names') OPERATOR(pg_catalog.=) $1
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_stat_replication
        WHERE state OPERATOR(pg_catalog.=) 'streaming' AND application_name OPERATOR(pg_catalog.=) ANY ($2)
          AND sync_priority OPERATOR(pg_catalog.=) 0)";

/// A record that standbys report. A walsender releases who waits only when its standby reports something, and one that has everything
/// reports only once a second: so long every commit would stand that was made on the way over [`Quorum::Nobody`].
const SOMETHING_NEW: &str = "SELECT pg_catalog.pg_logical_emit_message(true, 'berth', 'quorum')";

/// Puts the quorum in force.
pub(super) async fn put_in_force(
    place: &PostgresPlace,
    sql: &mut Held<'_>,
    quorum: &Quorum,
) -> Result<(), EngineError> {
    let written = files::read(&place.config_file(QUORUM))?.unwrap_or_default();
    let now = sql.row(QUICK, NOW, &[]).await?;
    let (waited, standby): (String, bool) = (now.get(0), now.get(1));
    if written == quorum_file(quorum, Force::InForce) && waited == standby_names(quorum) {
        return armed_at_start(sql, quorum).await;
    }
    // Armed for certain only if the server started so, or if an earlier call came to its end: its file and its memory agree.
    let armed = !waited.is_empty() && written.starts_with(&format!("# {:?}", Force::InForce));
    if standby {
        before_promotion(place, sql, quorum, armed).await
    } else {
        change(place, sql, quorum, armed).await
    }
}

/// On a standby.
async fn before_promotion(
    place: &PostgresPlace,
    sql: &mut Held<'_>,
    quorum: &Quorum,
    armed: bool,
) -> Result<(), EngineError> {
    if armed {
        // One reload: the promotion's signal goes by way of the postmaster, who tells everybody of the setting before it takes the next.
        enter(place, quorum)?;
        settings::write_quorum(place, quorum, Force::InForce)?;
        reload::begin(sql).await?;
        armed_at_start(sql, quorum).await
    } else {
        enter(place, quorum)?;
        settings::write_quorum(place, quorum, Force::Asked)?;
        reload::complete(sql).await?;
        arm(sql, quorum).await?;
        settings::write_quorum(place, quorum, Force::InForce)
    }
}

/// The server becomes one of the quorum's term: whoever is promoted with it serves in no other.
fn enter(place: &PostgresPlace, quorum: &Quorum) -> Result<(), EngineError> {
    match quorum {
        Quorum::Any { term, .. } => settings::write_term(place, *term).map(drop),
        Quorum::Nobody | Quorum::None => Ok(()),
    }
}

/// On a primary.
async fn change(
    place: &PostgresPlace,
    sql: &mut Held<'_>,
    quorum: &Quorum,
    armed: bool,
) -> Result<(), EngineError> {
    let late = "a walsender does not read the new quorum";
    if !sql.row(QUICK, NOBODY_COUNTS, &[]).await?.get::<_, bool>(0) {
        settings::write_quorum(place, &Quorum::Nobody, Force::Asked)?;
        reload::complete(sql).await?;
        until(sql, WALSENDERS, late, NOBODY_COUNTS, &[]).await?;
    }
    settings::write_quorum(place, quorum, Force::Asked)?;
    reload::complete(sql).await?;
    if !armed {
        arm(sql, quorum).await?;
    }
    let names: Vec<String> = match quorum {
        Quorum::Any { members, term, .. } => {
            members.iter().map(|member| place::standby_name(member, *term)).collect()
        }
        Quorum::Nobody | Quorum::None => Vec::new(),
    };
    until(sql, WALSENDERS, late, IN_FORCE, &[&standby_names(quorum), &names]).await?;
    if let Quorum::Any { .. } = quorum {
        sql.rows(QUICK, SOMETHING_NEW, &[]).await?;
    }
    // From here on the file says that what it holds is in force.
    settings::write_quorum(place, quorum, Force::InForce)
}

/// Has the checkpointer arm the flag.
async fn arm(sql: &mut Held<'_>, quorum: &Quorum) -> Result<(), EngineError> {
    match quorum {
        Quorum::None => Ok(()),
        Quorum::Nobody | Quorum::Any { .. } => sql.execute(SLOW, "CHECKPOINT").await,
    }
}

/// Waits until the checkpointer of a server that started with this quorum has armed the flag.
async fn armed_at_start(sql: &mut Held<'_>, quorum: &Quorum) -> Result<(), EngineError> {
    match quorum {
        Quorum::None => Ok(()),
        Quorum::Nobody | Quorum::Any { .. } => {
            match until(sql, CHECKPOINTER, "", CHECKPOINTER_WORKS, &[]).await {
                Ok(()) => Ok(()),
                // A checkpoint of ours is its work, too.
                Err(_busy) => arm(sql, quorum).await,
            }
        }
    }
}
