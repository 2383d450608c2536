//! Whole clusters in simulated time, over the production decisions of `berth_core::election`.
//!
//! A run is decided by its seed alone. In it members, each with an agent, a server, a volume, a clock and a pod, live in one thread: what is
//! true (who holds which record, what was acknowledged) is kept apart from what anybody believes, and the promises of the design are held
//! against the truth after every step. Agents run [`berth_core::election::decide`] as it is shipped; everything around it is modelled, and at
//! its worst: messages are lost, doubled, late and overtaken, clocks run at their own rates, effects are done or not when whoever asked for
//! them is gone, and standbys stop at any record.
//!
//! It does not model the contents of messages being forged, a disk that lies about a flush (but for the flaw that is one), or a machine whose
//! clock drifts by more than production counts on.

mod agents;
mod clients;
mod clock;
mod counts;
pub mod database;
mod effects;
mod facts;
mod faults;
mod forgetting;
mod happening;
mod judge;
mod losses;
mod many;
mod member;
#[cfg(feature = "defects")]
mod mutants;
pub mod names;
mod network;
mod operator;
mod options;
mod pods;
mod run;
mod scenarios;
mod store;
mod streams;
mod topology;
mod trace;
mod words;
mod world;

pub use clients::Fate;
pub use counts::{Counts, Stage};
pub use facts::{Facts, Promise, Violation};
pub use faults::Kind;
pub use losses::too_many_lost;
pub use many::{Campaign, each, first, many};
#[cfg(feature = "defects")]
pub use mutants::{Found, Mutant, control};
pub use options::{Flaw, Options};
pub use run::{Report, run};
pub use scenarios::{BadLink, bad_link};
