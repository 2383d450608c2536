//! From the server to the client: what passes as it came, what is withheld because it is meant for the proxy, and what is told
//! in other words.
//!
//! Errors and notices go on only as a whole, for what they say decides. All else is forwarded as it comes.

use super::full::full_disk;
use super::rewrite::Rewriter;
use super::tracker::{Heard, Tracker};
use crate::wire::{FramingError, HEADER, Sighting};
use berth_core::MemberId;
use bytes::{Bytes, BytesMut};
use std::ops::ControlFlow;

/// What the client gets of a chunk.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sifted {
    /// All of it, as it came.
    Whole,
    /// This instead.
    Instead(BytesMut),
}

/// What the server said last, as the whole message. The client has not been told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Words {
    /// It ends the session.
    Farewell(Bytes),
    /// It is a standby, and what was asked of it was refused.
    Standby(Bytes),
}

/// Sifts one direction.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    /// The beginning of an error or a notice.
    held: Vec<u8>,
    rewriter: Option<Box<Rewriter>>,
    /// The client has been told that the server ends the session.
    told_the_end: bool,
    /// The primary whose volume is full, by its route: why it refuses what writes.
    full: Option<MemberId>,
}

/// Where a chunk was stopped at, and why.
enum Stop {
    Abandoned(usize),
    Words(Words),
}

impl Sieve {
    /// The client has been told that the server ends the session, so that there is nothing more to say.
    pub(super) fn told_the_end(&self) -> bool {
        self.told_the_end
    }

    /// The route says whose volume is full, or that none is.
    pub(super) fn is_full(&mut self, full: Option<MemberId>) {
        self.full = full;
    }

    /// Sifts a chunk. With words nothing more is to be read.
    pub(super) fn sift(
        &mut self,
        tracker: &mut Tracker,
        chunk: &[u8],
    ) -> Result<(Sifted, Option<Words>), FramingError> {
        let mut out = None;
        let mut rest = chunk;
        loop {
            if let Some(rewriter) = &mut self.rewriter {
                let out = out.get_or_insert_default();
                let behind = rewriter.feed(rest, out);
                let (answer, next) = rest.split_at(rest.len() - behind.unwrap_or(0));
                tracker.server(answer, |heard, _, _| {
                    self.told_the_end |= heard == Heard::Farewell;
                    ControlFlow::Continue(())
                })?;
                if behind.is_none() {
                    break;
                }
                self.rewriter = None;
                rest = next;
            }
            match self.pass(tracker, rest, &mut out)? {
                None => break,
                Some(Stop::Words(words)) => {
                    return Ok((Sifted::Instead(out.unwrap_or_default()), Some(words)));
                }
                Some(Stop::Abandoned(at)) => {
                    self.rewriter = Some(Box::default());
                    rest = &rest[at..];
                }
            }
        }
        Ok((out.map_or(Sifted::Whole, Sifted::Instead), None))
    }

    /// Passes on what may be. Leaves `out` as it is where that is everything and nothing was put before.
    fn pass(
        &mut self,
        tracker: &mut Tracker,
        chunk: &[u8],
        out: &mut Option<BytesMut>,
    ) -> Result<Option<Stop>, FramingError> {
        let held = &mut self.held;
        let mut from = 0;
        // Where the answer begins that is not given in full, if it begins in this chunk.
        let mut begins = None;
        let mut taken_back = false;
        let mut stop = None;
        tracker.server(chunk, |heard, unsettled, Sighting { prefix, whole, end, .. }| {
            let start = end.saturating_sub(HEADER + prefix.len());
            match unsettled {
                None | Some(0) => begins = None,
                Some(1) => begins = begins.or(Some(start)),
                Some(_) => {}
            }
            let withheld = std::mem::take(held);
            let full = self.full.as_ref().filter(|_| heard == Heard::ReadOnly && whole);
            if let Some(member) = full {
                let out = out.get_or_insert_default();
                out.extend_from_slice(&chunk[from..start]);
                full_disk(member).put(out);
                from = end;
                return ControlFlow::Continue(());
            }
            if matches!(heard, Heard::Nothing | Heard::ReadOnly) || !whole {
                if !withheld.is_empty() {
                    out.get_or_insert_default().extend_from_slice(&withheld);
                }
                return ControlFlow::Continue(());
            }
            if heard == Heard::Abandoned {
                let out = out.get_or_insert_default();
                out.extend_from_slice(&withheld);
                out.extend_from_slice(&chunk[from..end]);
                stop = Some(Stop::Abandoned(end));
                return ControlFlow::Break(());
            }
            let words = || [&withheld[..], &chunk[start..end]].concat().into();
            stop = match heard {
                Heard::Farewell => Some(Stop::Words(Words::Farewell(words()))),
                Heard::Standby => Some(Stop::Words(Words::Standby(words()))),
                Heard::Dying | Heard::Nothing | Heard::Abandoned | Heard::ReadOnly => None,
            };
            // What goes before an answer that is refused in the same breath is not told either: the answer may be given yet.
            let to = begins.filter(|at| stop.is_some() && *at >= from);
            out.get_or_insert_default().extend_from_slice(&chunk[from..to.unwrap_or(start)]);
            from = end;
            if stop.is_none() {
                return ControlFlow::Continue(());
            }
            taken_back = to.is_some();
            ControlFlow::Break(())
        })?;
        if taken_back {
            tracker.take_back();
        }
        if stop.is_some() {
            return Ok(stop);
        }
        // The beginning of a message that is not there as a whole.
        let to = chunk.len() - tracker.withheld().min(chunk.len());
        held.extend_from_slice(&chunk[to..]);
        if let Some(out) = out {
            out.extend_from_slice(&chunk[from..to]);
        } else if to < chunk.len() {
            *out = Some(BytesMut::from(&chunk[from..to]));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
