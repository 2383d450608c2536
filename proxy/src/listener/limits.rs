//! How many connections there may be: in all, and per source among those that have not authenticated.
//!
//! Authenticated sessions are not counted per source: behind a Service all clients of a node can have one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The counts.
#[derive(Debug)]
pub struct Limits {
    most: usize,
    most_strangers: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    strangers: HashMap<IpAddr, usize>,
}

/// A place, given back when dropped.
#[derive(Debug)]
pub struct Admitted {
    limits: Arc<Limits>,
    stranger: Option<IpAddr>,
}

impl Limits {
    /// `most` in all, `most_strangers` per source before they are authenticated.
    pub fn new(most: usize, most_strangers: usize) -> Arc<Self> {
        Arc::new(Self { most, most_strangers, counts: Mutex::default() })
    }

    /// A place, or none if there is none left.
    pub fn admit(self: &Arc<Self>, source: IpAddr) -> Option<Admitted> {
        let mut counts = self.counts();
        if counts.all >= self.most {
            return None;
        }
        let strangers = counts.strangers.entry(source).or_insert(0);
        if *strangers >= self.most_strangers {
            return None;
        }
        *strangers += 1;
        counts.all += 1;
        Some(Admitted { limits: Arc::clone(self), stranger: Some(source) })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn known(&mut self, source: IpAddr) {
        if let Some(count) = self.strangers.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.strangers.remove(&source);
            }
        }
    }
}

impl Admitted {
    /// The client is authenticated: it no longer counts against its source.
    pub fn known(&mut self) {
        if let Some(source) = self.stranger.take() {
            self.limits.counts().known(source);
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.limits.counts();
        counts.all -= 1;
        if let Some(source) = self.stranger {
            counts.known(source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_count_by_source_and_everybody_in_all() {
        let limits = Limits::new(3, 1);
        let (one, two): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let mut first = limits.admit(one).unwrap();
        assert!(limits.admit(one).is_none(), "a second stranger from there");
        let second = limits.admit(two).unwrap();
        first.known();
        let third = limits.admit(one).unwrap();
        assert!(limits.admit([10, 0, 0, 3].into()).is_none(), "the fourth of three");
        drop((first, second, third));
        assert!(limits.counts().strangers.is_empty(), "nothing is kept of those who left");
        assert_eq!(limits.counts().all, 0);
    }
}
