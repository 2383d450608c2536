//! What lies ready before any start of a server on the data.

use super::place::PostgresPlace;
use super::{control, doors, settings, slots, timelines};
use crate::{EngineError, Peer};

/// Prepares a start as a standby of the source, or of nobody. There is no other.
pub(super) async fn prepare(place: &PostgresPlace, source: Option<&Peer>) -> Result<(), EngineError> {
    doors::write(place)?;
    settings::write_start(place, source)?;
    if source.is_some() {
        slots::clear(place)?;
    }
    let seen = timelines::look(place)?;
    if seen.foreign().next().is_some() {
        timelines::sweep(place, &seen, control::read(place).await?.timeline)?;
    }
    Ok(())
}
