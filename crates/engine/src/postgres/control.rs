//! The control file, as `pg_controldata` tells it: what a database says of itself while no server runs.

use super::place::PostgresPlace;
use super::tail::Cut;
use super::{program, status};
use crate::EngineError;
use berth_core::{LogPosition, Timeline};
use std::time::Duration;
use tokio::process::Command;

/// A look takes milliseconds.
const LOOK: Duration = Duration::from_secs(30);

/// What of it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Control {
    /// The identity that every copy of the database shares.
    pub(super) system: String,
    /// The newest timeline that it knows of.
    pub(super) timeline: Timeline,
    /// How its last server ended, or that it did not.
    pub(super) ended: Ended,
    /// How far its log reaches at least: all that a rewind reads of it lies below.
    pub(super) reached: LogPosition,
    /// How the log is cut.
    pub(super) cut: Cut,
}

/// How the last server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// In order as a primary; its last record begins here.
    Primary(LogPosition),
    /// In order as a standby.
    Standby,
    /// Not in order, or it runs.
    Otherwise,
}

/// Reads it.
pub(super) async fn read(place: &PostgresPlace) -> Result<Control, EngineError> {
    let mut command = Command::new(place.program("pg_controldata"));
    command.arg("-D").arg(place.pgdata());
    parse(&program::run(&mut command, "reading the control file", LOOK).await?)
}

fn parse(told: &str) -> Result<Control, EngineError> {
    let field = |name: &str| {
        let value = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.map(str::trim).ok_or_else(|| EngineError::Volume(format!("the control file tells no {name:?}")))
    };
    let odd =
        |name: &str, value: &str| EngineError::Volume(format!("the control file's {name:?} is {value:?}"));
    let number = |name: &str| {
        let value = field(name)?;
        value.parse::<u32>().map_err(|_| odd(name, value))
    };
    let position = |name: &str| {
        let value = field(name)?;
        status::parse(value).ok_or_else(|| odd(name, value))
    };
    let checkpoint = position("Latest checkpoint location")?;
    let ended = match field("Database cluster state")? {
        "shut down" => Ended::Primary(checkpoint),
        "shut down in recovery" => Ended::Standby,
        _ => Ended::Otherwise,
    };
    let timelines =
        [number("Latest checkpoint's TimeLineID")?, number("Min recovery ending loc's timeline")?];
    Ok(Control {
        system: field("Database system identifier")?.to_owned(),
        timeline: Timeline(timelines.into_iter().max().unwrap_or_default()),
        ended,
        reached: checkpoint.max(position("Minimum recovery ending location")?),
        cut: Cut {
            page: number("WAL block size")?.max(1).into(),
            segment: number("Bytes per WAL segment")?.max(1).into(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(state: &str) -> String {
        format!(
            "Database system identifier:           7387\n\
             Database cluster state:               {state}\n\
             Latest checkpoint location:           1A/5000028\n\
             Latest checkpoint's REDO location:    0/1\n\
             Latest checkpoint's TimeLineID:       3\n\
             Minimum recovery ending location:     1A/6000000\n\
             Min recovery ending loc's timeline:   4\n\
             WAL block size:                       8192\n\
             Bytes per WAL segment:                16777216\n"
        )
    }

    #[test]
    fn only_an_orderly_end_as_a_primary_tells_where_the_log_ends() {
        let ended = |state| parse(&told(state)).unwrap().ended;
        assert_eq!(ended("shut down"), Ended::Primary(LogPosition(0x1A_0500_0028)));
        assert_eq!(ended("shut down in recovery"), Ended::Standby);
        for state in
            ["in production", "in archive recovery", "in crash recovery", "shutting down", "starting up"]
        {
            assert_eq!(ended(state), Ended::Otherwise, "{state}");
        }
    }

    #[test]
    fn the_newest_timeline_counts_and_nothing_is_guessed() {
        let control = parse(&told("in production")).unwrap();
        assert_eq!((control.system.as_str(), control.timeline), ("7387", Timeline(4)));
        assert_eq!(control.reached, LogPosition(0x1A_0600_0000));
        assert_eq!(control.cut, Cut { page: 8192, segment: 16 << 20 });
        assert!(parse("").is_err());
        assert!(parse(&told("shut down").replace("1A/5000028", "?")).is_err());
    }
}
