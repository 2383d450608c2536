//! What statements do to their session and their transaction, told from their text as far as that takes no parser.

mod functions;
mod script;
mod tokens;

pub(super) use script::{Act, Weight, read};
