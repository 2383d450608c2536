//! What is kept of data before a rewind changes it, so that a rewind that was broken off can be begun anew, with whoever leads then.
//!
//! A rewind replaces the blocks that the data's own log says were changed since the last checkpoint that both share, adds what the source's
//! files have more, and copies files that are only there. Broken off, some blocks are the source's of that time. If that source is lost,
//! so is perhaps what wrote them; the next leader's log would never put them right, and each of them must be replaced once more or go. The
//! data's own log names the first kind again, if it is still there: `pg_rewind` truncates all files that the source has too before it fills
//! them, those of the log as well. So the log is copied before. The others lie beyond what the data had: so what it had is listed before.

use super::note;
use crate::EngineError;
use crate::postgres::control::Control;
use crate::postgres::place::PostgresPlace;
use crate::postgres::{files, timelines};
use berth_core::LogPosition;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Where tables and indexes lie. All other files are replaced as a whole by each rewind.
const TABLES: [&str; 3] = ["base", "global", "pg_tblspc"];

fn log(place: &PostgresPlace) -> PathBuf {
    note::folder(place).join("log")
}

fn sizes(place: &PostgresPlace) -> PathBuf {
    note::folder(place).join("sizes.json")
}

/// Keeps what a rewind reads of the data's own log, from the last shared checkpoint to its end and which timelines it went, and which
/// files there are. What was kept before goes.
pub(super) fn keep(place: &PostgresPlace, control: &Control, shared: LogPosition) -> Result<(), EngineError> {
    files::remove_folder(&note::folder(place))?;
    files::folder(&log(place))?;
    for name in files::names(&timelines::folder(place))? {
        let read = control
            .cut
            .bytes(&name)
            .is_some_and(|bytes| bytes.end > shared.0 && bytes.start <= control.reached.0);
        if read || name.ends_with(".history") {
            files::copy(&timelines::folder(place).join(&name), &log(place).join(&name))?;
        }
    }
    files::sync_folder(&log(place))?;
    let written = serde_json::to_vec(&tables(place)?)
        .map_err(|error| files::failed("rendering", &sizes(place))(error.into()))?;
    files::write(&sizes(place), &written)
}

/// Takes away what a rewind that was broken off has added, and puts back what it reads of the data's own log.
pub(super) fn restore(place: &PostgresPlace) -> Result<(), EngineError> {
    for name in files::names(&log(place))? {
        files::copy(&log(place).join(&name), &timelines::folder(place).join(&name))?;
    }
    files::sync_folder(&timelines::folder(place))?;
    let path = sizes(place);
    let written = files::read(&path)?.unwrap_or_default();
    let before: BTreeMap<PathBuf, u64> = serde_json::from_str(&written)
        .map_err(|error| EngineError::Volume(format!("{} cannot be read: {error}", path.display())))?;
    for (name, size) in tables(place)? {
        let path = place.pgdata().join(&name);
        match before.get(&name) {
            None => fs::remove_file(&path).map_err(files::failed("removing", &path))?,
            Some(had) if size > *had => {
                let cut = File::options().write(true).open(&path).and_then(|file| file.set_len(*had));
                cut.map_err(files::failed("cutting", &path))?;
            }
            // What a rewind cuts off it adds again, from whoever has it.
            Some(_) => {}
        }
    }
    Ok(())
}

/// The files of tables and indexes, below the database, with their sizes in bytes.
fn tables(place: &PostgresPlace) -> Result<BTreeMap<PathBuf, u64>, EngineError> {
    let mut found = BTreeMap::new();
    for name in TABLES {
        list(&place.pgdata(), Path::new(name), &mut found)?;
    }
    Ok(found)
}

fn list(pgdata: &Path, below: &Path, found: &mut BTreeMap<PathBuf, u64>) -> Result<(), EngineError> {
    let folder = pgdata.join(below);
    for name in files::names(&folder)? {
        let path = folder.join(&name);
        let data = fs::metadata(&path).map_err(files::failed("looking at", &path))?;
        if data.is_dir() {
            list(pgdata, &below.join(name), found)?;
        } else {
            found.insert(below.join(name), data.len());
        }
    }
    Ok(())
}
