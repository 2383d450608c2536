//! One connection to one member of etcd at a time; after a failure the next member, with the identity read anew.
//!
//! The client library can spread calls over all members, but then a dead one fails every third call. Here a failure moves
//! all that follows to another member at once.

use super::fault::Fault;
use super::options::EtcdOptions;
use crate::backend::BackendError;
use crate::backoff::Backoff;
use etcd_client::{
    AuthClient, Certificate, Client, ConnectOptions, Error, Identity, KvClient, TlsOptions, WatchClient,
};
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::{sleep, timeout};
use tracing::debug;

/// The largest answer that is taken: a page of 500 records of 64 KiB each, which is beyond what the API admits.
const LARGEST_ANSWER: usize = 32 * 1024 * 1024;
/// How often a call is repeated while users and roles change under it, with growing waits of some three seconds in all. Each
/// change costs one repetition at most.
const AUTH_REPETITIONS: u32 = 8;

/// Whether a call may be sent again after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It may happen twice without harm.
    Freely,
    /// As `Freely`, and its answer is worth nothing late.
    Promptly,
    /// Only if it is known not to have happened.
    IfNotApplied,
}

/// A client to one member.
#[derive(Clone)]
pub(super) struct Session {
    client: Client,
    /// Which of the connection's clients this is.
    number: u64,
    identity: Arc<Files>,
}

/// The identity's files as they were read: authority, certificate, key.
#[derive(PartialEq, Eq)]
struct Files([Vec<u8>; 3]);

impl Files {
    async fn read(directory: &Path) -> Result<Self, String> {
        let file = |name| {
            let path = directory.join(name);
            async move {
                let unread = |error: io::Error| format!("cannot read {}: {error}", path.display());
                tokio::fs::read(&path).await.map_err(unread)
            }
        };
        Ok(Self([file("ca.crt").await?, file("tls.crt").await?, file("tls.key").await?]))
    }
}

impl Session {
    pub(super) fn kv(&self) -> KvClient {
        self.client.kv_client().max_decoding_message_size(LARGEST_ANSWER)
    }

    pub(super) fn watch(&self) -> WatchClient {
        self.client.watch_client().max_decoding_message_size(LARGEST_ANSWER)
    }

    pub(super) fn auth(&self) -> AuthClient {
        self.client.auth_client()
    }
}

/// The connection.
pub(super) struct Connection {
    options: EtcdOptions,
    current: Mutex<Current>,
}

struct Current {
    session: Option<Session>,
    /// How many sessions there were; also which endpoint is next.
    count: u64,
}

impl Connection {
    pub(super) fn new(options: EtcdOptions) -> Self {
        Self { options, current: Mutex::new(Current { session: None, count: 0 }) }
    }

    pub(super) fn options(&self) -> &EtcdOptions {
        &self.options
    }

    /// Calls, and calls again as `repeat` allows: once more than there are members, so that a connection that died unnoticed
    /// costs no member its turn.
    pub(super) async fn call<T, F>(
        &self,
        repeat: Repeat,
        call: impl Fn(Session) -> F,
    ) -> Result<T, BackendError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.attempt(repeat, call).await.map_err(Fault::into_backend)
    }

    /// As [`Self::call`], with etcd's own reasons.
    pub(super) async fn attempt<T, F>(&self, repeat: Repeat, call: impl Fn(Session) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let limit = match repeat {
            Repeat::Promptly => self.options.prompt_attempt,
            Repeat::Freely | Repeat::IfNotApplied => self.options.attempt,
        };
        let mut losses = 0;
        let mut auth_moves = 0;
        let mut backoff = Backoff::new(1);
        loop {
            let session = self.session().await.map_err(Fault::Lost)?;
            let fault = match timeout(limit, call(session.clone())).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => Fault::of(&error),
                Err(_) => Fault::Lost(format!("no answer within {limit:?}")),
            };
            match &fault {
                Fault::AuthMoved if auth_moves < AUTH_REPETITIONS => {
                    auth_moves += 1;
                    sleep(backoff.next()).await;
                }
                // Refused under a name that is no longer ours.
                Fault::Denied(_) if self.outdated(&session).await => self.leave(&session),
                Fault::Lost(reason) => {
                    debug!(reason, "left a member of etcd");
                    self.leave(&session);
                    losses += 1;
                    if repeat == Repeat::IfNotApplied || losses > self.options.endpoints.len() {
                        return Err(fault);
                    }
                }
                Fault::AuthMoved
                | Fault::Denied(_)
                | Fault::Gone(_)
                | Fault::Exists
                | Fault::Missing
                | Fault::Refused(_) => return Err(fault),
            }
        }
    }

    /// The session in use, or a new one. Making it sends nothing: whether the member is there shows at the first call.
    ///
    /// Nothing is locked while it waits: a watch that nobody polls would keep the lock, and every call would wait for it.
    pub(super) async fn session(&self) -> Result<Session, String> {
        let number = {
            let current = self.current();
            if let Some(session) = &current.session {
                return Ok(session.clone());
            }
            current.count
        };
        let endpoints = &self.options.endpoints;
        let turn = usize::try_from(number).unwrap_or(0) % endpoints.len().max(1);
        let endpoint = endpoints.get(turn).ok_or("no endpoint is given")?;
        let identity = Arc::new(Files::read(&self.options.identity).await?);
        let client = self.connect(endpoint, &identity).await?;
        let session = Session { client, number, identity };
        let mut current = self.current();
        // Somebody may have been quicker; then one connection is enough.
        Ok(current.session.get_or_insert(session).clone())
    }

    /// Gives up a session that failed, unless somebody else did before.
    pub(super) fn leave(&self, session: &Session) {
        let mut current = self.current();
        if current.count == session.number {
            current.session = None;
            current.count += 1;
        }
    }

    /// Changed by single assignments only, so that a panic elsewhere leaves it sound.
    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the session's identity has been replaced since it was made. The client library keeps the one that it was
    /// given, also when it connects again by itself.
    pub(super) async fn outdated(&self, session: &Session) -> bool {
        Files::read(&self.options.identity).await.is_ok_and(|files| files != *session.identity)
    }

    async fn connect(&self, endpoint: &str, identity: &Files) -> Result<Client, String> {
        let EtcdOptions { connect, keepalive, patience, .. } = &self.options;
        let Files([authority, certificate, key]) = identity;
        let tls = TlsOptions::new()
            .ca_certificate(Certificate::from_pem(authority))
            .identity(Identity::from_pem(certificate, key))
            .timeout(*connect);
        let options = ConnectOptions::new()
            .with_tls(tls)
            .with_connect_timeout(*connect)
            .with_keep_alive(*keepalive, *patience)
            .with_keep_alive_while_idle(true)
            // A member without a leader shall say so at once instead of letting calls wait.
            .with_require_leader(true);
        Client::connect([endpoint], Some(options)).await.map_err(|error| error.to_string())
    }
}
