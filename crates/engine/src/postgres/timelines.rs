//! The history files in `pg_wal`, and which of them are meant for this log.
//!
//! PostgreSQL takes every history file that it sees for the way that it should go: at its start it looks for the newest number, and does
//! not start if that is no descendant; a running standby turns to a descendant that begins further on, and waits for its log. In a
//! cluster such files come from a primary that a standby met and whose log it does not have, and from a promotion that ended halfway.
//! So: what belongs to a timeline of which the log has nothing is removed before each start; and a standby that may have turned to one is
//! started anew before it is promoted, because its new timeline would name that one as an ancestor, and no follower could get past it.

use super::files;
use super::place::PostgresPlace;
use super::status;
use crate::{EngineError, LogEnd};
use berth_core::{LogPosition, Timeline};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The folder of the log.
pub(super) fn folder(place: &PostgresPlace) -> PathBuf {
    place.pgdata().join("pg_wal")
}

/// The file that tells a timeline's ancestors.
pub(super) fn history(place: &PostgresPlace, timeline: Timeline) -> PathBuf {
    folder(place).join(format!("{:08X}.history", timeline.0))
}

/// An ancestor, and where it was left. A line is `ancestor<TAB>position<TAB>reason`.
fn ancestors(history: &str) -> impl DoubleEndedIterator<Item = (Timeline, LogPosition)> {
    history.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((Timeline(words.next()?.parse().ok()?), status::parse(words.next()?)?))
    })
}

/// Where a timeline begins: where its last ancestor was left.
pub(super) fn begin(history: &str) -> Option<LogPosition> {
    ancestors(history).next_back().map(|(_, left)| left)
}

/// What lies in the folder.
pub(super) struct Seen {
    /// The timelines that have a history file.
    told: BTreeSet<Timeline>,
    /// The timelines that there is a piece of log of.
    logged: BTreeSet<Timeline>,
}

/// Looks.
pub(super) fn look(place: &PostgresPlace) -> Result<Seen, EngineError> {
    let mut seen = Seen { told: BTreeSet::new(), logged: BTreeSet::new() };
    for name in files::names(&folder(place))? {
        let number = |text: &str| u32::from_str_radix(text, 16).ok().map(Timeline);
        match name.strip_suffix(".history") {
            Some(told) if told.len() == 8 => seen.told.extend(number(told)),
            None if name.len() == 24 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                seen.logged.extend(name.get(..8).and_then(number));
            }
            Some(_) | None => {}
        }
    }
    Ok(seen)
}

impl Seen {
    /// The newest timeline that there is a piece of log of.
    pub(super) fn newest(&self) -> Option<Timeline> {
        self.logged.last().copied()
    }

    /// The newest number that was ever used, as far as this folder knows.
    pub(super) fn used(&self) -> Timeline {
        self.told.last().copied().max(self.newest()).unwrap_or_default()
    }

    /// The numbers below this one, from the oldest timeline that there is a piece of log of on, that have no history file.
    pub(super) fn gaps(&self, below: Timeline) -> impl Iterator<Item = Timeline> {
        let oldest = self.logged.first().copied().unwrap_or(below);
        let between = oldest.next().0..below.0;
        between.map(Timeline).filter(|timeline| !self.told.contains(timeline))
    }

    /// The timelines that are told of and that nothing is here of.
    pub(super) fn foreign(&self) -> impl Iterator<Item = Timeline> {
        let newest = self.newest().unwrap_or_default();
        self.told.range(newest.next()..).copied()
    }
}

/// Removes what is told of timelines that nothing is here of. `newest` is that of the control file. The server must not run.
pub(super) fn sweep(place: &PostgresPlace, seen: &Seen, newest: Timeline) -> Result<(), EngineError> {
    for timeline in seen.foreign().filter(|timeline| *timeline > newest) {
        files::remove(&history(place, timeline))?;
    }
    Ok(())
}

/// The timeline that the running standby may have turned to without having anything of it.
pub(super) fn lure(place: &PostgresPlace, seen: &Seen, end: LogEnd) -> Result<Option<Timeline>, EngineError> {
    for timeline in seen.foreign() {
        let told = files::read(&history(place, timeline))?.unwrap_or_default();
        // One that left this timeline before the end is none of its descendants, and the server sees that too.
        if ancestors(&told).any(|(ancestor, left)| ancestor == end.timeline && left >= end.position) {
            return Ok(Some(timeline));
        }
    }
    Ok(None)
}

/// That the standby must be started anew before it can be promoted.
pub(super) fn lured(step: &str, to: Timeline) -> EngineError {
    EngineError::Step {
        step: step.to_owned(),
        reason: format!("the server waits for timeline {to}, of which it has nothing; start it anew first"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_begins_where_its_last_ancestor_was_left() {
        let history =
            "1\t0/14C8F10\tno recovery target specified\n\n3\t1A/5000098\tno recovery target specified\n";
        assert_eq!(begin(history), Some(LogPosition(0x1A_0500_0098)));
        assert_eq!(begin(""), None, "a paving stone tells nothing");
    }

    #[test]
    fn what_is_told_of_a_timeline_below_one_that_is_here_is_no_strangers() {
        let seen = |told: &[u32], logged: &[u32]| Seen {
            told: told.iter().copied().map(Timeline).collect(),
            logged: logged.iter().copied().map(Timeline).collect(),
        };
        let foreign =
            |told: &[u32], logged: &[u32]| seen(told, logged).foreign().map(|t| t.0).collect::<Vec<_>>();
        // Stones between an ancestor and its descendant are how the descendant is found.
        assert_eq!(foreign(&[2, 3, 4], &[1, 4]), Vec::<u32>::new());
        assert_eq!(foreign(&[2, 3, 4], &[1]), [2, 3, 4]);
        assert_eq!(foreign(&[2, 5], &[1, 2]), [5]);
        assert_eq!(foreign(&[], &[]), Vec::<u32>::new());
    }

    #[test]
    fn the_numbers_between_are_paved_and_none_is_used_twice() {
        let seen = |told: &[u32], logged: &[u32]| Seen {
            told: told.iter().copied().map(Timeline).collect(),
            logged: logged.iter().copied().map(Timeline).collect(),
        };
        let gaps = |told: &[u32], logged: &[u32], below| {
            seen(told, logged).gaps(Timeline(below)).map(|timeline| timeline.0).collect::<Vec<_>>()
        };
        assert_eq!(gaps(&[], &[1], 2), Vec::<u32>::new());
        assert_eq!(gaps(&[], &[1], 4), [2, 3]);
        // A promotion onto 6 finds all that lie before it one after the other, whichever of them it starts from.
        assert_eq!(gaps(&[4], &[1, 4], 6), [2, 3, 5]);
        assert_eq!(gaps(&[4], &[4], 6), [5]);
        assert_eq!(seen(&[3], &[1, 2]).used(), Timeline(3));
        assert_eq!(seen(&[], &[1, 2]).used(), Timeline(2));
    }
}
