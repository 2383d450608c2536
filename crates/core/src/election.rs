//! The election: see decide.
