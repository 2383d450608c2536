//! Whole clusters, many seeds, production's own decisions: every promise holds in each of them, and the runs are worth the name.
//!
//! `BERTH_TEST_SEED=n` runs one seed, `BERTH_TEST_SEEDS=n` so many. `cargo xtask simulate --seed n --trace` tells the story of one.

mod flaws;
mod links;
mod losses;
mod seeds;
