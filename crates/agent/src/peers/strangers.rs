//! How many may be at the door: connections that have not yet proved who they are, in all and by source.
//!
//! Those that have are not counted here; each member has one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// At most so many in all: far more than a cluster has members, and a handshake each of memory.
const MOST: usize = 64;
/// At most so many of one source. A member opens one at a time; several can share an address only behind a translation.
const MOST_OF_ONE: usize = 8;

/// The counts by source.
#[derive(Debug, Default)]
pub(super) struct Strangers(Mutex<HashMap<IpAddr, usize>>);

/// A place at the door, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    strangers: Arc<Strangers>,
    source: IpAddr,
}

impl Strangers {
    /// A place, or none if there is none left.
    pub(super) fn admit(self: &Arc<Self>, source: IpAddr) -> Option<Place> {
        let mut counts = self.counts();
        let of_it = counts.get(&source).copied().unwrap_or(0);
        if of_it >= MOST_OF_ONE || counts.values().sum::<usize>() >= MOST {
            return None;
        }
        counts.insert(source, of_it + 1);
        Some(Place { strangers: Arc::clone(self), source })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.strangers.counts();
        match counts.get_mut(&self.source) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => drop(counts.remove(&self.source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_counted_by_source_and_in_all_and_forgotten_when_they_leave() {
        let strangers = Arc::new(Strangers::default());
        let source = |last: usize| IpAddr::from([10, 0, 0, u8::try_from(last).unwrap()]);
        let mut places: Vec<_> =
            std::iter::repeat_with(|| strangers.admit(source(0))).map_while(|place| place).collect();
        assert_eq!(places.len(), MOST_OF_ONE);
        let others = (0..).map_while(|number| strangers.admit(source(1 + number / MOST_OF_ONE)));
        places.extend(others);
        assert_eq!(places.len(), MOST);
        places.remove(0);
        assert!(strangers.admit(source(0)).is_some(), "its place is free again");
        places.clear();
        assert!(strangers.counts().is_empty(), "nothing is kept of those who left");
    }
}
