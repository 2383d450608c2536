//! Connections of the agent to its own server, over the Unix socket, kept open.
//!
//! Two, so that a question about the status never waits behind a checkpoint. Every session has `search_path = pg_catalog` and
//! `synchronous_commit = local`: what the agent notes down must not wait for a quorum, and must not run what a tenant has put
//! into a schema. After an error that may have broken the session, it is dropped and made anew.

use super::place::PostgresPlace;
use crate::EngineError;
use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinSet;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row, Statement};

/// The superuser, who can log in over the Unix socket only.
pub(super) const SUPERUSER: &str = "berth";
/// The database with Berth's own objects.
pub(super) const DATABASE: &str = "postgres";
/// A local connection takes milliseconds; a starved machine may take longer.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a question may take before the server counts as not answering.
pub(super) const QUICK: Duration = Duration::from_secs(5);
/// How long a statement that writes may take: making a database copies a template, a checkpoint writes what is dirty.
pub(super) const SLOW: Duration = Duration::from_mins(5);

/// Settings of each session; the last ones keep verifiers out of the log, whatever the user logs. Given at the start of the session, where no setting of a role or database comes before them.
const OPTIONS: &str = "-c search_path=pg_catalog -c synchronous_commit=local -c statement_timeout=0 -c lock_timeout=30s \
    -c idle_session_timeout=0 -c idle_in_transaction_session_timeout=0 -c default_transaction_read_only=off \
    -c client_min_messages=error \
    -c log_statement=none -c log_duration=off -c log_min_duration_statement=-1 -c log_min_error_statement=panic";

/// An open session; its tasks end with it.
struct Session {
    client: Client,
    /// What was asked before, prepared: a failover is made of small questions, and preparing doubles their time. All of them are
    /// constants of this adapter, so that there are few.
    statements: HashMap<String, Statement>,
    _pump: JoinSet<()>,
}

impl Session {
    async fn statement(&mut self, sql: &str) -> Result<Statement, tokio_postgres::Error> {
        if let Some(known) = self.statements.get(sql) {
            return Ok(known.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

/// One kept connection.
#[derive(Default)]
pub(super) struct Line(Mutex<Option<Session>>);

/// A connection, held for a few statements in a row.
pub(super) struct Held<'a> {
    slot: MutexGuard<'a, Option<Session>>,
    place: &'a PostgresPlace,
}

impl Line {
    /// Takes the connection; made at the first statement if there is none.
    pub(super) async fn hold<'a>(&'a self, place: &'a PostgresPlace) -> Held<'a> {
        Held { slot: self.0.lock().await, place }
    }
}

impl Held<'_> {
    /// Asks, and returns the rows.
    pub(super) async fn rows(
        &mut self,
        limit: Duration,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, EngineError> {
        let session = self.session().await?;
        let answer = async {
            let statement = session.statement(sql).await?;
            session.client.query(&statement, parameters).await
        };
        let answer = tokio::time::timeout(limit, answer).await;
        self.settle(answer, limit, sql)
    }

    /// Asks for exactly one row.
    pub(super) async fn row(
        &mut self,
        limit: Duration,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, EngineError> {
        let session = self.session().await?;
        let answer = async {
            let statement = session.statement(sql).await?;
            session.client.query_one(&statement, parameters).await
        };
        let answer = tokio::time::timeout(limit, answer).await;
        self.settle(answer, limit, sql)
    }

    /// Executes statements without parameters. Several in one text are one transaction.
    pub(super) async fn execute(&mut self, limit: Duration, sql: &str) -> Result<(), EngineError> {
        let session = self.session().await?;
        let answer = tokio::time::timeout(limit, session.client.batch_execute(sql)).await;
        self.settle(answer, limit, sql)
    }

    async fn session(&mut self) -> Result<&mut Session, EngineError> {
        if self.slot.as_ref().is_none_or(|session| session.client.is_closed()) {
            *self.slot = None;
            let session = tokio::time::timeout(CONNECT, connect(self.place))
                .await
                .map_err(|_| EngineError::NotAnswering(format!("no connection within {CONNECT:?}")))??;
            *self.slot = Some(session);
        }
        match &mut *self.slot {
            Some(session) => Ok(session),
            None => Err(EngineError::NotAnswering("no connection".to_owned())),
        }
    }

    fn settle<T>(
        &mut self,
        answer: Result<Result<T, tokio_postgres::Error>, tokio::time::error::Elapsed>,
        limit: Duration,
        sql: &str,
    ) -> Result<T, EngineError> {
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                // An error of the statement leaves the session whole; any other may not.
                if error.as_db_error().is_none() {
                    *self.slot = None;
                }
                Err(explain(&error, sql))
            }
            Err(_elapsed) => {
                // The statement may still be running: its session must not be used again.
                *self.slot = None;
                Err(EngineError::NotAnswering(format!("no answer within {limit:?}")))
            }
        }
    }
}

async fn connect(place: &PostgresPlace) -> Result<Session, EngineError> {
    let mut config = tokio_postgres::Config::new();
    config
        .host_path(place.sockets())
        .port(place.port)
        .user(SUPERUSER)
        .dbname(DATABASE)
        .application_name("berth_agent")
        .options(OPTIONS);
    let (client, connection) =
        config.connect(NoTls).await.map_err(|error| EngineError::NotAnswering(chain(&error)))?;
    let mut pump = JoinSet::new();
    pump.spawn(async move {
        // How it ended is told to whoever asks next.
        let _ended = connection.await;
    });
    Ok(Session { client, statements: HashMap::new(), _pump: pump })
}

fn explain(error: &tokio_postgres::Error, sql: &str) -> EngineError {
    match error.as_db_error() {
        // 57P01-57P03: the server stops, crashes, or does not take connections yet.
        Some(database) if database.code().code().starts_with("57P") => {
            EngineError::NotAnswering(chain(error))
        }
        Some(_) => {
            let start: String = sql.split_whitespace().take(6).collect::<Vec<_>>().join(" ");
            EngineError::Step { step: format!("`{start} …`"), reason: chain(error) }
        }
        None => EngineError::NotAnswering(chain(error)),
    }
}

/// An error with all its causes: `tokio_postgres` keeps the server's words in the cause.
fn chain(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _infallible = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
