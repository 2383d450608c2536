//! Asking a primary for a role's verifier, as the least-privileged `berth_proxy`.
//!
//! A few connections per cluster are kept for a minute after their last use: a new one costs a TLS handshake and a process of
//! the database, a question over a kept one a round trip. Measured on a busy machine with two cores and an unoptimised
//! build, 222 logins in a row: the question took 1 to 2 ms, the whole login 44 ms, nearly all of it the two handshakes and
//! the tenant's own process. Every login asks, so that a changed password counts at once.

use super::scram::Verifier;
use crate::backend::{Backend, BackendError, BackendStream, Connector, Credentials, answer};
use crate::route::Target;
use crate::wire::{Conversation, frame, put_cstr, startup_packet};
use berth_core::{ClusterUid, MemberId, Term};
use bytes::BufMut;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tracing::info;

/// How long an unused connection is kept: longer than the pauses of a pool that grows and shrinks, short enough to be no
/// burden on a cluster at rest.
const IDLE: Duration = Duration::from_mins(1);
/// How long one question may take: a primary that has hung must not hang every login with it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many connections to one cluster are kept; a burst of logins may make more for a moment.
const KEPT: usize = 4;

/// The question. Whether a password has expired is decided by the database's clock, not by ours.
const QUESTION: &str = "SELECT l.verifier, COALESCE(l.valid_until < pg_catalog.now(), false) \
                        FROM berth.lookup($1::pg_catalog.text) AS l";

/// What a primary says of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It may log in with this.
    Verifier(Verifier),
    /// It has no login here, or one that has expired, or a password of another kind. The client learns none of this.
    Nobody(&'static str),
}

impl Answer {
    /// The verifier, if there is one; why not is for the log alone.
    pub fn verifier(self, role: &str) -> Option<Verifier> {
        match self {
            Self::Verifier(verifier) => Some(verifier),
            Self::Nobody(why) => {
                info!(role, why, "a login that cannot succeed");
                None
            }
        }
    }
}

/// Asks primaries, and keeps connections for it.
pub struct Lookups {
    connector: Arc<Connector>,
    kept: Mutex<HashMap<ClusterUid, Vec<Kept>>>,
}

struct Kept {
    member: MemberId,
    term: Term,
    since: Instant,
    database: Conversation<BackendStream>,
}

impl Lookups {
    /// Asks over connections of this connector.
    pub fn new(connector: Arc<Connector>) -> Self {
        Self { connector, kept: Mutex::default() }
    }

    /// Asks for a role's verifier.
    ///
    /// # Cancel safety
    /// A connection whose question was given up is not used again.
    pub async fn ask(&self, target: &Target, role: &str) -> Result<Answer, BackendError> {
        if let Some(mut database) = self.take(target) {
            // The kept connection may have died since; then a new one tells whether the primary has.
            if let Ok(answer) = question(&mut database, target, role).await {
                self.keep(target, database);
                return Ok(answer);
            }
        }
        let mut database = self.connect(target).await?;
        let answer = question(&mut database, target, role).await?;
        self.keep(target, database);
        Ok(answer)
    }

    /// Closes what was not used for a minute.
    pub fn sweep(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, connections| {
            connections.retain(|c| c.since.elapsed() < IDLE);
            !connections.is_empty()
        });
    }

    async fn connect(&self, target: &Target) -> Result<Conversation<BackendStream>, BackendError> {
        let parameters = [
            ("user", "berth_proxy"),
            ("database", "postgres"),
            ("application_name", "berth-proxy"),
            ("client_encoding", "UTF8"),
            ("options", "-c search_path=pg_catalog -c statement_timeout=5s"),
        ];
        let packet = startup_packet(parameters);
        let Backend { database, .. } =
            self.connector.log_in(target, &Credentials::Certificate, &packet).await?;
        Ok(database)
    }

    fn take(&self, target: &Target) -> Option<Conversation<BackendStream>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = kept.get_mut(&target.cluster)?;
        connections.retain(|c| c.member == target.member && c.term == target.term);
        connections.pop().map(|kept| kept.database)
    }

    fn keep(&self, target: &Target, database: Conversation<BackendStream>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = kept.entry(target.cluster.clone()).or_default();
        if connections.len() < KEPT {
            connections.push(Kept {
                member: target.member.clone(),
                term: target.term,
                since: Instant::now(),
                database,
            });
        }
    }
}

async fn question(
    database: &mut Conversation<BackendStream>,
    target: &Target,
    role: &str,
) -> Result<Answer, BackendError> {
    let ask = async {
        let out = database.output();
        frame(out, b'P', |out| {
            put_cstr(out, "");
            put_cstr(out, QUESTION);
            out.put_u16(0);
        });
        frame(out, b'B', |out| {
            put_cstr(out, "");
            put_cstr(out, "");
            out.put_u16(0);
            out.put_u16(1);
            out.put_u32(u32::try_from(role.len()).unwrap_or(u32::MAX));
            out.put_slice(role.as_bytes());
            out.put_u16(0);
        });
        frame(out, b'E', |out| {
            put_cstr(out, "");
            out.put_u32(0);
        });
        frame(out, b'S', |_| {});
        database.flush().await?;
        let rows = answer(database, &mut Vec::new()).await?;
        let Some(row) = rows.first() else { return Ok(Answer::Nobody("no such role")) };
        let expired = row.text(1)? == Some("t");
        let Some(verifier) = row.text(0)? else { return Ok(Answer::Nobody("no password")) };
        Ok(match Verifier::parse(verifier) {
            Ok(_) if expired => Answer::Nobody("its password has expired"),
            Ok(verifier) => Answer::Verifier(verifier),
            Err(_) => Answer::Nobody("its password is not stored for SCRAM-SHA-256"),
        })
    };
    timeout(PATIENCE, ask)
        .await
        .unwrap_or_else(|_| Err(BackendError::TimedOut { address: target.address.clone() }))
}
