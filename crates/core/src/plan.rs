//! The operator plan.
