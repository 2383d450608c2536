//! What a text of one or more statements leaves behind in its session, and what it does to its transaction.
//!
//! Guarantees: what is not understood leaves [`Trace::Unclear`] or [`Trace::Code`]. *Caveat*: only what the text itself calls by
//! name is seen. A trigger, a view or a column's default that sets a parameter for the session goes by unnoticed.

use super::super::belongings::Trace;
use super::functions::{is_harmless, is_harmless_of_catalog};
use super::tokens::{Token, Tokens};

/// What something that was sent can have done by the time its connection is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::session) enum Weight {
    /// Nothing beyond its session: it begins a transaction, or sets a parameter.
    Nothing,
    /// Nothing, if the server itself says that it came to nothing: all of it belongs to one transaction.
    Undone,
    /// Something, whatever the server says: it ends transactions, or runs outside of them.
    Lasting,
}

/// Something that is done to a session, beyond its transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::session) enum Act {
    /// A parameter is set or reset, by this statement.
    Set { key: Box<[u8]>, text: Box<[u8]> },
    /// All parameters are as they were at the beginning, but for the role.
    ResetAll,
    /// A channel is listened to, by this statement.
    Listen { channel: Box<[u8]>, text: Box<[u8]> },
    /// A channel is no longer listened to.
    Unlisten { channel: Box<[u8]> },
    /// No channel is.
    UnlistenAll,
    /// A statement gets a name, by this statement.
    Prepare { name: Box<[u8]>, text: Box<[u8]> },
    /// A name is forgotten.
    Deallocate { name: Box<[u8]> },
    /// All names are.
    DeallocateAll,
    /// The session is as new.
    DiscardAll,
    /// Of traces of this kind none is left.
    Wipe(Trace),
    /// Something stays that cannot be made anew.
    Leave(Trace),
}

impl Act {
    /// Whether it is undone when its transaction is.
    pub(in crate::session) fn is_transactional(&self) -> bool {
        match self {
            Self::Set { .. }
            | Self::ResetAll
            | Self::Listen { .. }
            | Self::Unlisten { .. }
            | Self::UnlistenAll
            | Self::Wipe(_)
            | Self::Leave(_) => true,
            Self::Prepare { .. } | Self::Deallocate { .. } | Self::DeallocateAll | Self::DiscardAll => false,
        }
    }
}

/// What was read out of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::session) struct Script {
    /// What it does to its session, in order.
    pub(in crate::session) acts: Vec<Act>,
    /// What it can have done when it is lost.
    pub(in crate::session) weight: Weight,
    /// It could end a transaction.
    pub(in crate::session) may_commit: bool,
    /// It is a COMMIT and nothing else.
    pub(in crate::session) commits_alone: bool,
}

/// Reads a text. Where `whole` is false its end is missing.
pub(in crate::session) fn read(text: &[u8], whole: bool) -> Script {
    let mut script =
        Script { acts: Vec::new(), weight: Weight::Nothing, may_commit: false, commits_alone: false };
    let mut tokens = Tokens::new(text);
    let mut line: Vec<Token<'_>> = Vec::with_capacity(32);
    let mut statements = 0;
    let mut from = 0;
    loop {
        let token = tokens.next();
        if let Some(token) = token
            && token != Token::Sign(b';')
        {
            if line.is_empty() {
                from = tokens.start();
            }
            line.push(token);
            continue;
        }
        if !line.is_empty() {
            statements += 1;
            let text = text[from..tokens.start()].trim_ascii_end();
            let weight = Statement { line: &line, text, acts: &mut script.acts }.read();
            script.weight = script.weight.max(weight);
            let commits = line[0].is("commit") || line[0].is("end");
            script.may_commit |=
                commits || (line[0].is("prepare") && line.get(1).is_some_and(|t| t.is("transaction")));
            script.commits_alone = statements == 1 && commits;
            line.clear();
        }
        if token.is_none() {
            break;
        }
    }
    if !whole || tokens.is_unclear() {
        script.acts.push(Act::Leave(Trace::Unclear));
        script.weight = Weight::Lasting;
        script.commits_alone = false;
        script.may_commit = true;
    }
    // What is not understood could do anything.
    script.may_commit |= script.acts.contains(&Act::Leave(Trace::Unclear));
    script
}

/// One statement of a script.
struct Statement<'a, 'b> {
    line: &'b [Token<'a>],
    text: &'a [u8],
    acts: &'b mut Vec<Act>,
}

impl Statement<'_, '_> {
    fn read(mut self) -> Weight {
        // A query may begin with parentheses.
        let first = self.line.iter().find(|t| **t != Token::Sign(b'(')).copied();
        let Some(Token::Word(first)) = first else { return self.unclear() };
        let first = first.to_ascii_lowercase();
        match first.as_slice() {
            b"begin" | b"start" => Weight::Nothing,
            b"rollback" | b"abort" if self.is(1, "prepared") => Weight::Lasting,
            b"rollback" | b"abort" | b"savepoint" | b"release" | b"lock" | b"notify" | b"show" | b"fetch"
            | b"move" => Weight::Undone,
            b"commit" | b"end" => Weight::Lasting,
            b"set" => self.set(),
            b"reset" => self.reset(),
            b"select" | b"insert" | b"update" | b"delete" | b"merge" | b"with" | b"values" | b"table"
            | b"explain" | b"execute" => self.calls(0),
            b"prepare" => self.prepare(),
            b"deallocate" => self.deallocate(),
            b"declare" => self.declare(),
            b"close" => {
                if self.is(1, "all") {
                    self.acts.push(Act::Wipe(Trace::Held));
                }
                Weight::Undone
            }
            b"listen" => self.listen(),
            b"unlisten" => self.unlisten(),
            b"discard" => self.discard(),
            b"create" | b"alter" | b"drop" | b"truncate" | b"comment" | b"grant" | b"revoke" | b"analyze"
            | b"vacuum" | b"cluster" | b"reindex" | b"refresh" | b"reassign" | b"import" | b"security"
            | b"checkpoint" | b"copy" => {
                // What they call is part of a definition, but for what a query in them calls.
                let query =
                    self.line.iter().position(|t| t.is("select") || t.is("values") || t.is("execute"));
                self.calls(query.unwrap_or(self.line.len())).max(Weight::Lasting)
            }
            b"call" | b"do" | b"load" => self.leave(Trace::Code),
            _ => self.unclear(),
        }
    }

    fn is(&self, at: usize, word: &str) -> bool {
        self.line.get(at).is_some_and(|token| token.is(word))
    }

    fn leave(&mut self, trace: Trace) -> Weight {
        self.acts.push(Act::Leave(trace));
        Weight::Lasting
    }

    fn unclear(&mut self) -> Weight {
        self.leave(Trace::Unclear)
    }

    /// Notes temporary tables anywhere, and what is called behind the token `from`.
    fn calls(&mut self, from: usize) -> Weight {
        let mut weight = Weight::Undone;
        for at in 0..self.line.len() {
            match self.line[at] {
                Token::Word(word) if self.is_temporary(at, word) => {
                    self.acts.push(Act::Leave(Trace::Temporary));
                }
                Token::Sign(b'(') if at > from => weight = weight.max(self.call(at)),
                Token::Word(_) | Token::Name(_) | Token::Text(_) | Token::Number | Token::Sign(_) => {}
            }
        }
        weight
    }

    fn is_temporary(&self, at: usize, word: &[u8]) -> bool {
        if word.eq_ignore_ascii_case(b"pg_temp") {
            return true;
        }
        let temporary = word.eq_ignore_ascii_case(b"temp") || word.eq_ignore_ascii_case(b"temporary");
        let made = ["create", "local", "global", "replace", "into"];
        temporary
            && at > 0
            && made.iter().any(|before| self.is(at - 1, before))
            && !(self.line.windows(3).any(|w| w[0].is("on") && w[1].is("commit") && w[2].is("drop")))
    }

    /// Looks at what stands before the parenthesis at `open`, if it is called.
    fn call(&mut self, open: usize) -> Weight {
        let (name, quoted) = match self.line[open - 1] {
            Token::Word(word) => (word, false),
            Token::Name(name) => (name, true),
            Token::Text(_) | Token::Number | Token::Sign(_) => return Weight::Nothing,
        };
        let mut start = open - 1;
        while start >= 2 && self.line[start - 1] == Token::Sign(b'.') {
            start -= 2;
        }
        // The statement's own word; a table, an alias or a query with a list of columns; a prepared statement.
        let named = ["into", "as", "with", "recursive", "table", "execute", "prepare"];
        if start == 0 || named.iter().any(|before| self.is(start - 1, before)) {
            return Weight::Nothing;
        }
        let qualified = start < open - 1;
        let catalog = start + 3 == open && self.line[start].is("pg_catalog");
        let lower = name.to_ascii_lowercase();
        if lower == b"set_config" && (!qualified || catalog) {
            return self.set_config(open);
        }
        if lower == b"currval" || lower == b"lastval" {
            self.acts.push(Act::Leave(Trace::Sequence));
        } else if lower.starts_with(b"pg_advisory_lock") || lower.starts_with(b"pg_try_advisory_lock") {
            self.acts.push(Act::Leave(Trace::Locks));
        } else if lower == b"pg_advisory_unlock_all" {
            self.acts.push(Act::Wipe(Trace::Locks));
        } else if !(if qualified {
            catalog && is_harmless_of_catalog(&lower)
        } else {
            !quoted && is_harmless(&lower)
        }) {
            return self.leave(Trace::Code);
        }
        Weight::Undone
    }

    /// `set_config(name, value, is_local)`: of the transaction alone; or of the session, by constants in a query of no table,
    /// which can be asked again; or by something that is not known.
    fn set_config(&mut self, open: usize) -> Weight {
        let arguments = &self.line[open + 1..];
        let comma = Token::Sign(b',');
        if let [Token::Text(name), first, Token::Text(_), second, local, Token::Sign(b')'), ..] = arguments
            && *first == comma
            && *second == comma
            && local.is("false")
            && self.is(0, "select")
            && !self.line.iter().any(|t| t.is("from"))
        {
            self.acts.push(Act::Set { key: name.to_ascii_lowercase().into(), text: self.text.into() });
            return Weight::Undone;
        }
        // Where the values are given apart, it is still of the transaction alone if it says so itself.
        let close = arguments.iter().position(|t| *t == Token::Sign(b')')).unwrap_or(0);
        let plain = !arguments[..close].contains(&Token::Sign(b'('));
        if plain && close > 0 && arguments[close - 1].is("true") {
            Weight::Undone
        } else {
            self.leave(Trace::Code)
        }
    }

    fn set(&mut self) -> Weight {
        let mut at = 1;
        if self.is(at, "local") || self.is(at, "transaction") || self.is(at, "constraints") {
            return Weight::Nothing;
        }
        if self.is(at, "session") && !self.is(at + 1, "characteristics") && !self.is(at + 1, "authorization")
        {
            at += 1;
        }
        self.parameter(at)
    }

    fn reset(&mut self) -> Weight {
        if self.is(1, "all") {
            self.acts.push(Act::ResetAll);
            return Weight::Nothing;
        }
        self.parameter(1)
    }

    /// Notes the parameter whose name begins at `at`. The statement itself is kept, and run again in its turn.
    fn parameter(&mut self, at: usize) -> Weight {
        let key = match &self.line[at.min(self.line.len())..] {
            [session, what, ..] if session.is("session") => [&b"session "[..], &bare(what)].concat(),
            [first, rest @ ..] => {
                let mut key = bare(first);
                for pair in rest.chunks_exact(2).take_while(|pair| pair[0] == Token::Sign(b'.')) {
                    key.push(b'.');
                    key.extend(bare(&pair[1]));
                }
                key
            }
            [] => return self.unclear(),
        };
        // The seed of the random numbers cannot be taken back to where it was.
        if key.is_empty() || key == b"seed" {
            return self.unclear();
        }
        self.acts.push(Act::Set { key: key.into(), text: self.text.into() });
        Weight::Nothing
    }

    fn prepare(&mut self) -> Weight {
        if self.is(1, "transaction") {
            return Weight::Lasting;
        }
        let Some(name) = self.name(1) else { return self.unclear() };
        let weight = self.calls(1);
        self.acts.push(Act::Prepare { name, text: self.text.into() });
        weight
    }

    fn deallocate(&mut self) -> Weight {
        let at = if self.is(1, "prepare") && self.line.len() > 2 { 2 } else { 1 };
        if self.is(at, "all") {
            self.acts.push(Act::DeallocateAll);
        } else if let Some(name) = self.name(at) {
            self.acts.push(Act::Deallocate { name });
        } else {
            return self.unclear();
        }
        Weight::Undone
    }

    fn declare(&mut self) -> Weight {
        if self.line.windows(2).any(|pair| pair[0].is("with") && pair[1].is("hold")) {
            self.acts.push(Act::Leave(Trace::Held));
        }
        self.calls(1)
    }

    fn listen(&mut self) -> Weight {
        let Some(channel) = self.name(1) else { return self.unclear() };
        self.acts.push(Act::Listen { channel, text: self.text.into() });
        Weight::Undone
    }

    fn unlisten(&mut self) -> Weight {
        if self.line.get(1) == Some(&Token::Sign(b'*')) {
            self.acts.push(Act::UnlistenAll);
        } else if let Some(channel) = self.name(1) {
            self.acts.push(Act::Unlisten { channel });
        } else {
            return self.unclear();
        }
        Weight::Undone
    }

    fn discard(&mut self) -> Weight {
        if self.is(1, "all") {
            self.acts.push(Act::DiscardAll);
        } else if self.is(1, "temp") || self.is(1, "temporary") {
            self.acts.push(Act::Wipe(Trace::Temporary));
        } else if self.is(1, "sequences") {
            self.acts.push(Act::Wipe(Trace::Sequence));
        }
        Weight::Lasting
    }

    fn name(&self, at: usize) -> Option<Box<[u8]>> {
        match self.line.get(at)? {
            token @ (Token::Word(_) | Token::Name(_)) => Some(bare(token).into()),
            Token::Text(_) | Token::Number | Token::Sign(_) => None,
        }
    }
}

/// A name as PostgreSQL keeps it; nothing for what is no name.
fn bare(token: &Token<'_>) -> Vec<u8> {
    match token {
        Token::Word(word) => word.to_ascii_lowercase(),
        Token::Name(name) => {
            let mut bare = Vec::with_capacity(name.len());
            let mut bytes = name.iter();
            while let Some(byte) = bytes.next() {
                bare.push(*byte);
                // A quote in a name is written twice.
                if *byte == b'"' {
                    bytes.next();
                }
            }
            bare
        }
        Token::Text(_) | Token::Number | Token::Sign(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
