//! Finds the borders between messages in a stream that is forwarded as it comes, and shows the beginnings of those messages
//! that somebody wants to see.
//!
//! It copies nothing but what is split between two reads, so that a row of any size passes with flat memory.

use std::ops::ControlFlow;

/// A message that went by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting<'a> {
    /// Its type.
    pub kind: u8,
    /// The beginning of its body, as long as was wanted or as the body is.
    pub prefix: &'a [u8],
    /// Whether `prefix` is the whole body.
    pub whole: bool,
    /// Where in the chunk the prefix ends.
    pub end: usize,
}

/// The stream is not the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// A type that does not exist here. A second startup message shows as type 0.
    #[error("a message of type {0} that does not exist here")]
    Kind(u8),
    /// A length that cannot be.
    #[error("a message with the impossible length {0}")]
    Length(u32),
}

/// The most that PostgreSQL accepts in one message, and makes (`PQ_LARGE_MESSAGE_LIMIT`).
const LONGEST: u32 = 0x3fff_ffff;
/// What stands before the body of each message: its type and its length.
pub const HEADER: usize = 5;

/// Where in the stream we are.
#[derive(Debug, Default)]
pub struct Framing {
    header: [u8; HEADER],
    have: usize,
    /// Bytes of the body that are still to come.
    left: usize,
    /// How long the prefix shall be.
    wanted: usize,
    shown: bool,
    /// What came of the prefix in earlier reads.
    prefix: Vec<u8>,
}

impl Framing {
    /// Whether the stream is between two messages: the only place where a message of our own may go.
    pub fn at_border(&self) -> bool {
        self.have == 0
    }

    /// A message that has begun and was not shown yet: its type, and how many bytes of it have come.
    pub fn unseen(&self) -> Option<(u8, usize)> {
        let begun = self.have > 0 && (self.have < HEADER || !self.shown);
        begun.then(|| (self.header[0], self.have + self.prefix.len()))
    }

    /// Follows a chunk. `wanted` says how much of a message of a type shall be shown, or none if there is no such type;
    /// `seen` is shown each message once and may stop. Gives how much of the chunk was followed.
    pub fn feed(
        &mut self,
        chunk: &[u8],
        wanted: fn(u8) -> Option<usize>,
        mut seen: impl FnMut(Sighting<'_>) -> ControlFlow<()>,
    ) -> Result<usize, FramingError> {
        let mut at = 0;
        while at < chunk.len() {
            if self.have < HEADER {
                let take = (HEADER - self.have).min(chunk.len() - at);
                self.header[self.have..self.have + take].copy_from_slice(&chunk[at..at + take]);
                self.have += take;
                at += take;
                if self.have < HEADER {
                    break;
                }
                self.open(wanted)?;
            }
            let rest = &chunk[at..];
            if self.shown {
                let skip = self.left.min(rest.len());
                self.left -= skip;
                at += skip;
                self.close();
                continue;
            }
            let need = self.wanted - self.prefix.len();
            if rest.len() < need {
                self.prefix.extend_from_slice(rest);
                self.left -= rest.len();
                at = chunk.len();
                break;
            }
            self.left -= need;
            at += need;
            self.shown = true;
            // Copied only where an earlier read brought a part of it.
            let earlier = std::mem::take(&mut self.prefix);
            let joined = if earlier.is_empty() { None } else { Some([&earlier, &rest[..need]].concat()) };
            let prefix = joined.as_deref().unwrap_or(&rest[..need]);
            let flow = seen(Sighting { kind: self.header[0], prefix, whole: self.left == 0, end: at });
            self.close();
            if flow.is_break() {
                break;
            }
        }
        Ok(at)
    }

    fn open(&mut self, wanted: fn(u8) -> Option<usize>) -> Result<(), FramingError> {
        let [kind, a, b, c, d] = self.header;
        let length = u32::from_be_bytes([a, b, c, d]);
        let wanted = wanted(kind).ok_or(FramingError::Kind(kind))?;
        if !(4..=LONGEST).contains(&length) {
            return Err(FramingError::Length(length));
        }
        self.left = length as usize - 4;
        self.wanted = wanted.min(self.left);
        self.shown = false;
        Ok(())
    }

    fn close(&mut self) {
        if self.left == 0 {
            self.have = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn wanted(kind: u8) -> Option<usize> {
        match kind {
            b'Z' => Some(1),
            b'N' => Some(64),
            b'D' | b'C' => Some(0),
            _ => None,
        }
    }

    const STREAM: &[u8] = b"D\0\0\0\x07abcC\0\0\0\x04N\0\0\0\x08noteZ\0\0\0\x05I";

    fn follow(stream: &[u8], cuts: &[usize]) -> Vec<(u8, Vec<u8>, bool)> {
        let mut framing = Framing::default();
        let mut seen = Vec::new();
        let mut from = 0;
        for cut in cuts.iter().copied().chain([stream.len()]) {
            let chunk = &stream[from..cut];
            let followed = framing
                .feed(chunk, wanted, |s| {
                    seen.push((s.kind, s.prefix.to_vec(), s.whole));
                    ControlFlow::Continue(())
                })
                .unwrap();
            assert_eq!(followed, chunk.len());
            from = cut;
        }
        assert!(framing.at_border());
        seen
    }

    fn expected() -> Vec<(u8, Vec<u8>, bool)> {
        vec![
            (b'D', vec![], false),
            (b'C', vec![], true),
            (b'N', b"note".to_vec(), true),
            (b'Z', b"I".to_vec(), true),
        ]
    }

    #[test]
    fn single_bytes_show_the_same_as_one_chunk() {
        assert_eq!(follow(STREAM, &[]), expected());
        assert_eq!(follow(STREAM, &(1..STREAM.len()).collect::<Vec<_>>()), expected());
    }

    #[test]
    fn it_stops_right_behind_the_message_that_was_waited_for() {
        let mut framing = Framing::default();
        let stop = |s: Sighting<'_>| {
            if s.kind == b'N' { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let followed = framing.feed(STREAM, wanted, stop).unwrap();
        assert_eq!(STREAM[followed], b'Z');
        assert!(framing.at_border());
    }

    #[test]
    fn what_has_begun_and_was_not_shown_is_known() {
        let mut framing = Framing::default();
        let mut unseen = Vec::new();
        for byte in b"N\0\0\0\x06abD\0\0\0\x05a" {
            framing.feed(&[*byte], wanted, |_| ControlFlow::Continue(())).unwrap();
            unseen.push(framing.unseen().map(|(kind, bytes)| (char::from(kind), bytes)));
        }
        let notice = [1, 2, 3, 4, 5, 6].map(|bytes| Some(('N', bytes)));
        let row = [1, 2, 3, 4].map(|bytes| Some(('D', bytes)));
        assert_eq!(unseen, [&notice[..], &[None], &row, &[None, None]].concat());
    }

    #[rstest]
    #[case::a_second_startup(b"\0\0\0\x08\0\x03\0\0", FramingError::Kind(0))]
    #[case::too_short(b"Z\0\0\0\x03", FramingError::Length(3))]
    #[case::too_long(b"D\x7f\0\0\0", FramingError::Length(0x7f00_0000))]
    fn is_refused(#[case] stream: &[u8], #[case] error: FramingError) {
        let refused = Framing::default().feed(stream, wanted, |_| ControlFlow::Continue(()));
        assert_eq!(refused, Err(error));
    }

    proptest! {
        #[test]
        fn where_it_is_cut_does_not_matter(mut cuts in proptest::collection::vec(0..STREAM.len(), 0..6)) {
            cuts.sort_unstable();
            prop_assert_eq!(follow(STREAM, &cuts), expected());
        }

        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Framing::default().feed(&bytes, wanted, |_| ControlFlow::Continue(()));
        }
    }
}
