//! Time as an argument: decisions are told what time it is and never look.
//!
//! Counted by a clock that goes on while the machine sleeps and that nobody sets. Where it starts does not matter; two moments of
//! different machines do not compare.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A point in time of one machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Moment(Duration);

impl Moment {
    /// The moment at which the clock shows `elapsed`.
    pub const fn at(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// The moment `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// How long before this moment `earlier` was; zero if it was not.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}
