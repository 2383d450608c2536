//! PostgreSQL's stderr as records.
//!
//! `log_destination = jsonlog` needs the logging collector, which writes files and would outlive its reader; so the log goes to
//! stderr with a prefix of control characters that no ordinary text has. PostgreSQL indents the further lines of a message by a
//! tab, and gives DETAIL, HINT, CONTEXT and STATEMENT a prefix of their own right behind the message they belong to.

use crate::logs::{LogLevel, LogRecord};

/// Begins each prefix.
const START: char = '\u{1e}';
/// Ends each field of the prefix.
const END: char = '\u{1f}';
/// The prefix as a value in a configuration file, which knows octal escapes. What a client chooses comes last, so that it can
/// never be taken for what the server says.
pub(super) const LINE_PREFIX: &str = r"\036%m\037%p\037%b\037%e\037%h\037%u\037%d\037%a\037";
/// The fields after the time, in the order of the prefix.
const FIELDS: [&str; 7] = ["pid", "backend", "sqlstate", "client", "user", "database", "application"];
/// The most that is kept of one line, in bytes: a statement may be a gigabyte, a log record must not be.
const LONGEST: usize = 256 * 1024;

/// Gathers lines into records.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    line: Vec<u8>,
    record: Option<LogRecord>,
    /// The part of the record that an indented line continues: its message, or one of its fields.
    part: Option<usize>,
}

impl Lines {
    /// Takes the next bytes; see [`crate::logs::LogParser::feed`].
    pub(crate) fn feed(&mut self, bytes: &[u8], paused: bool) -> Vec<LogRecord> {
        let mut done = Vec::new();
        for chunk in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match chunk.split_last() {
                Some((b'\n', text)) => (text, true),
                Some(_) | None => (chunk, false),
            };
            let room = LONGEST.saturating_sub(self.line.len()).min(text.len());
            self.line.extend_from_slice(text.get(..room).unwrap_or_default());
            if ended {
                let line = std::mem::take(&mut self.line);
                self.line(&String::from_utf8_lossy(&line), &mut done);
            }
        }
        if paused && self.line.is_empty() {
            done.extend(self.record.take());
        }
        done
    }

    /// The rest, at the end of the output.
    pub(crate) fn finish(&mut self) -> Vec<LogRecord> {
        let mut done = Vec::new();
        if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.line(&String::from_utf8_lossy(&line), &mut done);
        }
        done.extend(self.record.take());
        done
    }

    fn line(&mut self, line: &str, done: &mut Vec<LogRecord>) {
        if let Some(rest) = line.strip_prefix('\t')
            && let Some(record) = &mut self.record
        {
            let text = match self.part.and_then(|index| record.fields.get_mut(index)) {
                Some((_, value)) => value,
                None => &mut record.message,
            };
            if text.len() < LONGEST {
                text.push('\n');
                text.push_str(rest);
            }
            return;
        }
        let Some((time, fields, text)) = prefixed(line) else {
            done.extend(self.record.take());
            if !line.trim().is_empty() {
                done.push(LogRecord {
                    time: None,
                    level: LogLevel::Info,
                    message: line.to_owned(),
                    fields: Vec::new(),
                });
            }
            return;
        };
        let (word, text) = text.split_once(":  ").unwrap_or(("LOG", text));
        if let Some(name) = addition(word)
            && let Some(record) = &mut self.record
            && pid(&record.fields) == pid(&fields)
        {
            self.part = Some(record.fields.len());
            record.fields.push((name, text.to_owned()));
            return;
        }
        done.extend(self.record.take());
        self.part = None;
        self.record = Some(LogRecord { time, level: level(word), message: text.to_owned(), fields });
    }
}

fn pid<'a>(fields: &'a [(&'static str, String)]) -> Option<&'a str> {
    fields.iter().find(|(name, _)| *name == "pid").map(|(_, value)| value.as_str())
}

/// What the prefix says, by name.
type Fields = Vec<(&'static str, String)>;

/// Time, fields and the rest of a line that begins with our prefix.
fn prefixed(line: &str) -> Option<(Option<String>, Fields, &str)> {
    let mut parts = line.strip_prefix(START)?.splitn(FIELDS.len() + 2, END);
    let time = parts.next()?;
    let mut fields = Vec::new();
    for name in FIELDS {
        let value = parts.next()?;
        if !matches!(value, "" | "[unknown]" | "00000") {
            fields.push((name, value.to_owned()));
        }
    }
    Some((rfc3339(time), fields, parts.next()?))
}

/// `2026-11-21 15:48:20.123 UTC` as RFC 3339; the adapter sets the zone of the log to UTC.
fn rfc3339(time: &str) -> Option<String> {
    let (date, time) = time.strip_suffix(" UTC")?.split_once(' ')?;
    Some(format!("{date}T{time}Z"))
}

/// The field that a line adds to the message before it.
fn addition(word: &str) -> Option<&'static str> {
    Some(match word {
        "DETAIL" => "detail",
        "HINT" => "hint",
        "CONTEXT" => "context",
        "QUERY" => "query",
        "STATEMENT" => "statement",
        "LOCATION" => "location",
        "BACKTRACE" => "backtrace",
        _ => return None,
    })
}

fn level(word: &str) -> LogLevel {
    match word {
        "DEBUG" | "DEBUG1" | "DEBUG2" | "DEBUG3" | "DEBUG4" | "DEBUG5" => LogLevel::Debug,
        "WARNING" => LogLevel::Warn,
        "ERROR" | "FATAL" | "PANIC" => LogLevel::Error,
        _ => LogLevel::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(pid: u32, user: &str, text: &str) -> String {
        format!(
            "\u{1e}2026-11-21 15:48:20.123 UTC\u{1f}{pid}\u{1f}client backend\u{1f}42601\u{1f}[local]\u{1f}{user}\u{1f}app\u{1f}psql\u{1f}{text}\n"
        )
    }

    fn field<'a>(record: &'a LogRecord, name: &str) -> Option<&'a str> {
        record.fields.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_message_takes_its_statement_and_its_further_lines_along() {
        let mut lines = Lines::default();
        let text = line(7, "ann", "ERROR:  syntax error") + &line(7, "ann", "STATEMENT:  select\n\tfrom x");
        let records = lines.feed(text.as_bytes(), true);
        assert_eq!(records.len(), 1, "{records:?}");
        assert_eq!(records[0].level, LogLevel::Error);
        assert_eq!(records[0].time.as_deref(), Some("2026-11-21T15:48:20.123Z"));
        assert_eq!(records[0].message, "syntax error");
        assert_eq!(field(&records[0], "statement"), Some("select\nfrom x"));
        assert_eq!(field(&records[0], "user"), Some("ann"));
        assert_eq!(field(&records[0], "sqlstate"), Some("42601"));
    }

    #[test]
    fn nothing_is_given_out_before_it_is_whole() {
        let mut lines = Lines::default();
        let text = line(7, "ann", "LOG:  first\n\tsecond") + &line(8, "bob", "LOG:  other");
        let mut records = Vec::new();
        for byte in text.as_bytes() {
            records.extend(lines.feed(&[*byte], false));
        }
        assert_eq!(records.len(), 1, "the second may still grow: {records:?}");
        assert_eq!(records[0].message, "first\nsecond");
        assert_eq!(lines.feed(&[], true).len(), 1);
    }

    #[test]
    fn a_detail_of_another_process_is_not_taken_along() {
        let mut lines = Lines::default();
        let text = line(7, "ann", "ERROR:  a") + &line(8, "bob", "DETAIL:  b");
        let records = lines.feed(text.as_bytes(), true);
        assert_eq!(records.len(), 2);
        assert_eq!(field(&records[0], "detail"), None);
    }

    #[test]
    fn a_user_that_is_called_like_a_prefix_changes_no_field_before_it() {
        let mut lines = Lines::default();
        let records = lines.feed(line(7, "x\u{1f}y\u{1f}z", "FATAL:  no").as_bytes(), true);
        assert_eq!(field(&records[0], "pid"), Some("7"));
        assert_eq!(field(&records[0], "client"), Some("[local]"));
    }

    #[test]
    fn what_has_no_prefix_is_passed_on_as_it_is() {
        let mut lines = Lines::default();
        let records = lines.feed(b"sh: 1: archive: not found\n\n", true);
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].message, "sh: 1: archive: not found");
        assert_eq!(lines.feed(b"no end", true), vec![]);
        assert_eq!(lines.finish().len(), 1);
    }

    #[test]
    fn an_endless_line_does_not_take_endless_memory() {
        let mut lines = Lines::default();
        for _ in 0..64 {
            lines.feed(&vec![b'x'; 64 * 1024], false);
        }
        assert!(lines.finish()[0].message.len() <= LONGEST);
    }
}
