//! The members' slots: a primary keeps the log that each other member still needs.
//!
//! A standby keeps none, because it does not know what the others need; a slot that nobody advances would hold its log back until the
//! disk's share for slots is full. So that a failover still costs no copy, each server keeps some log without being asked
//! (`wal_keep_size`), and the slots are made before the promotion: a follower is refused without its slot, and the term's
//! row waits for the followers. They begin at the last restart point, before which nothing may be left anyway.

use super::files;
use super::place::{PostgresPlace, slot_name};
use super::sql::{Held, QUICK};
use crate::EngineError;
use berth_core::MemberId;
use std::collections::BTreeSet;

/// How the names of members' slots begin.
const PREFIX: &str = "berth_";

const OURS: &str = "SELECT slot_name::pg_catalog.text, active, wal_status IS NOT DISTINCT FROM 'lost' AS lost
    FROM pg_catalog.pg_replication_slots
    WHERE slot_type OPERATOR(pg_catalog.=) 'physical' AND pg_catalog.starts_with(slot_name::pg_catalog.text, $1)";
const CREATE: &str =
    "SELECT pg_catalog.pg_create_physical_replication_slot($1::pg_catalog.text::pg_catalog.name, true)";
const DROP: &str = "SELECT pg_catalog.pg_drop_replication_slot($1::pg_catalog.text::pg_catalog.name)";

/// A slot for each of these members but the own, and none for another.
pub(super) async fn keep(
    place: &PostgresPlace,
    sql: &mut Held<'_>,
    members: &BTreeSet<MemberId>,
) -> Result<(), EngineError> {
    let wanted: BTreeSet<String> =
        members.iter().filter(|member| **member != place.member).map(slot_name).collect();
    let mut kept = BTreeSet::new();
    for row in sql.rows(QUICK, OURS, &[&PREFIX]).await? {
        let (name, active, lost): (String, bool, bool) = (row.get(0), row.get(1), row.get(2));
        if active || (wanted.contains(&name) && !lost) {
            kept.insert(name);
        } else {
            // Lost: the log was cut off behind it, and nobody can ever continue from there.
            sql.rows(QUICK, DROP, &[&name]).await?;
        }
    }
    for name in wanted.difference(&kept) {
        sql.rows(QUICK, CREATE, &[name]).await?;
    }
    Ok(())
}

/// Removes them from the data of a server that is about to start as a follower.
pub(super) fn clear(place: &PostgresPlace) -> Result<(), EngineError> {
    let folder = place.pgdata().join("pg_replslot");
    for name in files::names(&folder)? {
        if name.starts_with(PREFIX) {
            files::remove_folder(&folder.join(name))?;
        }
    }
    Ok(())
}
