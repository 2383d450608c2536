//! Model checking of elections: every order in which things can happen within stated bounds, over [`berth_core::election::decide`] as it is shipped.
//!
//! The simulation of `berth-testkit` draws orders by lot, from a world in which nearly everything can go wrong. Here the world is smaller and
//! the search is complete: no order within the bounds is left out. Both hold what happens against the same promises, with the same model of
//! databases; what differs is who says when each step happens.
//!
//! What is coarser than in the simulation, so that the search ends: an effect happens at once when it happens; all members read one clock, and
//! time goes on when nothing is under way, or in as many *hurries* as the bounds allow; a stream brings all that there is; whoever hears of a
//! connection's end hears of it at once.

mod agenda;
mod agents;
mod bounds;
mod cluster;
mod effects;
mod faults;
mod member;
mod scenario;
mod step;
mod store;
mod streams;
mod world;

pub use bounds::Bounds;
pub use cluster::{Cluster, Search};
pub use scenario::{Mutant, Scenario};
pub use step::Step;
pub use world::{Lacks, World};
