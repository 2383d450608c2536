//! The agent of a member and the warden that it runs under.

pub mod warden;
