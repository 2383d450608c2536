//! What is known of the store's history, so that a restored or replaced store is not taken for the one that was read.
//!
//! Answers of linearizable reads and of writes count, held against what was known when the question was sent: answers may overtake one
//! another, but none is older than an answer that had come before its question.

use crate::backend::Origin;
use std::sync::{Mutex, PoisonError};

/// The newest origin that was seen.
#[derive(Default)]
pub(super) struct History(Mutex<Option<Origin>>);

impl History {
    /// What is known now; to be asked before a question is sent.
    pub(super) fn known(&self) -> Option<Origin> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of an answer. False if it comes from another history than what was known `before`.
    pub(super) fn advance(&self, before: Option<Origin>, answer: Origin) -> bool {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let continues = before.is_none_or(|b| b.store == answer.store && b.revision <= answer.revision);
        let newer = newest.is_none_or(|n| n.store == answer.store && n.revision < answer.revision);
        if !continues || newer {
            *newest = Some(answer);
        }
        continues
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Revision;

    fn at(store: u64, revision: i64) -> Origin {
        Origin { store, revision: Revision(revision) }
    }

    #[test]
    fn answers_may_overtake_one_another_but_not_go_back() {
        let history = History::default();
        assert!(history.advance(history.known(), at(1, 10)));
        let asked = history.known();
        assert!(history.advance(asked, at(1, 12)));
        assert!(history.advance(asked, at(1, 11)), "asked before 12 was known");
        assert_eq!(history.known(), Some(at(1, 12)));
        assert!(!history.advance(history.known(), at(1, 11)), "restored");
        assert!(history.advance(history.known(), at(1, 11)), "the caller has read anew");
        assert!(!history.advance(history.known(), at(2, 50)), "replaced");
    }
}
