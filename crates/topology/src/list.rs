//! Reading everything under some keys at one revision, in pages: ten thousand clusters do not fit in one answer.

use crate::backend::{Backend, BackendError, Entry, Origin, Query};
use crate::grants::Keys;

/// Entries of a page. With records of a kilobyte this stays far below the 4 MiB that a gRPC client takes in one message.
const PAGE: u32 = 500;

/// How often a list begins anew when its revision was compacted between two pages. A compaction keeps minutes of history, so
/// that a second time means a store that is far too slow.
const ATTEMPTS: u32 = 3;

/// Everything under some keys.
pub(crate) struct Listing {
    /// Ordered by key.
    pub(crate) entries: Vec<Entry>,
    /// The one moment at which all of it was so.
    pub(crate) origin: Origin,
}

/// Reads everything, the first page linearizably and the others at its revision.
pub(crate) async fn list<B: Backend>(backend: &B, keys: &Keys) -> Result<Listing, BackendError> {
    let mut attempt = 1;
    loop {
        match once(backend, keys).await {
            Err(BackendError::Gone(_)) if attempt < ATTEMPTS => attempt += 1,
            other => return other,
        }
    }
}

async fn once<B: Backend>(backend: &B, keys: &Keys) -> Result<Listing, BackendError> {
    let mut query = Query { keys: keys.clone(), after: None, limit: PAGE, at: None, promptly: false };
    let first = backend.read(query.clone()).await?;
    let origin = first.origin;
    let mut entries = first.entries;
    let mut more = first.more;
    while more {
        query.after = entries.last().map(|entry| entry.key.clone());
        query.at = Some(origin.revision);
        let page = backend.read(query.clone()).await?;
        if page.origin.store != origin.store {
            return Err(BackendError::Gone("the store was replaced while it was read".into()));
        }
        more = page.more && !page.entries.is_empty();
        entries.extend(page.entries);
    }
    Ok(Listing { entries, origin })
}
