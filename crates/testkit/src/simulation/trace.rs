//! The story of a run: one line for each thing that happens, with the time and to whom, in words. Costs nothing while nobody reads it.

use super::clock::Time;
use std::fmt::Display;

/// The story of a run.
#[derive(Debug, Default)]
pub(super) struct Trace {
    lines: Option<Vec<String>>,
}

impl Trace {
    /// One that is kept, or none.
    pub(super) fn new(kept: bool) -> Self {
        Self { lines: kept.then(Vec::new) }
    }

    /// Tells a line.
    pub(super) fn say(&mut self, at: Time, whom: &dyn Display, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{at} {whom:<8} {}", text()));
        }
    }

    /// All lines.
    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
