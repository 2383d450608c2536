//! The topology in etcd, over mutual TLS.
//!
//! The identity in the client certificate is the etcd user; there are no passwords and no tokens. The certificate's files
//! are read again after every failure, so that a rotated one is used without a restart.

mod administration;
mod connection;
mod fault;
mod options;
mod watching;

pub use administration::{Administration, AdministrationError};
pub use options::{EtcdOptions, InvalidOptions};

use crate::Records;
use crate::Revision;
use crate::backend::{Backend, BackendError, Batches, Commit, Committed, Entry, Origin, Page, Query, Write};
use crate::grants::Keys;
use async_trait::async_trait;
use connection::{Connection, Repeat};
use etcd_client::{Compare, CompareOp, DeleteOptions, GetOptions, KeyValue, ResponseHeader, Txn, TxnOp};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use watching::Watching;

/// The topology in etcd.
pub type EtcdTopology = Records<Etcd>;

impl Records<Etcd> {
    /// The topology in this etcd. Connects when it is first used.
    pub fn new(options: EtcdOptions) -> Self {
        Self::over(Etcd { connection: Arc::new(Connection::new(options)) })
    }
}

/// An etcd.
pub struct Etcd {
    connection: Arc<Connection>,
}

#[async_trait]
impl Backend for Etcd {
    async fn read(&self, query: Query) -> Result<Page, BackendError> {
        let (start, options) = range(&query);
        let repeat = if query.promptly { Repeat::Promptly } else { Repeat::Freely };
        let response = self
            .connection
            .call(repeat, |client| {
                let (start, options) = (start.clone(), options.clone());
                async move { client.kv().get(start, Some(options)).await }
            })
            .await?;
        Ok(Page {
            entries: response.kvs().iter().map(entry).collect(),
            more: response.more(),
            origin: origin(response.header())?,
        })
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, BackendError> {
        let txn = transaction(&commit);
        // Plain writes may happen twice without harm. A swap that happened would be refused the second time, and its caller
        // would take itself for the loser.
        let repeat = if commit.expect.is_empty() { Repeat::Freely } else { Repeat::IfNotApplied };
        let response = self
            .connection
            .call(repeat, |client| {
                let txn = txn.clone();
                async move { client.kv().txn(txn).await }
            })
            .await?;
        if !response.succeeded() {
            return Ok(Committed::Refused);
        }
        Ok(Committed::Applied(origin(response.header())?))
    }

    async fn watch(&self, keys: Keys, from: Revision) -> Result<Batches, BackendError> {
        Watching::open(&self.connection, &keys, from).await.map(Watching::into_batches)
    }

    /// The standard library seeds its hashers by chance, which is all that spreading retries needs.
    fn seed(&self) -> u64 {
        RandomState::new().build_hasher().finish()
    }
}

/// The first key behind all that begin with `prefix`.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    // Our prefixes end in `/`, so that adding one to the last byte never overflows.
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}

fn range(query: &Query) -> (Vec<u8>, GetOptions) {
    let Query { keys, after, limit, at, promptly: _ } = query;
    let mut options = GetOptions::new().with_limit(i64::from(*limit));
    if let Some(Revision(at)) = at {
        options = options.with_revision(*at);
    }
    match keys {
        Keys::One(key) => (key.clone().into_bytes(), options),
        Keys::Prefix(prefix) => {
            let start = match after {
                // The very next key in order.
                Some(after) => [after.as_bytes(), &[0]].concat(),
                None => prefix.clone().into_bytes(),
            };
            (start, options.with_range(end_of(prefix)))
        }
    }
}

fn transaction(commit: &Commit) -> Txn {
    let expect: Vec<Compare> = commit
        .expect
        .iter()
        // A key that is not there has modification revision 0.
        .map(|(key, at)| Compare::mod_revision(key.as_str(), CompareOp::Equal, at.map_or(0, |r| r.0)))
        .collect();
    let writes: Vec<TxnOp> = commit
        .writes
        .iter()
        .map(|write| match write {
            Write::Put(key, value) => TxnOp::put(key.as_str(), value.clone(), None),
            Write::Remove(Keys::One(key)) => TxnOp::delete(key.as_str(), None),
            Write::Remove(Keys::Prefix(prefix)) => {
                TxnOp::delete(prefix.as_str(), Some(DeleteOptions::new().with_range(end_of(prefix))))
            }
        })
        .collect();
    Txn::new().when(expect).and_then(writes)
}

fn entry(pair: &KeyValue) -> Entry {
    Entry {
        // A key that is not text is not ours, and stays so when it is made readable.
        key: String::from_utf8_lossy(pair.key()).into_owned(),
        value: pair.value().to_vec(),
        revision: Revision(pair.mod_revision()),
    }
}

fn origin(header: Option<&ResponseHeader>) -> Result<Origin, BackendError> {
    let header = header.ok_or_else(|| BackendError::Unavailable("etcd answered without a header".into()))?;
    Ok(Origin { store: header.cluster_id(), revision: Revision(header.revision()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_its_neighbour() {
        assert_eq!(end_of("/berth/"), b"/berth0".to_vec());
        assert!(b"/berth/zzz".to_vec() < end_of("/berth/"));
        assert!(b"/berth0".to_vec() >= end_of("/berth/"));
    }
}
