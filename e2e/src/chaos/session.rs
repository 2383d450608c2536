//! A tenant's session through the proxy with an ordinary driver, and what its errors say about what was sent.

use crate::Tenant;
use crate::tenant;
use anyhow::{Context, Result};
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::error::Severity;
use tokio_postgres::{Client, Config, NoTls};
use tokio_util::task::TaskTracker;

/// How long an application waits for an answer before it takes the connection for dead. Above every pause that is promised, and below the time
/// for which the proxy holds clients: a longer wait is told as an error here, not hidden.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Where a tenant connects, and as whom.
#[derive(Debug, Clone)]
pub struct Access(Config);

impl Access {
    /// A tenant's own. Without TLS, which the proxy of the local Kubernetes allows: that every kind of TLS works is shown by the stories.
    pub fn of(tenant: &Tenant) -> Result<Self> {
        let (host, port) = tenant::proxy()?;
        let mut config = Config::new();
        config
            .host(host)
            .port(port.parse().context("the proxy's port is no number")?)
            .user(tenant.user())
            .password(tenant.password())
            .dbname(tenant.database())
            .application_name("chaos");
        Ok(Self(config))
    }
}

/// Why a call did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The SQLSTATE, if there was an answer at all.
    pub code: Option<String>,
    /// What a person is told.
    pub words: String,
    /// Whether the session is of no more use.
    pub ends: bool,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.code.as_deref().unwrap_or("no answer"), self.words)
    }
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(database) = error.as_db_error() else {
            return Self { code: None, words: chain(&error), ends: true };
        };
        let ends = !matches!(database.parsed_severity(), Some(Severity::Error));
        Self { code: Some(database.code().code().to_owned()), words: database.message().to_owned(), ends }
    }
}

/// One session. Dropping it ends the connection, whatever is under way.
#[derive(Debug)]
pub struct Session {
    client: Client,
    connection: JoinHandle<()>,
    /// What the connection said when it ended by itself.
    farewell: Arc<Mutex<Option<Trouble>>>,
}

impl Session {
    /// Logs in.
    pub async fn open(Access(config): &Access, tasks: &TaskTracker) -> Result<Self, Trouble> {
        let (client, connection) = in_time(config.connect(NoTls)).await?;
        let farewell = Arc::new(Mutex::new(None));
        let said = farewell.clone();
        let connection = tasks.spawn(async move {
            if let Err(error) = connection.await {
                *said.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.into());
            }
        });
        Ok(Self { client, connection, farewell })
    }

    /// The driver's own client, for calls that go through [`in_time`].
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Statements in the simple protocol, whose rows nobody wants.
    pub async fn batch(&self, sql: &str) -> Result<(), Trouble> {
        in_time(self.client.batch_execute(sql)).await
    }

    /// Why the session has ended while nothing was asked of it, if it has.
    pub fn ended(&self) -> Option<Trouble> {
        if !self.client.is_closed() {
            return None;
        }
        let said = self.farewell.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Some(said.unwrap_or(Trouble {
            code: None,
            words: "the connection was closed".to_owned(),
            ends: true,
        }))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// A call with the patience of an application.
pub async fn in_time<T>(call: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Trouble> {
    if let Ok(answer) = timeout(PATIENCE, call).await {
        return answer.map_err(Trouble::from);
    }
    let words = format!("nothing came for {} s", PATIENCE.as_secs());
    Err(Trouble { code: None, words, ends: true })
}

fn chain(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
