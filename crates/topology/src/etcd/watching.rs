//! One watch on one connection, until it breaks. Going on after that is the follower's work.
//!
//! A watch that says nothing is asked how far it is: a connection can be alive while the watch behind it is not.

use super::connection::{Connection, Session};
use super::fault::Fault;
use super::{end_of, entry};
use crate::Revision;
use crate::backend::{BackendError, Batch, Batches, Event};
use crate::grants::Keys;
use etcd_client::{EventType, WatchOptions, WatchResponse, WatchStream};
use futures::StreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// An open watch.
pub(super) struct Watching {
    connection: Arc<Connection>,
    session: Session,
    stream: WatchStream,
}

impl Watching {
    /// Opens the watch and waits until etcd has accepted it.
    pub(super) async fn open(
        connection: &Arc<Connection>,
        keys: &Keys,
        from: Revision,
    ) -> Result<Self, BackendError> {
        let session = connection.session().await.map_err(BackendError::Unavailable)?;
        let options = WatchOptions::new().with_start_revision(from.0).with_progress_notify();
        let (key, options) = match keys {
            Keys::One(key) => (key, options),
            Keys::Prefix(prefix) => (prefix, options.with_range(end_of(prefix))),
        };
        let opened = async {
            let mut stream = session.watch().watch(key.as_str(), Some(options)).await?;
            let first = stream.message().await?;
            Ok((stream, first))
        };
        let (stream, first) = match timeout(connection.options().attempt, opened).await {
            Ok(Ok((stream, Some(first)))) => (stream, first),
            Ok(Ok((_, None))) => return Err(lose(connection, &session, "etcd ended the watch".into())),
            Ok(Err(error)) => return Err(fail(connection, &session, Fault::of(&error))),
            Err(_) => return Err(lose(connection, &session, "etcd did not open the watch".into())),
        };
        if first.canceled() {
            let refusal = cancelled(&first);
            if matches!(refusal, BackendError::Denied(_)) && connection.outdated(&session).await {
                connection.leave(&session);
            }
            return Err(refusal);
        }
        Ok(Self { connection: Arc::clone(connection), session, stream })
    }

    /// What it delivers, until it breaks.
    pub(super) fn into_batches(self) -> Batches {
        let batches = futures::stream::unfold(Some(self), |watching| async move {
            let mut watching = watching?;
            let batch = watching.next().await;
            let goes_on = batch.is_ok().then_some(watching);
            Some((batch, goes_on))
        });
        batches.boxed()
    }

    async fn next(&mut self) -> Result<Batch, BackendError> {
        loop {
            let response = self.response().await?;
            if response.canceled() {
                return Err(cancelled(&response));
            }
            if response.created() {
                continue;
            }
            let events: Vec<Event> = response.events().iter().filter_map(event).collect();
            // With events the header may be ahead of them; without, it says how far the watch is.
            let newest = response
                .events()
                .iter()
                .filter_map(etcd_client::Event::kv)
                .map(etcd_client::KeyValue::mod_revision);
            let told = newest.max().or(response.header().map(etcd_client::ResponseHeader::revision));
            if let Some(revision) = told {
                return Ok(Batch { events, revision: Revision(revision) });
            }
        }
    }

    /// The next response; asks for one after a silence.
    async fn response(&mut self) -> Result<WatchResponse, BackendError> {
        let options = self.connection.options();
        let (silence, patience) = (options.silence, options.patience);
        if let Some(response) = self.within(silence).await? {
            return Ok(response);
        }
        if let Err(error) = self.stream.request_progress().await {
            return Err(fail(&self.connection, &self.session, Fault::of(&error)));
        }
        if let Some(response) = self.within(patience).await? {
            return Ok(response);
        }
        let reason = format!("the watch was silent for {:?}", silence + patience);
        Err(lose(&self.connection, &self.session, reason))
    }

    async fn within(&mut self, limit: Duration) -> Result<Option<WatchResponse>, BackendError> {
        match timeout(limit, self.stream.message()).await {
            Ok(Ok(Some(response))) => Ok(Some(response)),
            Ok(Ok(None)) => Err(lose(&self.connection, &self.session, "etcd ended the watch".into())),
            Ok(Err(error)) => Err(fail(&self.connection, &self.session, Fault::of(&error))),
            Err(_) => Ok(None),
        }
    }
}

fn event(event: &etcd_client::Event) -> Option<Event> {
    let pair = event.kv()?;
    Some(match event.event_type() {
        EventType::Put => Event::Put(entry(pair)),
        EventType::Delete => Event::Removed(entry(pair).key),
    })
}

/// Why etcd ended a watch.
fn cancelled(response: &WatchResponse) -> BackendError {
    let reason = response.cancel_reason();
    if response.compact_revision() > 0 {
        return BackendError::Gone(format!("compacted at {}", response.compact_revision()));
    }
    if reason.contains("permission denied") {
        return BackendError::Denied(reason.to_owned());
    }
    BackendError::Unavailable(format!("etcd cancelled the watch: {reason}"))
}

/// Leaves the member if it was lost, so that the next attempt goes to another.
fn fail(connection: &Connection, session: &Session, fault: Fault) -> BackendError {
    if let Fault::Lost(_) = fault {
        connection.leave(session);
    }
    fault.into_backend()
}

fn lose(connection: &Connection, session: &Session, reason: String) -> BackendError {
    fail(connection, session, Fault::Lost(reason))
}
