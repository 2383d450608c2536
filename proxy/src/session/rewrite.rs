//! From the warning that a commit's wait for its replicas was given up, to the end of that answer: what PostgreSQL calls a
//! success is told as "not known" (08007), because the commit may not survive a failover.

use crate::wire::{Report, SqlState};
use bytes::BytesMut;

/// Rewrites one answer.
#[derive(Debug, Default)]
pub(super) struct Rewriter {
    held: Vec<u8>,
    told: bool,
}

impl Rewriter {
    /// Takes bytes of the server; puts what the client gets. Gives how many bytes at the end of
    /// the chunk follow the answer, once it has ended.
    pub(super) fn feed(&mut self, chunk: &[u8], out: &mut BytesMut) -> Option<usize> {
        self.held.extend_from_slice(chunk);
        let mut at = 0;
        while let Some(length) = whole(&self.held[at..]) {
            let message = &self.held[at..at + length];
            at += length;
            match message[0] {
                b'Z' => {
                    if !self.told {
                        unknown().put(out);
                    }
                    out.extend_from_slice(message);
                    return Some(self.held.len() - at);
                }
                b'C' if !self.told => {
                    unknown().put(out);
                    self.told = true;
                }
                b'E' => {
                    out.extend_from_slice(message);
                    self.told = true;
                }
                // What a server tells at any time is told still; results behind an error would confuse the client.
                b'N' | b'A' | b'S' => out.extend_from_slice(message),
                _ if self.told => {}
                _ => out.extend_from_slice(message),
            }
        }
        self.held.drain(..at);
        None
    }
}

/// The length of the first message, if it is there as a whole.
fn whole(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_be_bytes(bytes.get(1..5)?.try_into().ok()?) as usize + 1;
    (bytes.len() >= length).then_some(length.max(5))
}

fn unknown() -> Report {
    Report::error(
        SqlState::ResolutionUnknown,
        "the transaction was committed on the primary, but the wait for its replicas was given up",
    )
    .hint("Whether it outlives a failover is not known. Look for its effects before you repeat it.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Fields, begin};
    use bytes::BufMut;
    use rstest::rstest;

    fn stream(messages: &[(u8, &str)]) -> Vec<u8> {
        messages
            .iter()
            .flat_map(|(kind, body)| begin(*kind, |out| out.put_slice(body.as_bytes())).to_vec())
            .collect()
    }

    /// The kinds of messages that come out, with `!` for an 08007.
    fn kinds(mut bytes: &[u8]) -> String {
        let mut kinds = String::new();
        while let Some(length) = whole(bytes) {
            let unknown = bytes[0] == b'E' && Fields::parse(&bytes[5..length]).code == b"08007";
            kinds.push(if unknown { '!' } else { char::from(bytes[0]) });
            bytes = &bytes[length..];
        }
        kinds
    }

    #[rstest]
    #[case::a_commit(&[(b'C', "COMMIT\0"), (b'Z', "I")], "!Z")]
    #[case::after_sync(&[(b'Z', "I")], "!Z")]
    #[case::statements_behind_it(&[(b'C', "COMMIT\0"), (b'T', ""), (b'D', ""), (b'S', "a\0b\0"), (b'C', "SELECT 1\0"), (b'Z', "I")], "!SZ")]
    #[case::rows_of_a_procedure(&[(b'T', ""), (b'D', ""), (b'C', "CALL\0"), (b'Z', "I")], "TD!Z")]
    #[case::an_error_of_its_own(&[(b'E', "VERROR\0C22012\0\0"), (b'Z', "I")], "EZ")]
    fn an_answer(#[case] messages: &[(u8, &str)], #[case] expected: &str) {
        let mut bytes = stream(messages);
        bytes.extend(b"rest");
        for size in [1, 3, bytes.len()] {
            let mut rewriter = Rewriter::default();
            let mut out = BytesMut::new();
            let mut rest = Vec::new();
            let mut ended = false;
            for chunk in bytes.chunks(size) {
                if ended {
                    rest.extend_from_slice(chunk);
                } else if let Some(behind) = rewriter.feed(chunk, &mut out) {
                    ended = true;
                    rest.extend_from_slice(&chunk[chunk.len() - behind..]);
                }
            }
            assert_eq!(kinds(&out), expected);
            assert_eq!(rest, b"rest", "what follows the answer is untouched");
        }
    }
}
