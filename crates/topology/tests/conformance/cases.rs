//! The cases, by what they are about.

pub(crate) mod access;
pub(crate) mod records;
pub(crate) mod swaps;
pub(crate) mod versions;
pub(crate) mod watches;
