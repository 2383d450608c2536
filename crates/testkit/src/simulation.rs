//! Whole clusters in simulated time, over the production decisions of `berth_core::election`.

pub mod database;
pub mod names;
