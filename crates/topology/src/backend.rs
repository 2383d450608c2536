//! What a store must offer, in its own words: keys, bytes, revisions. Everything that Berth means by them is made of this in
//! [`crate::Records`], once, so that memory and etcd differ in nothing else.

use crate::Revision;
use crate::grants::Keys;
use async_trait::async_trait;
use futures::stream::BoxStream;

/// A value under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Vec<u8>,
    /// The revision of its last write.
    pub revision: Revision,
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The store's own identity; another means that the store was replaced.
    pub store: u64,
    /// The store's revision when it answered.
    pub revision: Revision,
}

/// What to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The keys.
    pub keys: Keys,
    /// Begin behind this key.
    pub after: Option<String>,
    /// At most so many; 0 is all.
    pub limit: u32,
    /// As of this revision; absent is now, linearizably.
    pub at: Option<Revision>,
    /// Whether to leave a member of the store that is slow to answer sooner than usual, because the answer is worth nothing late.
    pub promptly: bool,
}

/// What was read, ordered by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Whether the limit cut it.
    pub more: bool,
    /// Where it comes from.
    pub origin: Origin,
}

/// One write of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Sets a value.
    Put(String, Vec<u8>),
    /// Removes keys; absent is success.
    Remove(Keys),
}

/// Writes that happen all or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The keys that must be at these revisions; none is absent.
    pub expect: Vec<(String, Option<Revision>)>,
    /// What is then written.
    pub writes: Vec<Write>,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It happened, at this revision.
    Applied(Origin),
    /// An expectation did not hold; nothing was written.
    Refused,
}

/// One change of a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A value was set.
    Put(Entry),
    /// A key was removed.
    Removed(String),
}

/// What a watch delivers at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The changes, in order; none when it only tells how far the watch is.
    pub events: Vec<Event>,
    /// Everything up to here has been delivered.
    pub revision: Revision,
}

/// Why the store did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// It could not be reached or did not answer in time; a write may or may not have happened.
    #[error("{0}")]
    Unavailable(String),
    /// This user may not.
    #[error("{0}")]
    Denied(String),
    /// The revision asked for is no longer there, or not yet.
    #[error("the revision is gone: {0}")]
    Gone(String),
}

/// A stream of batches that ends, by an error or at all, when the store is lost.
pub type Batches = BoxStream<'static, Result<Batch, BackendError>>;

/// A store of keys and values with revisions.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Reads.
    async fn read(&self, query: Query) -> Result<Page, BackendError>;

    /// Writes, if the expectations hold.
    async fn commit(&self, commit: Commit) -> Result<Committed, BackendError>;

    /// Watches from a revision on, that revision included. Returns when the store has accepted the watch.
    async fn watch(&self, keys: Keys, from: Revision) -> Result<Batches, BackendError>;

    /// A number that differs between processes, to spread their retries; a constant where runs must repeat.
    fn seed(&self) -> u64;
}
