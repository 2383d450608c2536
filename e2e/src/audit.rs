//! The API server's audit log: what was really asked of it, by whom and when.

use crate::wait;
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::time::Duration;

/// A moment in microseconds since the epoch, as the audit log and Berth's own logs tell it on one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// Reads an RFC 3339 time in UTC with a fraction of a second.
    pub fn parse(text: &str) -> Result<Self> {
        let time: jiff::Timestamp = text.parse().with_context(|| format!("{text:?} is no RFC 3339 time"))?;
        Ok(Self(u64::try_from(time.as_microsecond()).context("a time before 1970")?))
    }

    /// How far two moments are apart.
    pub fn abs_diff(self, other: Self) -> Duration {
        Duration::from_micros(self.0.abs_diff(other.0))
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} µs", self.0)
    }
}

/// One creation that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creation {
    /// The object's name.
    pub name: String,
    /// When the API server received the request.
    pub at: Moment,
}

/// Every audited request, oldest first.
pub fn requests() -> Result<Vec<Value>> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a story takes the same environment as a person's shell; there is no clap here"
    )]
    let path = std::env::var("BERTH_AUDIT_LOG")
        .context("BERTH_AUDIT_LOG is not set; run the stories by `make test`")?;
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // The last line may be half written.
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// The successful creations of a kind in a namespace, by create or by server-side apply (which is a patch answered with 201).
pub fn creations(namespace: &str, resource: &str) -> Result<Vec<Creation>> {
    // The log is written behind the answer: wait until it has caught up with something that was asked just now.
    wait::eventually(Duration::from_secs(10), "the audit log has the creations", || {
        let mut found = Vec::new();
        for event in requests()? {
            let target = &event["objectRef"];
            let made = event["responseStatus"]["code"] == 201 && event["stage"] == "ResponseComplete";
            if made
                && target["resource"] == resource
                && target["namespace"] == namespace
                && target["subresource"].is_null()
            {
                let name = target["name"].as_str().unwrap_or_default().to_owned();
                let at =
                    event["requestReceivedTimestamp"].as_str().context("an audit event without a time")?;
                found.push(Creation { name, at: Moment::parse(at)? });
            }
        }
        Ok((!found.is_empty()).then_some(found))
    })
}
