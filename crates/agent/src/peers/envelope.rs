//! How a message travels: one JSON object a line, with the version of its writer and who speaks around it.
//!
//! Agents of a cluster are replaced one by one, so that two versions that follow each other must be able to speak. A message that this version
//! does not know is passed over, as if it had been lost; what is no envelope at all is an error.

use berth_core::election::Message;
use berth_core::topology::Identity;
use serde::{Deserialize, Serialize};

/// The version that is written. It grows when a message changes in a way that a reader of the version before would misread; new messages and new
/// fields need none, because they are passed over.
pub const VERSION: u16 = 1;

/// The longest line that is read, in bytes. The longest message, a pledge with its holding, is below one KiB.
pub const LONGEST_LINE: usize = 8 * 1024;

#[derive(Serialize)]
struct Outgoing<'a> {
    version: u16,
    from: &'a Identity,
    message: &'a Message,
}

/// Only what must be known before the rest may be read.
#[derive(Deserialize)]
struct Outside {
    version: u16,
}

#[derive(Deserialize)]
struct Incoming {
    from: Identity,
    message: serde_json::Value,
}

/// A line that was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Somebody says something.
    Said {
        /// Who, by its own word.
        from: Identity,
        /// What.
        message: Message,
    },
    /// Somebody says something that only other versions understand.
    Unknown {
        /// Why it is not understood.
        reason: String,
    },
}

/// The line that carries a message, its end included.
pub fn write(from: &Identity, message: &Message) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Outgoing { version: VERSION, from, message }).map(|line| line + "\n")
}

/// What a line says.
pub fn read(line: &str) -> Result<Line, serde_json::Error> {
    let Outside { version } = serde_json::from_str(line)?;
    if version.abs_diff(VERSION) > 1 {
        let reason = format!("it has version {version}, and this agent understands those next to {VERSION}");
        return Ok(Line::Unknown { reason });
    }
    let Incoming { from, message } = serde_json::from_str(line)?;
    Ok(match serde_json::from_value(message) {
        Ok(message) => Line::Said { from, message },
        Err(error) => Line::Unknown { reason: error.to_string() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_core::database::LogEnd;
    use berth_core::disk::Space;
    use berth_core::election::{Holding, Log, Moment};
    use berth_core::{ClaimUid, LogPosition, MemberId, Term, Timeline};
    use serde_json::{Value, json};
    use std::time::Duration;

    fn from() -> Identity {
        Identity { member: MemberId::new("orders-aaaaa").unwrap(), claim: ClaimUid::new("claim-a").unwrap() }
    }

    fn messages() -> Vec<Message> {
        let (term, at) = (Term(7), Moment::at(Duration::new(5, 999_999_999)));
        let end = LogEnd { timeline: Timeline(3), position: LogPosition(0x300_0028) };
        let logs = [Log::Nothing, Log::Ends { term, end }, Log::Closed { term, at: end }, Log::Open { term }];
        let pledges = logs.into_iter().map(|log| {
            let holding = Holding {
                log,
                granted: Duration::from_millis(1),
                system: Some("1".repeat(20)),
                space: Space::Full,
            };
            Message::Pledged { term, holding }
        });
        [
            Message::Beat { term, at },
            Message::Grant { term, at },
            Message::Gone { term },
            Message::Ask { term },
            Message::Would { term, yes: true },
            Message::Recruit { term },
        ]
        .into_iter()
        .chain(pledges)
        .collect()
    }

    fn changed(change: impl FnOnce(&mut Value)) -> Result<Line, serde_json::Error> {
        let line = write(&from(), &Message::Gone { term: Term(7) }).unwrap();
        let mut value: Value = serde_json::from_str(&line).unwrap();
        change(&mut value);
        read(&value.to_string())
    }

    #[test]
    fn what_is_written_is_read_in_one_short_line() {
        for message in messages() {
            let line = write(&from(), &message).unwrap();
            assert!(line.len() < 1024 && line.ends_with('\n') && line.matches('\n').count() == 1, "{line}");
            assert_eq!(read(&line).unwrap(), Line::Said { from: from(), message });
        }
    }

    #[test]
    fn the_versions_next_to_ours_are_understood_and_unknown_fields_are_passed_over() {
        let said = Line::Said { from: from(), message: Message::Gone { term: Term(7) } };
        for version in [VERSION - 1, VERSION, VERSION + 1] {
            assert_eq!(changed(|line| line["version"] = json!(version)).unwrap(), said);
        }
        assert_eq!(changed(|line| line["later"] = json!({"a": [1]})).unwrap(), said);
        assert_eq!(changed(|line| line["message"]["gone"]["later"] = json!(1)).unwrap(), said);
    }

    #[test]
    fn messages_and_envelopes_of_other_versions_are_passed_over() {
        let unknown = [
            changed(|line| line["version"] = json!(VERSION + 2)),
            changed(|line| *line = json!({"version": VERSION + 2, "speaker": 1})),
            changed(|line| line["message"] = json!({"applaud": {"term": 7}})),
            changed(|line| line["message"] = json!({"gone": {"era": 7}})),
            changed(|line| line["message"] = json!(null)),
        ];
        for line in unknown {
            assert!(matches!(line, Ok(Line::Unknown { .. })), "{line:?}");
        }
    }

    #[test]
    fn what_is_no_envelope_is_an_error() {
        for line in
            ["", "null", "[]", "GET / HTTP/1.1", "{\"version\":1", "{\"version\":-1}", "{\"version\":1}"]
        {
            assert!(read(line).is_err(), "{line:?}");
        }
        assert!(changed(|line| line["from"]["member"] = json!("../orders")).is_err());
        assert!(changed(|line| line["from"] = json!("orders-aaaaa")).is_err());
        assert!(read(&"[".repeat(LONGEST_LINE)).is_err(), "and depth costs no stack");
    }
}
