//! The PostgreSQL adapter.

pub(crate) mod logs;
