//! What a client has sent since its session was idle last, for as long as it may have to be sent again.
//!
//! It is kept while the client has been told nothing but that its transaction has begun. So when the primary goes before the
//! first statement of a transaction has been answered, the new one can begin the same transaction and be asked the same.

/// How much is kept. More than statements of applications take; what is longer is not sent again.
const MOST: usize = 16 * 1024;
/// How often one beginning is sent again: primaries that go one after the other are not to be followed for ever.
const TIMES: u8 = 3;

/// The beginning of a transaction, or a statement outside of one.
#[derive(Debug, Default)]
pub(super) struct Prelude {
    kept: Option<Box<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    /// So many bytes are answered in full.
    settled: usize,
    times: u8,
}

impl Prelude {
    /// The client sends this; `begins` if the session was idle before.
    pub(super) fn sent(&mut self, chunk: &[u8], begins: bool) {
        if begins {
            self.kept = Some(Box::default());
        }
        match &mut self.kept {
            Some(kept) if kept.bytes.len() + chunk.len() <= MOST => kept.bytes.extend_from_slice(chunk),
            Some(_) => self.forget(),
            None => {}
        }
    }

    /// It can no longer be sent again, or need not be.
    pub(super) fn forget(&mut self) {
        self.kept = None;
    }

    /// Everything that was sent is answered.
    pub(super) fn settle(&mut self) {
        if let Some(kept) = &mut self.kept {
            kept.settled = kept.bytes.len();
        }
    }

    /// Whether it can be sent again. Counts each time that this is asked.
    pub(super) fn again(&mut self) -> bool {
        match &mut self.kept {
            Some(kept) if kept.times < TIMES => {
                kept.times += 1;
                true
            }
            Some(_) | None => false,
        }
    }

    /// What was answered, and what was not.
    pub(super) fn parts(&self) -> (&[u8], &[u8]) {
        self.kept.as_ref().map_or((&[], &[]), |kept| kept.bytes.split_at(kept.settled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_an_idle_session_and_knows_what_is_answered() {
        let mut prelude = Prelude::default();
        prelude.sent(b"no", false);
        assert!(!prelude.again());
        prelude.sent(b"begin", true);
        prelude.settle();
        prelude.sent(b"insert", false);
        assert_eq!(prelude.parts(), (&b"begin"[..], &b"insert"[..]));
        prelude.sent(b"another", true);
        assert_eq!(prelude.parts(), (&b""[..], &b"another"[..]));
    }

    #[test]
    fn it_is_bounded_in_length_and_in_number() {
        let mut prelude = Prelude::default();
        prelude.sent(&[b'x'; MOST], true);
        assert_eq!([(); 4].map(|()| prelude.again()), [true, true, true, false]);
        prelude.sent(b"x", false);
        assert_eq!(prelude.parts(), (&b""[..], &b""[..]));
    }
}
