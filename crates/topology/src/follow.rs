//! A watch that never ends by itself: it resumes where it stopped, and lists anew where that would be a lie.
//!
//! Resuming at the next revision is right only in the same history. After every loss the last record that was told (the
//! *anchor*) is looked up again: a store that was restored from a backup or replaced does not have it as it was told, even
//! if its revisions have meanwhile grown past ours. Then, and after a compaction of what was missed, everything is listed.

mod decode;

use crate::backend::{Backend, BackendError, Batch, Batches, Entry, Event, Origin, Query};
use crate::backoff::Backoff;
use crate::grants::Keys;
use crate::list::list;
use crate::{Continuity, Scope, Watch, WatchEvent};
use futures::StreamExt;
use std::collections::VecDeque;
use std::sync::Arc;
use tracing::{debug, info};

/// One watch.
pub(crate) struct Follower<B> {
    backend: Arc<B>,
    scope: Scope,
    /// What the consumer has not taken yet.
    ready: VecDeque<WatchEvent>,
    /// Everything up to this moment was told; none before the first list.
    told: Option<Origin>,
    /// The last record that was told, as it was then.
    anchor: Option<Entry>,
    stream: Option<Batches>,
    /// Whether the stream has delivered something, which proves more than that it could be opened.
    proved: bool,
    away: bool,
    backoff: Backoff,
}

/// What a look at the store after a loss says.
enum Verdict {
    Resume,
    List(&'static str, Continuity),
}

impl<B: Backend> Follower<B> {
    pub(crate) fn new(backend: Arc<B>, scope: Scope) -> Self {
        let backoff = Backoff::new(backend.seed());
        Self {
            backend,
            scope,
            ready: VecDeque::new(),
            told: None,
            anchor: None,
            stream: None,
            proved: false,
            away: false,
            backoff,
        }
    }

    /// The events, for ever.
    pub(crate) fn into_stream(self) -> Watch {
        let events = futures::stream::unfold(self, |mut follower| async move {
            let event = follower.next().await;
            Some((event, follower))
        });
        events.boxed()
    }

    async fn next(&mut self) -> WatchEvent {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return event;
            }
            match &mut self.stream {
                None => {
                    let wait = self.backoff.next();
                    if !wait.is_zero() {
                        tokio::time::sleep(wait).await;
                    }
                    if let Err(error) = self.connect().await {
                        self.lost(&error);
                    }
                }
                Some(stream) => match stream.next().await {
                    Some(Ok(batch)) => self.take(batch),
                    Some(Err(error)) => {
                        if let BackendError::Gone(_) = error {
                            self.told = None;
                        }
                        self.interrupted(&error.to_string());
                    }
                    None => self.interrupted("the store ended the watch"),
                },
            }
        }
    }

    /// The stream broke. Only if the next attempt fails too is the store away: a member of it that restarts is no outage.
    fn interrupted(&mut self, reason: &str) {
        debug!(scope = ?self.scope, reason, "a watch was interrupted");
        self.stream = None;
        if self.proved {
            self.backoff.reset();
        }
        self.proved = false;
    }

    /// An attempt failed.
    fn lost(&mut self, error: &BackendError) {
        if let BackendError::Gone(_) = error {
            self.told = None;
        }
        if !self.away {
            self.away = true;
            self.ready.push_back(WatchEvent::Away { reason: error.to_string() });
        }
    }

    /// Finds out where to go on, tells all anew if needed, and opens the stream.
    async fn connect(&mut self) -> Result<(), BackendError> {
        let verdict = match self.told {
            Some(told) => judge(&*self.backend, told, self.anchor.as_ref()).await?,
            None => Verdict::List("first", Continuity::Unbroken),
        };
        let mut from = match (verdict, self.told) {
            (Verdict::Resume, Some(told)) => told,
            (Verdict::Resume, None) => self.tell_all("first", Continuity::Unbroken).await?,
            (Verdict::List(why, continuity), _) => self.tell_all(why, continuity).await?,
        };
        let keys = decode::keys(&self.scope);
        from.revision.0 += 1;
        let stream = match self.backend.watch(keys.clone(), from.revision).await {
            // Compacted since: nobody waits for an outage where a list will do.
            Err(BackendError::Gone(_)) => {
                let mut from = self.tell_all("what was missed is compacted", Continuity::Unbroken).await?;
                from.revision.0 += 1;
                self.backend.watch(keys, from.revision).await?
            }
            other => other?,
        };
        self.stream = Some(stream);
        if self.away {
            self.away = false;
            self.ready.push_back(WatchEvent::Back);
        }
        Ok(())
    }

    /// Lists everything and tells it.
    async fn tell_all(&mut self, why: &str, continuity: Continuity) -> Result<Origin, BackendError> {
        let listing = list(&*self.backend, &decode::keys(&self.scope)).await?;
        if self.told.is_some() {
            info!(scope = ?self.scope, why, "telling the whole topology anew");
        }
        let (records, unreadable) = decode::all(&listing.entries, listing.origin.store);
        self.ready.push_back(WatchEvent::Listed { records, revision: listing.origin.revision, continuity });
        self.ready.extend(unreadable);
        self.anchor = listing.entries.into_iter().max_by_key(|entry| entry.revision);
        self.told = Some(listing.origin);
        Ok(listing.origin)
    }

    fn take(&mut self, batch: Batch) {
        self.proved = true;
        self.backoff.reset();
        let store = self.told.map_or(0, |told| told.store);
        for event in batch.events {
            self.ready.extend(decode::event(&event, store));
            if let Event::Put(entry) = event {
                self.anchor = Some(entry);
            }
        }
        if let Some(told) = &mut self.told {
            told.revision = told.revision.max(batch.revision);
        }
    }
}

/// Whether the store still has the history that was told.
async fn judge<B: Backend>(
    backend: &B,
    told: Origin,
    anchor: Option<&Entry>,
) -> Result<Verdict, BackendError> {
    let Some(anchor) = anchor else {
        return Ok(Verdict::List("nothing was told that could be compared", Continuity::Unbroken));
    };
    let look = |at| Query { keys: Keys::One(anchor.key.clone()), after: None, limit: 1, at, promptly: false };
    let now = backend.read(look(None)).await?;
    if now.origin.store != told.store {
        return Ok(Verdict::List("the store was replaced", Continuity::Broken));
    }
    if now.origin.revision < told.revision {
        return Ok(Verdict::List("the store went back to an older state", Continuity::Broken));
    }
    if now.entries.first() == Some(anchor) {
        return Ok(Verdict::Resume);
    }
    match backend.read(look(Some(anchor.revision))).await {
        Ok(then) if then.entries.first() == Some(anchor) => Ok(Verdict::Resume),
        Ok(_) => Ok(Verdict::List("the store has another history", Continuity::Broken)),
        Err(BackendError::Gone(_)) => {
            Ok(Verdict::List("what was told last is compacted", Continuity::Unbroken))
        }
        Err(other) => Err(other),
    }
}
