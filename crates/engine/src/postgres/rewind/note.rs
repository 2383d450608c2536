//! What lies beside data that a rewind has begun to change, until a server on it answers.

use crate::postgres::files;
use crate::postgres::place::{PostgresPlace, text};
use crate::{EngineError, Peer};
use berth_core::{LogPosition, MemberId, Term};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Towards whom a rewind was begun.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::postgres) struct Note {
    pub(super) member: MemberId,
    pub(super) address: String,
    pub(super) term: Term,
    /// The last checkpoint that the data shared with that one's: what was changed since is what the rewind replaces.
    pub(super) shared: LogPosition,
    /// Whether it has come to its end.
    pub(super) done: bool,
    /// How often a server was to go on from it since.
    pub(super) tries: u32,
}

impl Note {
    pub(super) fn begun(peer: &Peer, shared: LogPosition) -> Self {
        Self {
            member: peer.member.clone(),
            address: peer.address.clone(),
            term: peer.term,
            shared,
            done: false,
            tries: 0,
        }
    }

    pub(super) fn peer(&self) -> Peer {
        Peer { member: self.member.clone(), address: self.address.clone(), term: self.term }
    }
}

/// The folder of the note, and of what is kept with it.
pub(super) fn folder(place: &PostgresPlace) -> PathBuf {
    place.data.join("rewind")
}

fn path(place: &PostgresPlace) -> PathBuf {
    folder(place).join("source.json")
}

/// The rewind that was begun and that no server has gone on from.
pub(in crate::postgres) fn read(place: &PostgresPlace) -> Result<Option<Note>, EngineError> {
    let path = path(place);
    let Some(written) = files::read(&path)? else { return Ok(None) };
    serde_json::from_str(&written)
        .map(Some)
        .map_err(|error| EngineError::Volume(format!("{} cannot be read: {error}", text(&path))))
}

pub(super) fn write(place: &PostgresPlace, content: &Note) -> Result<(), EngineError> {
    let written = serde_json::to_vec(content)
        .map_err(|error| files::failed("rendering", &path(place))(error.into()))?;
    files::write(&path(place), &written)
}

/// Forgets a rewind: the server answers, so that its data is whole by itself.
pub(in crate::postgres) fn forget(place: &PostgresPlace) -> Result<(), EngineError> {
    let path = path(place);
    if !path.try_exists().map_err(files::failed("looking for", &path))? {
        return Ok(());
    }
    files::remove(&path)?;
    files::remove_folder(&folder(place))
}
