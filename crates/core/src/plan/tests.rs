//! The planner: stories as snapshots, tables of single decisions, and properties over random worlds and random histories.

mod disk;
mod elections;
mod histories;
mod rebuild;
mod stories;
mod tables;
pub(crate) mod world;
