//! What a session has at its server beyond an open transaction: what can be made anew at another server, and the traces of what
//! cannot.
//!
//! It is learnt from what passes by, once the server has said that it happened; the server is never asked. Where the proxy is
//! not sure, the session keeps a trace and is not moved.

mod prepared;
mod traces;

pub(super) use prepared::Prepared;
pub(crate) use prepared::Statements;
pub(super) use traces::{Trace, Traces};

use super::sql::Act;
use crate::wire::frame;
use bytes::{BufMut, BytesMut};
use std::collections::HashMap;
use std::sync::Arc;

/// How long a statement without a name may be to be kept: most are run in the same breath and never again, and an idle session
/// shall not hold a long one for nothing.
const MOST_UNNAMED: usize = 4096;
/// How much of statements and parameters is kept of one session. Far above what drivers keep prepared (a few hundred
/// statements); what sessions have in common is kept once for all of them.
const MOST: usize = 256 * 1024;

type Text = Box<[u8]>;

/// A statement that has a name, by the protocol or by `PREPARE`.
#[derive(Debug)]
enum Named {
    Parsed(Arc<Prepared>),
    Script(Text),
}

/// The statement without a name.
#[derive(Debug, Default)]
enum Unnamed {
    #[default]
    None,
    Kept(Arc<Prepared>),
    /// It was too long to be kept.
    Lost,
}

/// What a session has at its server.
#[derive(Debug, Default)]
pub(super) struct Belongings {
    /// Names of parameters and the statements that set them, the one run last at the end.
    settings: Vec<(Text, Text)>,
    /// Channels and the statements that listen to them.
    channels: Vec<(Text, Text)>,
    named: HashMap<Text, Named>,
    unnamed: Unnamed,
    traces: Traces,
    /// About how many bytes are kept.
    kept: usize,
}

impl Belongings {
    /// Why the session cannot be moved; empty if it can.
    pub(super) fn traces(&self) -> Traces {
        let mut traces = self.traces;
        if matches!(self.unnamed, Unnamed::Lost) {
            traces.add(Trace::TooMuch);
        }
        traces
    }

    /// Notes a trace.
    pub(super) fn leave(&mut self, trace: Trace) {
        self.traces.add(trace);
    }

    /// Whether notifications may come at any time.
    pub(super) fn listens(&self) -> bool {
        !self.channels.is_empty()
    }

    /// The statement of this name, if it came by the protocol and is known.
    pub(super) fn prepared(&self, name: &[u8]) -> Option<&Arc<Prepared>> {
        match (name, &self.unnamed, self.named.get(name)) {
            ([], Unnamed::Kept(prepared), _) | ([_, ..], _, Some(Named::Parsed(prepared))) => Some(prepared),
            (
                _,
                Unnamed::None | Unnamed::Kept(_) | Unnamed::Lost,
                Some(Named::Parsed(_) | Named::Script(_)) | None,
            ) => None,
        }
    }

    /// A statement was prepared by the protocol.
    pub(super) fn put(&mut self, name: &[u8], prepared: Arc<Prepared>) {
        if !name.is_empty() {
            if !prepared.is_kept() {
                self.leave(Trace::TooMuch);
            }
            self.insert(name.into(), Named::Parsed(prepared));
        } else if prepared.is_kept() && prepared.length() <= MOST_UNNAMED {
            self.unnamed = Unnamed::Kept(prepared);
        } else {
            self.unnamed = Unnamed::Lost;
        }
    }

    fn insert(&mut self, name: Text, named: Named) {
        self.remove(&name);
        self.kept += name.len() + named.length();
        self.named.insert(name, named);
        self.bound();
    }

    /// A statement was closed.
    pub(super) fn remove(&mut self, name: &[u8]) {
        if name.is_empty() {
            self.forget_unnamed();
        } else if let Some(named) = self.named.remove(name) {
            self.kept = self.kept.saturating_sub(name.len() + named.length());
        }
    }

    /// A simple query ran, which forgets the statement without a name.
    pub(super) fn forget_unnamed(&mut self) {
        self.unnamed = Unnamed::None;
    }

    /// Something was done.
    pub(super) fn apply(&mut self, act: Act) {
        match act {
            Act::Set { key, text } => {
                drop_key(&mut self.settings, &key, &mut self.kept);
                self.kept += key.len() + text.len();
                self.settings.push((key, text));
                self.bound();
            }
            Act::ResetAll => {
                self.settings.retain(|(key, _)| matches!(&**key, b"role" | b"session authorization"));
                self.recount();
            }
            Act::Listen { channel, text } => {
                drop_key(&mut self.channels, &channel, &mut self.kept);
                self.kept += channel.len() + text.len();
                self.channels.push((channel, text));
                self.bound();
            }
            Act::Unlisten { channel } => drop_key(&mut self.channels, &channel, &mut self.kept),
            Act::UnlistenAll => {
                self.channels = Vec::new();
                self.recount();
            }
            Act::Prepare { name, text } => self.insert(name, Named::Script(text)),
            Act::Deallocate { name } => self.remove(&name),
            Act::DeallocateAll => {
                self.named = HashMap::new();
                self.recount();
            }
            Act::DiscardAll => {
                let replication = self.traces.has(Trace::Replication);
                *self = Self::default();
                if replication {
                    self.leave(Trace::Replication);
                }
            }
            Act::Wipe(trace) => self.traces.wipe(trace),
            Act::Leave(trace) => self.traces.add(trace),
        }
    }

    fn recount(&mut self) {
        let pairs = self.settings.iter().chain(&self.channels).map(|(key, text)| key.len() + text.len());
        let named = self.named.iter().map(|(name, named)| name.len() + named.length());
        self.kept = pairs.chain(named).sum();
    }

    /// Gives up keeping what is too much.
    fn bound(&mut self) {
        if self.kept > MOST {
            self.settings = Vec::new();
            self.channels = Vec::new();
            self.named = HashMap::new();
            self.kept = 0;
            self.traces.add(Trace::TooMuch);
        }
    }

    /// Puts the messages that make it all anew; says how many `ReadyForQuery` answer them.
    pub(super) fn replay(&self, out: &mut BytesMut) -> usize {
        let scripts = self.named.values().filter_map(|named| match named {
            Named::Script(text) => Some(text),
            Named::Parsed(_) => None,
        });
        let statements = self.settings.iter().map(|(_, text)| text).chain(scripts);
        let mut answers = 0;
        for text in statements.chain(self.channels.iter().map(|(_, text)| text)) {
            frame(out, b'Q', |out| {
                out.put_slice(text);
                out.put_u8(0);
            });
            answers += 1;
        }
        let named = self.named.iter().filter_map(|(name, named)| match named {
            Named::Parsed(prepared) => Some((&**name, prepared)),
            Named::Script(_) => None,
        });
        // The one without a name comes last: a simple query would forget it.
        let mut parsed = false;
        let unnamed = match &self.unnamed {
            Unnamed::Kept(prepared) => Some((&b""[..], prepared)),
            Unnamed::None | Unnamed::Lost => None,
        };
        for (name, prepared) in named.chain(unnamed) {
            frame(out, b'P', |out| {
                out.put_slice(name);
                out.put_u8(0);
                out.put_slice(prepared.body());
            });
            parsed = true;
        }
        if parsed {
            frame(out, b'S', |_| {});
            answers += 1;
        }
        answers
    }
}

impl Named {
    fn length(&self) -> usize {
        match self {
            Self::Parsed(prepared) => prepared.length(),
            Self::Script(text) => text.len(),
        }
    }
}

fn drop_key(entries: &mut Vec<(Text, Text)>, key: &[u8], kept: &mut usize) {
    if let Some(at) = entries.iter().position(|(known, _)| **known == *key) {
        let (key, text) = entries.remove(at);
        *kept = kept.saturating_sub(key.len() + text.len());
    }
}

#[cfg(test)]
mod tests;
