//! What the cluster needs inside the database: Berth's own roles, the lookup for proxies, the owner and its database, the slots.
//!
//! Everything is looked at first and written only if it differs, so that asking again writes nothing that must be replicated.

use super::conninfo::REPLICATION_ROLE;
use super::place::PostgresPlace;
use super::sql::{Held, QUICK, SLOW, SUPERUSER};
use super::{slots, term_row};
use crate::EngineError;
use berth_core::MemberId;
use berth_core::topology::Access;
use postgres_protocol::escape::{escape_identifier, escape_literal};
use std::collections::BTreeSet;

/// The role by which proxies look up verifiers. It can do nothing else.
pub(super) const PROXY_ROLE: &str = "berth_proxy";
/// The roles that are no tenant's.
pub(super) const OWN_ROLES: &[&str] = &[SUPERUSER, REPLICATION_ROLE, PROXY_ROLE];
/// How a SCRAM verifier begins. Anything else would be taken for a password and hashed by the server.
const SCRAM: &str = "SCRAM-SHA-256$";

/// The lookup: answers for plain roles that may log in by SCRAM, and for nobody else, so that a proxy that was broken into
/// learns no superuser's verifier. Runs with its owner's rights and a fixed path.
const LOOKUP: &str = "
CREATE OR REPLACE FUNCTION berth.lookup(role pg_catalog.text)
RETURNS TABLE (verifier pg_catalog.text, valid_until pg_catalog.timestamptz, connection_limit pg_catalog.int4)
LANGUAGE sql STABLE STRICT SECURITY DEFINER ROWS 1 SET search_path = pg_catalog
BEGIN ATOMIC
    SELECT a.rolpassword, a.rolvaliduntil, a.rolconnlimit FROM pg_catalog.pg_authid AS a
    WHERE a.rolname OPERATOR(pg_catalog.=) role AND a.rolcanlogin AND NOT a.rolsuper AND NOT a.rolreplication
      AND NOT (a.rolname OPERATOR(pg_catalog.=) ANY ('{berth,berth_replication,berth_proxy}'::pg_catalog.name[]))
      AND a.rolpassword OPERATOR(pg_catalog.~) '^SCRAM-SHA-256\\$';
END;
REVOKE ALL ON FUNCTION berth.lookup(pg_catalog.text) FROM PUBLIC;
GRANT USAGE ON SCHEMA berth TO berth_proxy;
GRANT EXECUTE ON FUNCTION berth.lookup(pg_catalog.text) TO berth_proxy;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
REVOKE ALL ON DATABASE template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE postgres TO berth_proxy, berth_replication;";

/// What a rewind reads at its source, by functions that reach no further than the data folder. Whoever may replicate can copy all of it
/// anyway.
const REWIND: &str = "
GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(pg_catalog.text, pg_catalog.bool, pg_catalog.bool) TO berth_replication;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_file(pg_catalog.text, pg_catalog.bool) TO berth_replication;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(pg_catalog.text) TO berth_replication;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(pg_catalog.text, pg_catalog.int8, pg_catalog.int8, pg_catalog.bool)
    TO berth_replication;";

/// The last of them: whoever has it has all, because they are granted together.
const MAY_REWIND: &str = "SELECT pg_catalog.has_function_privilege('berth_replication',
    $1::pg_catalog.text::pg_catalog.regprocedure, 'EXECUTE')";
const LAST_OF_REWIND: &str = "pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)";

/// Makes and keeps all of it.
pub(super) async fn ensure(
    place: &PostgresPlace,
    sql: &mut Held<'_>,
    access: &Access,
    verifier: &str,
    members: &BTreeSet<MemberId>,
) -> Result<(), EngineError> {
    check(access, verifier)?;
    own_roles(sql).await?;
    slots::keep(place, sql, members).await?;
    owner(sql, &access.owner, verifier).await?;
    database(sql, access).await
}

/// Refuses names that would hand over what is Berth's.
fn check(access: &Access, verifier: &str) -> Result<(), EngineError> {
    let refuse = |reason: String| {
        Err(EngineError::Step { step: "making the owner and its database".to_owned(), reason })
    };
    let Access { database, owner } = access;
    if OWN_ROLES.contains(&owner.as_str())
        || ["public", "none"].contains(&owner.as_str())
        || owner.starts_with("pg_")
    {
        return refuse(format!("the role {owner:?} is reserved; choose another owner"));
    }
    if ["postgres", "template0", "template1"].contains(&database.as_str()) {
        return refuse(format!("the database {database:?} is reserved; choose another name"));
    }
    for name in [database, owner] {
        if name.is_empty() || name.len() > 63 || name.contains('\0') {
            return refuse(format!("{name:?} is no name for PostgreSQL; use 1 to 63 bytes"));
        }
    }
    if !verifier.starts_with(SCRAM) {
        return refuse("the mounted owner.verifier is no SCRAM-SHA-256 verifier".to_owned());
    }
    Ok(())
}

/// Berth's roles and what they may do.
async fn own_roles(sql: &mut Held<'_>) -> Result<(), EngineError> {
    for (role, rights) in [(REPLICATION_ROLE, "LOGIN REPLICATION"), (PROXY_ROLE, "LOGIN")] {
        if !exists(
            sql,
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) $1)",
            role,
        )
        .await?
        {
            sql.execute(SLOW, &format!("CREATE ROLE {role} {rights}")).await?;
        }
    }
    let made = "SELECT pg_catalog.to_regprocedure($1) IS NOT NULL";
    if !exists(sql, made, "berth.lookup(text)").await? {
        sql.execute(SLOW, &format!("{}{LOOKUP}", term_row::SCHEMA)).await?;
    }
    if !exists(sql, MAY_REWIND, LAST_OF_REWIND).await? {
        sql.execute(SLOW, REWIND).await?;
    }
    Ok(())
}

async fn exists(sql: &mut Held<'_>, query: &str, name: &str) -> Result<bool, EngineError> {
    Ok(sql.row(QUICK, query, &[&name]).await?.get(0))
}

/// The owner: a plain role with the mounted verifier.
async fn owner(sql: &mut Held<'_>, owner: &str, verifier: &str) -> Result<(), EngineError> {
    let found = "SELECT rolpassword IS NOT DISTINCT FROM $2 FROM pg_catalog.pg_authid WHERE rolname OPERATOR(pg_catalog.=) $1";
    let found = sql.rows(QUICK, found, &[&owner, &verifier]).await?;
    let (name, password) = (escape_identifier(owner), escape_literal(verifier));
    match found.first().map(|row| row.get::<_, bool>(0)) {
        Some(true) => Ok(()),
        Some(false) => sql.execute(SLOW, &format!("ALTER ROLE {name} PASSWORD {password}")).await,
        None => {
            let rights = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS";
            sql.execute(SLOW, &format!("CREATE ROLE {name} {rights} PASSWORD {password}")).await
        }
    }
}

/// The owner's database.
async fn database(sql: &mut Held<'_>, access: &Access) -> Result<(), EngineError> {
    let query = "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) $1)";
    if exists(sql, query, &access.database).await? {
        return Ok(());
    }
    let (database, owner) = (escape_identifier(&access.database), escape_identifier(&access.owner));
    sql.execute(SLOW, &format!("CREATE DATABASE {database} OWNER {owner}")).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_and_plain_passwords_are_refused() {
        let check = |database: &str, owner: &str, verifier: &str| {
            check(&Access { database: database.to_owned(), owner: owner.to_owned() }, verifier).is_ok()
        };
        assert!(check("app", "app", "SCRAM-SHA-256$4096:x$y:z"));
        for (database, owner, verifier) in [
            ("app", "berth", "SCRAM-SHA-256$"),
            ("app", "berth_proxy", "SCRAM-SHA-256$"),
            ("app", "pg_monitor", "SCRAM-SHA-256$"),
            ("postgres", "app", "SCRAM-SHA-256$"),
            ("", "app", "SCRAM-SHA-256$"),
            ("app", "app", "secret"),
        ] {
            assert!(!check(database, owner, verifier), "{database} {owner} {verifier}");
        }
    }
}
