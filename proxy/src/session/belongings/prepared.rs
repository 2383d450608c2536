//! Prepared statements, and the one place where those that many sessions have in common are kept once.

use super::super::sql::{Act, Weight, read};
use crate::wire::Reader;
use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

/// A statement as it was prepared by the protocol, and what running it does.
#[derive(Debug)]
pub(in crate::session) struct Prepared {
    /// The `Parse` message behind the name: text and types of parameters. Empty where it was too long to be kept.
    body: Box<[u8]>,
    /// What it does to its session.
    pub(in crate::session) acts: Box<[Act]>,
    /// What it can have done when it is lost.
    pub(in crate::session) weight: Weight,
    /// It could end a transaction.
    pub(in crate::session) may_commit: bool,
    /// It is a COMMIT.
    pub(in crate::session) commits_alone: bool,
}

impl Prepared {
    /// Reads a `Parse` message behind its name. Where it is not `whole`, it cannot be prepared anew.
    pub(in crate::session) fn read(body: &[u8], whole: bool) -> Self {
        let text = Reader(body).cstr().unwrap_or(body);
        let script = read(text, whole);
        Self {
            body: if whole { body.into() } else { Box::default() },
            acts: script.acts.into(),
            weight: script.weight,
            may_commit: script.may_commit,
            commits_alone: script.commits_alone,
        }
    }

    /// Whether it can be prepared anew.
    pub(in crate::session) fn is_kept(&self) -> bool {
        !self.body.is_empty()
    }

    /// The `Parse` message behind the name.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    pub(super) fn length(&self) -> usize {
        self.body.len()
    }
}

/// From how many on it is looked for statements that nobody has any more.
const SWEEP: usize = 1024;

/// The statements that sessions have given names, each kept once: the sessions of a pool prepare the same ones.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    known: HashSet<Shared>,
    sweep_at: usize,
}

#[derive(Debug)]
struct Shared(Arc<Prepared>);

impl Borrow<[u8]> for Shared {
    fn borrow(&self) -> &[u8] {
        &self.0.body
    }
}

impl Hash for Shared {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.body.hash(state);
    }
}

impl PartialEq for Shared {
    fn eq(&self, other: &Self) -> bool {
        self.0.body == other.0.body
    }
}

impl Eq for Shared {}

impl Statements {
    /// The statement of this `Parse` message, which is read if nobody has it yet.
    pub(in crate::session) fn read(&self, body: &[u8], whole: bool) -> Arc<Prepared> {
        if !whole {
            return Arc::new(Prepared::read(body, whole));
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Shared(known)) = inner.known.get(body) {
            return Arc::clone(known);
        }
        if inner.known.len() >= inner.sweep_at.max(SWEEP) {
            inner.known.retain(|shared| Arc::strong_count(&shared.0) > 1);
            inner.sweep_at = inner.known.len() * 2;
        }
        let prepared = Arc::new(Prepared::read(body, whole));
        inner.known.insert(Shared(Arc::clone(&prepared)));
        prepared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_sessions_prepare_is_kept_once_and_no_longer_than_they_need_it() {
        let statements = Statements::default();
        let one = statements.read(b"select 1\0\0\0", true);
        assert!(Arc::ptr_eq(&one, &statements.read(b"select 1\0\0\0", true)));
        assert!(!Arc::ptr_eq(&one, &statements.read(b"select 2\0\0\0", true)));
        for n in 0..3 * SWEEP {
            drop(statements.read(format!("select {n}\0\0\0").as_bytes(), true));
        }
        assert!(statements.inner.lock().unwrap().known.len() <= SWEEP);
        assert!(Arc::ptr_eq(&one, &statements.read(b"select 1\0\0\0", true)));
    }

    #[test]
    fn it_is_known_what_running_it_does() {
        let read = |body: &[u8]| Prepared::read(body, true);
        assert!(read(b"COMMIT\0\0\0").commits_alone && read(b"COMMIT\0\0\0").may_commit);
        assert_eq!(read(b"insert into t values ($1)\0\0\0").weight, Weight::Undone);
        assert_eq!(read(b"set a = 1\0\0\0").acts.len(), 1);
        assert!(!Prepared::read(b"select 1", false).is_kept());
    }
}
