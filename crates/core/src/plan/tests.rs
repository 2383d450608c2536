//! Tables, snapshots and properties of the planner.
